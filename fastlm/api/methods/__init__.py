"""The methods of a language model on texts and states."""
