"""The kernels of pruning; what they make of a model is tested in ``tests/counts``."""

from __future__ import annotations

import numpy as np
import pytest

from fastlm.counts.trie import run_tiles
from fastlm_kernels.counts.pruning import raise_costs, removal_costs, renew_backoffs

F32, U32 = np.float32, np.uint32
# A context with two children, one without, one with one child; back-offs that make sums 1.
LOWER = np.log(np.array([0.25, 0.25, 0.5], dtype=F32))
SUFFIXES = np.array([0, 1, 2], dtype=U32)
CHILDREN = np.array([0, 2, 2, 3], dtype=U32)
PROBS = np.array([0.5, 0.25, 0.75], dtype=F32)
BACKOFFS = np.array([0.25 / 0.5, 1, 0.25 / 0.5], dtype=F32)
BOUNDS = np.array([0, 1, 3])


def test_costs_are_weighted_differences() -> None:
    costs, weights = np.zeros(3, dtype=F32), np.array([2, 1, 4], dtype=F32)
    run_tiles(
        1, removal_costs, costs, weights, np.log(PROBS), np.log(BACKOFFS), LOWER, SUFFIXES,
        CHILDREN, bounds=BOUNDS,
    )  # fmt: skip
    expected = [
        2 * 0.5 * np.log(0.5 / (0.5 * 0.25)),
        2 * 0.25 * np.log(0.25 / (0.5 * 0.25)),
        4 * 0.75 * np.log(0.75 / (0.5 * 0.5)),
    ]
    assert costs.tolist() == pytest.approx(expected, rel=1e-5)


def test_what_the_back_off_gives_more_to_costs_nothing() -> None:
    costs = np.ones(3, dtype=F32)
    run_tiles(
        1, removal_costs, costs, np.ones(3, dtype=F32), np.log(PROBS), np.full(3, 2, dtype=F32),
        LOWER, SUFFIXES, CHILDREN, bounds=BOUNDS,
    )  # fmt: skip
    assert costs.tolist() == [0, 0, 0]


def test_parts_cost_at_least_what_the_whole_does() -> None:
    shorter = np.array([0, 5, 0], dtype=F32)
    raise_costs(shorter, np.array([1, 2, 3], dtype=F32), SUFFIXES, CHILDREN)
    assert shorter.tolist() == [2, 5, 3]


def test_back_offs_get_what_is_left_out() -> None:
    log_backoffs = np.log(BACKOFFS)
    costs = np.array([0, 1, 0], dtype=F32)
    run_tiles(
        1, renew_backoffs, log_backoffs, np.log(PROBS), LOWER, SUFFIXES, CHILDREN, costs, 0.0,
        bounds=BOUNDS,
    )  # fmt: skip
    assert np.exp(log_backoffs).tolist() == pytest.approx([1, 1, 1], rel=1e-6)
    log_backoffs = np.log(BACKOFFS)
    run_tiles(
        1, renew_backoffs, log_backoffs, np.log(PROBS), LOWER, SUFFIXES, CHILDREN, 1 - costs, 0.0,
        bounds=BOUNDS,
    )  # fmt: skip
    assert np.exp(log_backoffs).tolist() == pytest.approx([0.5 / 0.75, 1, 0.5], rel=1e-6)
