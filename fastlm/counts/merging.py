"""Two back-off models as one: their probabilities, interpolated.

p(w | h) = (1 - share) p1(w | h) + share p2(w | h) for every n-gram h w that either has; back-offs
are computed anew, so that all sums to 1. Stolcke 2002 ("SRILM") does the same.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastlm.counts.backoff_model import NO_SUFFIXES, BackoffModel, token_type
from fastlm.counts.estimate import estimate
from fastlm.counts.pruning import prune_to_size
from fastlm.errors import ConfigError
from fastlm.system.json_values import WHOLE

__all__ = ["add_counts", "merge"]

# A back-off must have a logarithm, even where everything is seen.
_LEAST_BACKOFF = 1e-8


class _Level(NamedTuple):
    """The n-grams of one length of both models.

    tokens, parents : int64[n], of each its last token, and the n-gram before it in the level above
    suffixes : int64[n], the n-gram without its first token in the level above
    places : twice int64[n], where it is in either model, -1 for nowhere
    """

    tokens: NDArray[np.int64]
    parents: NDArray[np.int64]
    suffixes: NDArray[np.int64]
    places: tuple[NDArray[np.int64], NDArray[np.int64]]


def add_counts(model: BackoffModel, ids: Any, threads: int | None = None) -> BackoffModel:
    """Return a model with the counts of more text, weighted by the number of tokens.

    A model that was pruned to a size is pruned to it again.

    Parameters
    ----------
    model : BackoffModel
    ids : int[T]
        The text; a boundary token ends each document.
    threads : int, optional
    """
    facts = model.metadata
    cuts = facts.get("prune")
    known = isinstance(cuts, list) and len(cuts) == model.order and all(map(WHOLE.holds, cuts))
    more = estimate(
        ids,
        model.order,
        model.vocab,
        model.boundary,
        prune=cuts if known and cuts else (),
        threads=threads,
    )
    old, new = (max(1, _tokens(each)) for each in (model, more))
    both = merge(model, more, new / (old + new))
    size = facts.get("size")
    return prune_to_size(both, size, threads=threads) if size and WHOLE.holds(size) else both


def _tokens(model: BackoffModel) -> int:
    """Return how many tokens a model was estimated from, 0 if that is not known."""
    tokens = model.metadata.get("tokens")
    return int(tokens) if WHOLE.holds(tokens) else 0  # type: ignore[arg-type]


def merge(first: BackoffModel, second: BackoffModel, share: float) -> BackoffModel:
    """Return one model with the n-grams of both.

    Parameters
    ----------
    first, second : BackoffModel
        Over the same tokens.
    share : float
        The weight of the second, 0 to 1.

    Returns
    -------
    BackoffModel
        Its metadata are those of the first, with the ``tokens`` of both.

    Raises
    ------
    ConfigError
        For models over other tokens.
    """
    if (first.vocab, first.boundary) != (second.vocab, second.boundary):
        raise ConfigError("the counts are over other tokens; use the tokenizer of the model")
    models = first, second
    levels = _union(models)
    order, vocab = len(levels), first.vocab
    mixed, lower = [], [np.zeros(1), np.zeros(1)]
    for level, each in enumerate(levels):
        logs = []
        for number, model in enumerate(models):
            place = each.places[number]
            own = np.zeros(place.size)
            known = place >= 0
            if level < model.order:
                own[known] = model.log_probs[level][place[known]]
            if level:
                backoffs = _backoffs(model, level - 1, levels[level - 1].places[number])
                other = backoffs[each.parents] + lower[number][each.suffixes]
                own = np.where(known, own, other)
            logs.append(own)
        lower = logs
        mixed.append((1 - share) * np.exp(logs[0]) + share * np.exp(logs[1]))
    children, log_backoffs = [], []
    for level, longer in enumerate(levels[1:]):
        size = levels[level].tokens.size
        starts = np.searchsorted(longer.parents, np.arange(size + 1))
        left = 1 - np.bincount(longer.parents, mixed[level + 1], minlength=size)
        below = mixed[level][longer.suffixes]
        rest = 1 - np.bincount(longer.parents, below, minlength=size)
        weight = np.maximum(left, _LEAST_BACKOFF) / np.maximum(rest, _LEAST_BACKOFF)
        log_backoffs.append(np.where(starts[1:] > starts[:-1], np.log(weight), 0.0))
        children.append(starts.astype(np.uint32))
    return BackoffModel(
        order=order,
        vocab=vocab,
        boundary=first.boundary,
        tokens=tuple(each.tokens.astype(token_type(vocab)) for each in levels),
        children=tuple(children),
        log_probs=tuple(np.log(p).astype(np.float32) for p in mixed),
        log_backoffs=tuple(each.astype(np.float32) for each in log_backoffs),
        suffixes=(NO_SUFFIXES, *(each.suffixes.astype(np.uint32) for each in levels[1:])),
        metadata={**first.metadata, "tokens": sum(map(_tokens, models))},
    )


def _union(models: tuple[BackoffModel, BackoffModel]) -> list[_Level]:
    """Return the n-grams of both models by length, each in the order of its tokens."""
    vocab = models[0].vocab
    ids = np.arange(vocab)
    levels = [_Level(ids, np.zeros(vocab, dtype=np.int64), np.zeros(vocab, np.int64), (ids, ids))]
    # Where the n-grams of either model are among those of both.
    merged: list[NDArray[Any]] = [ids, ids]
    before_keys = ids.astype(np.uint64)
    for level in range(1, max(model.order for model in models)):
        keys = []
        for model, above in zip(models, merged, strict=True):
            if level >= model.order:
                keys.append(np.zeros(0, dtype=np.uint64))
                continue
            starts = model.children[level - 1]
            parents = np.repeat(above, starts[1:] - starts[:-1])
            keys.append(parents.astype(np.uint64) * np.uint64(vocab) + model.tokens[level])
        both = np.union1d(*keys)
        merged = [np.searchsorted(both, each) for each in keys]
        places = []
        for found in merged:
            place = np.full(both.size, -1, dtype=np.int64)
            place[found] = np.arange(found.size)
            places.append(place)
        parents = (both // np.uint64(vocab)).astype(np.int64)
        tokens = (both % np.uint64(vocab)).astype(np.int64)
        suffixes = tokens
        if level > 1:
            wanted = levels[-1].suffixes[parents].astype(np.uint64) * np.uint64(vocab)
            suffixes = np.searchsorted(before_keys, wanted + tokens.astype(np.uint64))
        levels.append(_Level(tokens, parents, suffixes, (places[0], places[1])))
        before_keys = both
    return levels


def _backoffs(model: BackoffModel, level: int, places: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return a model's log-backoffs of contexts that it has at ``places``, 0 for those of -1."""
    found = np.zeros(places.size)
    if level < model.order - 1:
        found[places >= 0] = model.log_backoffs[level][places[places >= 0]]
    return found
