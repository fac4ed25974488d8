"""The public interface: the language model, training, fine-tuning, export, inspection."""
