"""Training: the loop, validation, divergence, checkpoints, metrics, default settings."""
