"""Where examples lie and what their contexts are, against the oracle."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastlm_kernels.passes.contexts import example_position, gather_context, token_at
from tests import naive


@pytest.fixture(autouse=True, scope="module")
def _unsigned_arithmetic_wraps_around():
    """NumPy scalars warn about it; they are met with JIT off only."""
    with np.errstate(over="ignore"):
        yield


@pytest.mark.parametrize(("dtype", "width"), [(np.uint16, 1), (np.uint32, 2)])
def test_token_at_reads_both_widths(dtype, width):
    ids = np.array([0, 1, 65535, 7, np.iinfo(dtype).max], dtype=dtype)
    words = ids.view(np.uint16)
    assert [int(token_at(words, width, i)) for i in range(ids.size)] == ids.tolist()


@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=20),
    st.integers(1, 8),
    st.sampled_from([-1, 0, 2, 4]),
    st.sampled_from([np.uint16, np.uint32]),
    st.data(),
)
@settings(deadline=None)
def test_gather_context(tokens, size, boundary, dtype, data):
    position = data.draw(st.integers(0, len(tokens)))
    words = np.array(tokens, dtype=dtype).view(np.uint16)
    context = np.full(size, -99, dtype=np.int32)
    gather_context(context, words, np.dtype(dtype).itemsize // 2, position, boundary)
    assert context.tolist() == naive.context_before(tokens, position, size, boundary)


def test_a_context_does_not_reach_across_a_boundary():
    words = np.array([5, 6, 9, 7, 8, 9, 3], dtype=np.uint16)
    context = np.empty(4, dtype=np.int32)
    gather_context(context, words, 1, 5, 9)
    assert context.tolist() == [9, 9, 7, 8]
    gather_context(context, words, 1, 6, 9)  # just behind the boundary: nothing is known
    assert context.tolist() == [9, 9, 9, 9]


@given(
    st.integers(0, 2**63 - 1), st.integers(0, 30), st.integers(1, 9), st.booleans(),
    st.integers(5, 40), st.sampled_from([-1, 0]),
)  # fmt: skip
@settings(deadline=None)
def test_example_positions_are_the_oracles(seed, step, batch, shuffle, token_count, boundary):
    first = naive.first_target(4, boundary)
    expected = naive.batch_positions(seed, step, batch, token_count, 4, boundary, shuffle)
    positions = [
        example_position(step * batch + row, token_count - first, first, int(shuffle), 0, 0, seed)
        for row in range(batch)
    ]
    assert positions == expected.tolist()


@given(st.integers(1, 60), st.integers(1, 9), st.integers(1, 5), st.integers(0, 5))
@settings(deadline=None)
def test_windowed_order_is_the_oracles(examples, block, window, epoch):
    block = min(block, examples)
    positions = [
        example_position(epoch * examples + i, examples, 3, 1, block, window, 7)
        for i in range(examples)
    ]
    expected = naive.windowed_order(examples, block, window, 7, epoch)
    assert positions == [3 + i for i in expected]
    assert sorted(expected) == list(range(examples))


@pytest.mark.parametrize(("shuffle", "block"), [(0, 0), (1, 0), (1, 4)])
def test_every_epoch_visits_each_position_once(shuffle, block):
    examples, first = 37, 3
    epochs = [
        [
            example_position(epoch * examples + i, examples, first, shuffle, block, 3, 5)
            for i in range(37)
        ]
        for epoch in range(4)
    ]
    assert all(sorted(epoch) == list(range(3, 40)) for epoch in epochs)
    assert len({tuple(epoch) for epoch in epochs}) == (4 if shuffle else 1)


def test_a_window_reads_only_its_blocks():
    block, window, examples = 8, 4, 8 * 40
    positions = np.array(
        [example_position(i, examples, 0, 1, block, window, 9) for i in range(examples)]
    )
    for part in positions.reshape(-1, block * window):
        assert len(set(part // block)) == window
