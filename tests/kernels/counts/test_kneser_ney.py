from __future__ import annotations

import numpy as np
import pytest

from fastlm.counts.trie import run_tiles, tiles_of
from fastlm_kernels.counts.kneser_ney import estimate_level, take_logs


@pytest.mark.parametrize("least", [1, 2])
def test_a_level_is_estimated_by_the_formula(least: int) -> None:
    """Two contexts with children and one without; with least = 2 what occurs once is left out."""
    counts = np.array([1, 2, 5, 1], dtype=np.uint32)
    occurrences = np.array([1, 3, 5, 4], dtype=np.uint32)
    children = np.array([0, 3, 3, 4], dtype=np.uint32)
    lower, suffixes = np.array([0.25, 0.75], dtype=np.float32), np.array([0, 1, 0, 1], np.uint32)
    discounts = np.array([0.0, 0.5, 1.0, 1.5])
    probs, backoffs = np.zeros(4, dtype=np.float32), np.zeros(3, dtype=np.float32)
    run_tiles(
        1, estimate_level, probs, backoffs, counts, occurrences, least, lower, suffixes, children,
        discounts, bounds=np.array([0, 1, 3]),
    )  # fmt: skip
    left = 1 if least == 2 else 0.5
    gamma = (left + 1 + 1.5) / 8
    assert backoffs.tolist() == pytest.approx([gamma, 1, 0.5])
    first = 0 if least == 2 else 0.5 / 8 + gamma * 0.25
    expected = [first, 1 / 8 + gamma * 0.75, 3.5 / 8 + gamma * 0.25, 0.5 + 0.5 * 0.75]
    assert probs.tolist() == pytest.approx(expected)


def test_results_may_take_the_place_of_counts() -> None:
    counts = np.array([3, 1, 1, 2, 7], dtype=np.uint32)
    probs, backoffs = counts.copy().view(np.float32), np.zeros(2, dtype=np.float32)
    alone, other = np.zeros(5, dtype=np.float32), np.zeros(2, dtype=np.float32)
    arguments = (
        1, np.array([0.5], dtype=np.float32), np.zeros(5, dtype=np.uint32),
        np.array([0, 2, 5], dtype=np.uint32), np.array([0.0, 0.5, 1.0, 1.5]),
    )  # fmt: skip
    bounds = np.array([0, 2])
    same = probs.view(np.uint32)
    run_tiles(1, estimate_level, probs, backoffs, same, same, *arguments, bounds=bounds)
    run_tiles(1, estimate_level, alone, other, counts, counts, *arguments, bounds=bounds)
    assert probs.tolist() == alone.tolist()
    assert backoffs.tolist() == other.tolist()


def test_logarithms_are_natural_and_finite() -> None:
    values = np.array([1, 0.5, 0, 1e-12], dtype=np.float32)
    run_tiles(1, take_logs, values, 1e-8, bounds=tiles_of(4, 3))
    assert values.tolist() == pytest.approx([0, np.log(0.5), np.log(1e-8), np.log(1e-8)])
