"""The border to the compiled kernels: arrays checked and cast, training, losses, generation."""
