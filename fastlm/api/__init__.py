"""What users call: the language model, training, fine-tuning, export, inspection."""
