"""Back-off models built n-gram by n-gram from a dictionary or an ARPA text: slow and obvious."""

from __future__ import annotations

import functools
import itertools
import math
from pathlib import Path
from typing import Any

import numpy as np

from fastlm.counts.backoff_model import NO_SUFFIXES, BackoffModel, token_type

Ngrams = dict[tuple[int, ...], tuple[float, float]]
"""ln p and ln of the back-off for each n-gram."""

FOLDER = Path(__file__).parent


def model_of(ngrams: Ngrams, vocab: int, boundary: int | None) -> BackoffModel:
    """Build the trie of n-grams that are closed under prefixes and suffixes."""
    order = max(map(len, ngrams))
    levels = [sorted(g for g in ngrams if len(g) == k + 1) for k in range(order)]
    index = {gram: i for level in levels for i, gram in enumerate(level)}
    children = []
    for level, below in itertools.pairwise(levels):
        counts = np.zeros(len(level) + 1, dtype=np.uint32)
        for gram in below:
            counts[index[gram[:-1]] + 1] += 1
        children.append(np.cumsum(counts, dtype=np.uint32))
    return BackoffModel(
        order=order,
        vocab=vocab,
        boundary=boundary,
        tokens=tuple(np.array([g[-1] for g in level], dtype=token_type(vocab)) for level in levels),
        children=tuple(children),
        log_probs=tuple(np.array([ngrams[g][0] for g in m], dtype=np.float32) for m in levels),
        log_backoffs=tuple(
            np.array([ngrams[g][1] for g in level], dtype=np.float32) for level in levels[:-1]
        ),
        suffixes=(
            NO_SUFFIXES,
            *(np.array([index[g[1:]] for g in m], dtype=np.uint32) for m in levels[1:]),
        ),
    )


def ngrams_of(model: BackoffModel) -> Ngrams:
    """Return what ``model_of`` takes."""
    ngrams: Ngrams = {}
    level: list[tuple[int, ...]] = [(int(t),) for t in model.tokens[0]]
    for k in range(model.order):
        inner = k < model.order - 1
        for i, gram in enumerate(level):
            backoff = float(model.log_backoffs[k][i]) if inner else 0.0
            ngrams[gram] = float(model.log_probs[k][i]), backoff
        if inner:
            starts = model.children[k]
            level = [
                (*gram, int(t))
                for i, gram in enumerate(level)
                for t in model.tokens[k + 1][starts[i] : starts[i + 1]]
            ]
    return ngrams


def read_arpa_slowly(text: str, ids: dict[str, int]) -> Ngrams:
    """Return the n-grams of an ARPA text; ids have ``<unk>`` and ``</s>``, which ``<s>`` joins."""
    ngrams: Ngrams = {}
    ids = ids | {"<s>": ids["</s>"]}
    for line in text.splitlines():
        fields = line.split("\t")
        if len(fields) < 2:
            continue
        words = fields[1].split(" ")
        log_prob = float(fields[0]) * math.log(10)
        backoff = float(fields[2]) * math.log(10) if len(fields) > 2 else 0.0
        gram = tuple(ids[word] for word in words)
        if words == ["<s>"]:
            log_prob = ngrams[gram][0] if gram in ngrams else math.nan
        elif words == ["</s>"] and gram in ngrams:
            backoff = ngrams[gram][1]
        ngrams[gram] = log_prob, backoff
    return ngrams


TINY_IDS = {"</s>": 0, "<unk>": 1, "a": 2, "b": 3, "c": 4}


def tiny_model(name: str = "tiny") -> BackoffModel:
    """Return KenLM's model of ``tiny`` or ``doubled``, of order 3 over five tokens."""
    text = (FOLDER / f"{name}.3.arpa").read_text(encoding="ascii")
    return model_of(read_arpa_slowly(text, TINY_IDS), vocab=5, boundary=0)


_ngrams = functools.lru_cache(maxsize=4)(ngrams_of)


def log_prob(model: BackoffModel, context: Any, token: int) -> float:
    """Return ln p(token | context), by the definition."""
    ngrams = _ngrams(model)
    context = tuple(map(int, context))[max(0, len(context) - model.order + 1) :]
    backoff = 0.0
    while (*context, token) not in ngrams:
        backoff += ngrams.get(context, (0.0, 0.0))[1]
        context = context[1:]
    return backoff + ngrams[*context, token][0]
