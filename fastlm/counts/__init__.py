"""Counts of n-grams: back-off models estimated by modified Kneser-Ney, beside the network."""
