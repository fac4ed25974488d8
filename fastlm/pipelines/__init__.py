"""Callables on batches, for the engines and libraries in whose pipelines a model works."""
