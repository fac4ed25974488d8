"""Interpolated modified Kneser-Ney: a back-off model from the tokens of a text.

Chen and Goodman 1999, "An empirical study of smoothing techniques for language modeling"; Heafield
et al. 2013, "Scalable modified Kneser-Ney language model estimation", whose program KenLM gives the
same numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm.checks import check_whole
from fastlm.counts.array_memory import ArrayMemory
from fastlm.counts.backoff_model import MAX_ORDER, BackoffModel
from fastlm.counts.discounts import FALLBACK, counts_of_counts, estimate_discounts, last_ngram
from fastlm.counts.pruning import keep_ngrams, prune_to_size
from fastlm.counts.trie import (
    BLOCK,
    CountedTrie,
    bounds_of_contexts,
    count_ngrams,
    run_tiles,
    tiles_of,
)
from fastlm.engine.tokens import flat_ids, token_array
from fastlm.errors import ConfigError
from fastlm.system.resources import thread_count
from fastlm.types import FilePath
from fastlm_kernels.counts import kneser_ney

__all__ = ["estimate", "fallback_notice"]

# Discounts that are exactly 0 can leave nothing to back off with; a logarithm must be finite.
_LEAST_BACKOFF = 1e-8
_LEAST_PROB = 1e-30


def estimate(
    ids: Any,
    order: int,
    vocab: int,
    boundary: int | None = None,
    *,
    prune: Sequence[int] = (),
    nbytes: int | None = None,
    threads: int | None = None,
    memory: int | None = None,
    folder: FilePath | None = None,
    block: int = BLOCK,
) -> BackoffModel:
    """Estimate a back-off model by interpolated modified Kneser-Ney.

    Every probability p(w | h) is above 0, and those of all tokens sum to 1 after every context. A
    token that does not occur gets the same share as any other of what is left at order 1, as
    ``<unk>`` does in KenLM; KenLM's ``<s>`` and ``</s>`` are both the boundary token.

    Parameters
    ----------
    ids : int[T]
        Token ids, as a token store or array; the boundary token ends each document. N-grams do not
        cross the ends of documents.
    order : int
        Tokens of the longest n-grams, 1 to 12.
    vocab : int
        The number of tokens, V.
    boundary : int, optional
        The id of the boundary token (``<end>``). Without it the text is one document.
    prune : sequence of int
        For each order from 1, n-grams that occur this often or less are left out; the last number
        is for all longer ones too. What they had goes to the back-off. None of order 1 are.
    nbytes : int, optional
        Most bytes of the model's arrays: what is missed least is left out (``prune_to_size``).
    threads : int, optional
        All processors if not given. The result does not depend on it.
    memory : int, optional
        Bytes for arrays, half of the machine's memory if not given. What is beyond it is in
        temporary files, and so may be the model.
    folder : path, optional
        Where these files are.
    block : int
        Positions that a thread takes at a time; the result does not depend on it.

    Returns
    -------
    BackoffModel
        Its metadata has ``tokens`` (T), ``discounts`` (three for each order), ``fallback`` (orders
        whose discounts could not be estimated), and ``prune``.

    Raises
    ------
    ConfigError
        For an empty text, ids out of range, or settings out of range.
    CorpusError
        If there is no room for temporary files.
    """
    order = check_whole("order", order, 1)
    if order > MAX_ORDER:
        raise ConfigError(f"order is {order}; use at most {MAX_ORDER}")
    if boundary is not None and not 0 <= boundary < vocab:
        raise ConfigError(f"boundary is {boundary}; give an id below the vocabulary's {vocab}")
    least = _least_occurrences(prune, order)
    tokens = flat_ids(token_array(ids, vocab))
    threads = thread_count(threads)
    arrays = ArrayMemory(memory, folder)
    counted = count_ngrams(
        tokens, order, vocab, boundary, threads=threads, memory=arrays, block=block
    )
    last = last_ngram(tokens, order, vocab, boundary)
    known = [estimate_discounts(each) for each in counts_of_counts(counted, last)]
    discounts = [FALLBACK if each is None else each for each in known]
    weights = None
    if nbytes is not None:  # the memory of the occurrences will be that of the probabilities
        weights = [each.astype(np.float32) for each in counted.occurrences[:-1]]
    model = _estimate(counted, discounts, vocab, boundary, least, threads)
    model.metadata.update(
        tokens=len(tokens),
        discounts=[list(each) for each in discounts],
        fallback=[k + 1 for k, each in enumerate(known) if each is None],
        prune=[max(0, each - 1) for each in least],
    )
    del counted
    if max(least) > 1:
        kept = [each > 0 for each in model.log_probs]
        model = keep_ngrams(model, kept, arrays)
        if weights is not None:
            weights = [each[which] for each, which in zip(weights, kept, strict=False)]
    for values, lowest in (
        *((each, _LEAST_PROB) for each in model.log_probs),
        *((each, _LEAST_BACKOFF) for each in model.log_backoffs),
    ):
        run_tiles(
            threads, kneser_ney.take_logs, values, lowest, bounds=tiles_of(len(values), BLOCK)
        )
    if nbytes is None or weights is None:
        return model
    return prune_to_size(model, nbytes, weights, threads=threads, memory=arrays)


def fallback_notice(model: BackoffModel) -> str | None:
    """Return the line that says which orders have fallback discounts, None if none has."""
    orders = model.metadata.get("fallback", [])
    if not orders:
        return None
    which = ", ".join(map(str, orders))
    return (
        f"order {which}: too few rare n-grams to estimate discounts from; they are "
        f"{', '.join(f'{each:g}' for each in FALLBACK)}"
    )


def _least_occurrences(prune: Sequence[int], order: int) -> list[int]:
    """Return for each order how often an n-gram has to occur."""
    cuts = [check_whole("prune", each, 0) for each in prune]
    if cuts and (cuts[0] != 0 or cuts != sorted(cuts)):
        raise ConfigError(
            f"prune is {' '.join(map(str, cuts))}; begin with 0 and let no number be below the "
            "one before, as in 0 0 1"
        )
    if len(cuts) > order:
        raise ConfigError(f"prune has {len(cuts)} numbers for n-grams of order {order}")
    cuts = (cuts or [0]) + [cuts[-1] if cuts else 0] * (order - max(1, len(cuts)))
    return [0, *(cut + 1 for cut in cuts[1:])]


def _estimate(
    counted: CountedTrie,
    discounts: Sequence[tuple[float, float, float]],
    vocab: int,
    boundary: int | None,
    least: list[int],
    threads: int,
) -> BackoffModel:
    """Turn counts into a model without logarithms, in the same memory.

    The counts of a level are read once. An n-gram that is to be left out has probability 0.
    """
    order = len(counted.tokens)
    probs = [each.view(np.float32) for each in counted.occurrences]
    backoffs = [each.view(np.float32) for each in counted.counts[:-1]]
    lower: NDArray[np.float32] = np.array([1 / vocab], dtype=np.float32)
    suffixes: NDArray[np.uint32] = np.zeros(vocab, dtype=np.uint32)
    children: NDArray[np.uint32] = np.array([0, vocab], dtype=np.uint32)
    above = np.ones(1, dtype=np.float32)
    for level in range(order):
        kernel_discounts = np.array([0.0, *discounts[level]])
        run_tiles(
            threads, kneser_ney.estimate_level, probs[level], above, counted.counts[level],
            counted.occurrences[level], least[level], lower, suffixes, children, kernel_discounts,
            bounds=bounds_of_contexts(children),
        )  # fmt: skip
        if level + 1 < order:
            lower, suffixes = probs[level], counted.suffixes[level + 1]
            children, above = counted.children[level], backoffs[level]
    return BackoffModel(
        order=order,
        vocab=vocab,
        boundary=boundary,
        tokens=tuple(counted.tokens),
        children=tuple(counted.children),
        log_probs=tuple(probs),
        log_backoffs=tuple(backoffs),
        suffixes=tuple(counted.suffixes),
    )
