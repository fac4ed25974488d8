"""Random numbers as functions: the compiled hashes against Python integers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastlm_kernels.runtime import random as hashing
from tests import naive

U32, U64 = np.uint32, np.uint64

words64 = st.integers(0, 2**64 - 1)
words32 = st.integers(0, 2**32 - 1)


@pytest.fixture(autouse=True, scope="module")
def _unsigned_arithmetic_wraps_around():
    """NumPy scalars warn about it; they are met with JIT off only."""
    with np.errstate(over="ignore"):
        yield


def test_mix64_gives_the_published_outputs_of_splitmix64():
    state = 1234567
    outputs = []
    for _ in range(3):
        state = (state + naive.GOLDEN) % 2**64
        outputs.append(int(hashing.mix64(U64(state))))
    assert outputs == [6457827717110365317, 3203168211198807973, 9817491932198370423]


@given(words64, words64)
@settings(deadline=None)
def test_mix64_and_absorb(h, word):
    assert int(hashing.mix64(U64(h))) == naive.mix64(h)
    assert int(hashing.absorb(U64(h), U64(word))) == naive.absorb(h, word)


@given(words64, words64, words64, words64)
@settings(deadline=None)
def test_key(seed, purpose, a, b):
    words = (seed, purpose, a, b)
    assert int(hashing.key(*map(U64, words))) == naive.key(*words)


@given(words32, st.integers(0, 2**20))
@settings(deadline=None)
def test_column_hash(key, column):
    assert int(hashing.lowbias32(U32(key))) == naive.lowbias32(key)
    expected = naive.lowbias32((key + column * naive.GOLDEN32) % 2**32)
    assert int(hashing.column_hash(U32(key), column)) == expected


@given(st.integers(0, 2**63 - 1), st.integers(0, 2**40))
@settings(deadline=None)
def test_order_key(seed, epoch):
    for part in (0, 3):
        assert int(hashing.order_key(seed, epoch, part)) == naive.order_key(seed, epoch, part)


@given(st.data(), st.integers(1, 2**40), words64)
@settings(deadline=None)
def test_permute_agrees_with_the_oracle(data, n, key):
    i = data.draw(st.integers(0, n - 1))
    assert hashing.permute(i, n, U64(key)) == naive.permute(i, n, key)


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 31, 32, 33, 64, 65, 257])
def test_permute_is_a_bijection(n):
    assert sorted(hashing.permute(i, n, U64(99)) for i in range(n)) == list(range(n))


def test_another_key_gives_another_order():
    orders = {tuple(hashing.permute(i, 50, U64(key)) for i in range(50)) for key in range(20)}
    assert len(orders) == 20
