"""Using a trained model: sampling, generation, scoring, evaluation."""
