"""Search: where the text of a token store has what another text has."""
