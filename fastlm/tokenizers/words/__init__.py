"""Words found in text, and spaces put back between them."""
