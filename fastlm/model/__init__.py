"""What a model is as numbers: layout, initial weights, the model file."""
