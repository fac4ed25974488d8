"""Scoring of files: records in, scores or a part of the records out, restarted where it ended."""
