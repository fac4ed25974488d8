"""The weights found are no worse than those of a fine grid."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastlm.jobs.weight_search import _search_line, best_of, search_weights


def errors_at(x, bases, slopes, errors, groups):
    return errors[best_of(bases + x * slopes, groups)].sum()


@given(seed=st.integers(0, 10**6), size=st.integers(1, 6), groups=st.integers(1, 6))
@settings(max_examples=20, deadline=None)
def test_a_line_has_no_better_place(seed, size, groups):
    rng = np.random.default_rng(seed)
    count = size * groups
    bases, slopes = rng.integers(-9, 9, (2, count)).astype(float)
    errors = rng.integers(0, 5, count)
    several = [list(range(at, at + size)) for at in range(0, count, size)]
    for least in (-np.inf, 0.0):
        found = _search_line(bases, slopes, errors, several, 0.3, least)
        assert found >= least
        grid = np.linspace(0 if least == 0 else -30, 30, 301) + 0.0037
        best = min(errors_at(x, bases, slopes, errors, several) for x in grid)
        assert errors_at(found, bases, slopes, errors, several) <= best


def test_the_model_that_knows_the_answer_is_trusted():
    rng = np.random.default_rng(1)
    errors = rng.integers(0, 6, 400)
    groups = [list(range(at, at + 10)) for at in range(0, 400, 10)]
    words = rng.integers(3, 9, 400)
    # The first pass is noise and likes words too much; the model is right but for noise.
    scores = 40 * rng.normal(size=400) + 7.0 * words
    log_probs = -10.0 * errors + rng.normal(size=400)
    found = search_weights(scores, log_probs, words, errors, groups)
    least = sum(errors[group].min() for group in groups)
    first = errors[best_of(scores, groups)].sum()
    assert found.lm_weight > 3
    assert least <= found.errors < least + 0.2 * (first - least)
    totals = scores + found.lm_weight * log_probs + found.word_bonus * words
    assert errors[best_of(totals, groups)].sum() == found.errors


def test_a_model_that_knows_nothing_is_left_out():
    errors = np.array([0, 1, 0, 1])
    scores = np.array([2.0, 1.0, 2.0, 1.0])
    found = search_weights(scores, -scores, np.ones(4, dtype=int), errors, [[0, 1], [2, 3]])
    assert found.errors == 0
    assert found == (0, 0, 0)


def test_of_equal_totals_the_first_is_best():
    assert best_of(np.array([1.0, 1.0, 0.0, 5.0, 5.0]), [[0, 1, 2], [3, 4]]) == [0, 3]
    one = np.zeros(2)
    found = search_weights(one, one, one.astype(int), np.array([3, 0]), [[0, 1]])
    assert found.errors == 3
    assert found.lm_weight == pytest.approx(0)
