"""Use of a trained model: sampling, generation, scoring, evaluation."""
