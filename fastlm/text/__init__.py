"""Where text comes from: files, folders, compression, decoding, JSON lines, documents."""
