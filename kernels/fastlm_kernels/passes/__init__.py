"""The kernels that ``fastlm`` calls: training steps, losses, scores, generation."""
