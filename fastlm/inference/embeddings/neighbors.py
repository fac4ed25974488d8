"""The nearest neighbours of a token: those whose embeddings point most nearly the same way."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastlm.checks import check_whole, shown
from fastlm.errors import ConfigError, TokenizerError
from fastlm.tokenizers import Tokenizer

__all__ = ["nearest_tokens"]


def nearest_tokens(
    tokenizer: Tokenizer, embeddings: NDArray[np.float32], token: str, k: int
) -> list[tuple[str, float]]:
    """Return the k tokens with the nearest embeddings to a token, and their cosines.

    Parameters
    ----------
    tokenizer : Tokenizer
    embeddings : float32[V, E]
    token : str
        Text that is one token, or its name, such as ``<end>``.
    k : int
        All others where there are fewer. Of equally near ones the lower id comes first.

    Raises
    ------
    ConfigError
        For text that is not one token of the vocabulary.
    """
    k = check_whole("k", k, 1)
    id = _id_of(tokenizer, token)
    vectors = embeddings.astype(np.float64)
    lengths = np.linalg.norm(vectors, axis=1)
    cosines = vectors @ vectors[id] / np.maximum(lengths * lengths[id], 1e-300)
    nearest = [int(other) for other in np.argsort(-cosines, kind="stable") if other != id]
    return [(tokenizer.token(other), float(cosines[other])) for other in nearest[:k]]


def _id_of(tokenizer: Tokenizer, token: str) -> int:
    if not isinstance(token, str):
        raise ConfigError(f"the token is {shown(token)}; give its text")
    try:
        ids = tokenizer.encode(token).tolist()
    except TokenizerError:
        ids = []
    if len(ids) == 1 and ids[0] != tokenizer.unk_id:
        return int(ids[0])
    for id in range(tokenizer.vocab_size):
        if tokenizer.token(id) == token:
            return id
    raise ConfigError(
        f"{shown(token)} is not one token of the model, whose tokenizer is {tokenizer.kind}; name "
        f"one of its vocabulary, such as {tokenizer.token(tokenizer.vocab_size // 2)!r}"
    )
