"""What Python calls: training steps, losses, generation."""
