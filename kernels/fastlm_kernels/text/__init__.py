"""UTF-8 text: characters, words, counting and encoding."""
