from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastlm.counts.array_memory import ArrayMemory
from fastlm.counts.backoff_model import BackoffModel
from fastlm.counts.estimate import estimate
from fastlm.counts.pruning import keep_ngrams, prune_to_size, sizes_per_ngram
from fastlm.errors import ConfigError
from tests.counts.models import log_prob, model_of, ngrams_of, tiny_model
from tests.counts.texts import skewed_text
from tests.naive_counts import documents_of, occurrences


def masks(model: BackoffModel, kept: set[tuple[int, ...]]) -> list[np.ndarray]:
    grams = list(ngrams_of(model))
    return [
        np.array([gram in kept for gram in grams if len(gram) == n], dtype=np.bool_)
        for n in range(1, model.order + 1)
    ]


@given(st.sets(st.sampled_from([g for g in ngrams_of(tiny_model()) if len(g) > 1])))
@settings(deadline=None, max_examples=50)
def test_the_n_grams_that_are_kept_stay_as_they_were(chosen: set[tuple[int, ...]]) -> None:
    model = tiny_model()
    ngrams = ngrams_of(model)
    kept = {gram for gram in ngrams if len(gram) == 1}
    for gram in chosen:  # with all that is part of it
        kept |= {gram[i:j] for i in range(len(gram)) for j in range(i + 1, len(gram) + 1)}
    smaller = keep_ngrams(model, masks(model, kept), ArrayMemory())
    smaller.check()
    assert ngrams_of(smaller) == {gram: ngrams[gram] for gram in ngrams if gram in kept}
    rebuilt = model_of(ngrams_of(smaller), 5, 0)  # without levels that are empty
    for ours, theirs in zip(smaller.suffixes, rebuilt.suffixes, strict=False):
        np.testing.assert_array_equal(ours, theirs)


def test_what_is_missed_least_goes_first() -> None:
    """The 3-grams by what the back-off would give them, and by how often their contexts occur."""
    ids = skewed_text(3, 150, 9)
    model = estimate(ids, 3, 9, 0)
    ngrams = ngrams_of(model)
    often = occurrences(documents_of(ids, 0), 2)[1]
    losses = {}
    for gram, (logs, _) in ngrams.items():
        if len(gram) == 3:
            backed_off = ngrams[gram[:2]][1] + ngrams[gram[1:]][0]
            losses[gram] = often[gram[:2]] * math.exp(logs) * (logs - backed_off)
    expected = sorted(losses, key=losses.__getitem__)
    for left_out in range(1, len(losses) // 2, 7):
        size = model.nbytes - left_out * sizes_per_ngram(model)[2]
        smaller = estimate(ids, 3, 9, 0, nbytes=size)
        gone = [gram for gram in expected if gram not in ngrams_of(smaller)]
        assert sorted(losses[gram] for gram in gone) == pytest.approx(
            [losses[gram] for gram in expected[: len(gone)]], rel=1e-4
        )
        assert len(gone) >= left_out or smaller.counts[1] < model.counts[1]


@given(st.integers(0, 10**6), st.integers(2, 5), st.floats(0, 1), st.booleans())
@settings(deadline=None, max_examples=40)
def test_sizes_are_kept_and_everything_sums_to_one(
    seed: int, order: int, share: float, by_text: bool
) -> None:
    ids = skewed_text(seed, 400, 12)
    whole = estimate(ids, order, 12, 0)
    fixed = sizes_per_ngram(whole)[0] * 12 + 4 * (order - 1)
    size = fixed + round(share * (whole.nbytes - fixed))
    smaller = prune_to_size(whole, size)
    if by_text:
        smaller = estimate(ids, order, 12, 0, nbytes=size)
    smaller.check()
    assert smaller.nbytes <= size
    assert smaller.nbytes >= min(size, whole.nbytes) * 0.5 - 200 or share < 0.1
    contexts = [(), (0,), *(ids[i : i + 4] for i in range(0, 396, 30))]
    for context in itertools.chain(contexts, itertools.product(range(0, 12, 5), repeat=2)):
        total = math.fsum(math.exp(log_prob(smaller, context, token)) for token in range(12))
        assert total == pytest.approx(1, abs=1e-6)


def test_a_small_model_stays_and_is_never_changed() -> None:
    model = tiny_model()
    assert prune_to_size(model, model.nbytes) is model
    before = ngrams_of(model)
    prune_to_size(model, model.nbytes - 1)
    assert ngrams_of(model) == before


def test_counts_are_pruned_twice_with_the_weights_of_what_is_left() -> None:
    ids = skewed_text(5, 3000, 40)
    model = estimate(ids, 4, 40, 0, prune=(0, 0, 1), nbytes=8000)
    assert model.nbytes <= 8000
    assert model.metadata["prune"] == [0, 0, 1, 1]
    assert model.metadata["size"] == 8000
    total = math.fsum(math.exp(log_prob(model, ids[:3], token)) for token in range(40))
    assert total == pytest.approx(1, abs=1e-6)


def test_a_size_without_room_for_the_vocabulary_is_refused() -> None:
    fixed = 5 * 14 + 8
    assert prune_to_size(tiny_model(), fixed).counts == (5, 0, 0)
    with pytest.raises(ConfigError, match=f"no room for 5 tokens; allow more than {fixed}"):
        prune_to_size(tiny_model(), fixed - 1)
