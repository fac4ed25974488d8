"""Text and a tokenizer to token ids: scan, split, encode, token store, dataset."""
