"""A model as numbers: layout, initial weights, figures, the model file."""
