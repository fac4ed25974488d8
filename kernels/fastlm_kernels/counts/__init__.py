"""Counting n-grams and estimating their probabilities."""
