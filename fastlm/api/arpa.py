"""ARPA files as models: counts, and the tokenizer that their words are of."""

from __future__ import annotations

import os

from fastlm.counts.backoff_model import BackoffModel
from fastlm.errors import CorpusError, ModelFileError, TokenizerError
from fastlm.tokenizers import CharTokenizer, Tokenizer, Vocabulary, WhitespaceTokenizer

__all__ = ["is_arpa", "load_arpa", "load_counts"]

_SUFFIXES = (".arpa", ".arpa.gz", ".arpa.zst")


def is_arpa(path: str | os.PathLike[str]) -> bool:
    """Tell whether a file is an ARPA file, as its name says."""
    return os.fspath(path).lower().endswith(_SUFFIXES)


def load_counts(path: str | os.PathLike[str], tokenizer: Tokenizer) -> BackoffModel:
    """Return the counts of an ARPA file over the tokens of a tokenizer.

    Raises
    ------
    ModelFileError
        As ``read_arpa``.
    """
    from fastlm.counts.arpa_reader import read_arpa

    try:
        return read_arpa(path, tokenizer.vocabulary)
    except CorpusError as error:
        raise ModelFileError(str(error)) from None


def load_arpa(path: str | os.PathLike[str]) -> tuple[Tokenizer, BackoffModel]:
    """Return the tokenizer and the counts of an ARPA file.

    The tokenizer is ``char`` where all tokens are single characters, else ``whitespace``.

    Raises
    ------
    ModelFileError
        As ``read_arpa``, and for tokens that neither tokenizer makes.
    """
    from fastlm.counts.arpa_reader import arpa_tokens

    try:
        tokens = arpa_tokens(path)
        vocabulary = Vocabulary.from_symbols(tokens, boundary=True, unk=True)
    except (CorpusError, TokenizerError) as error:
        raise ModelFileError(str(error)) from None
    spaced = next((token for token in tokens if token.split() != [token]), None)
    if all(len(token) == 1 for token in tokens):
        tokenizer: Tokenizer = CharTokenizer(vocabulary)
    elif spaced is None:
        tokenizer = WhitespaceTokenizer(vocabulary)
    else:
        raise ModelFileError(
            f"{path} has the token {spaced[:20]!r}, which is neither a word nor a character; mix "
            "it with a model of its tokenizer"
        )
    return tokenizer, load_counts(path, tokenizer)
