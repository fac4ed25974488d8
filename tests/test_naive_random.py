"""The oracle's random numbers: published values, permutations and dropout masks."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests import naive
from tests.naive import NaiveConfig

SEED, STEP = 5, 9


# ---------------------------------------------------------------------------- batches


@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize(("boundary", "first"), [(-1, 4), (0, 0)])
@pytest.mark.parametrize(("token_count", "batch"), [(43, 7), (20, 16), (11, 30), (5, 2)])
def test_every_epoch_visits_every_position_once(token_count, batch, boundary, first, shuffle):
    n = token_count - first
    epochs = 5
    steps = -(-epochs * n // batch)
    visited = np.concatenate(
        [
            naive.batch_positions(3, step, batch, token_count, 4, boundary, shuffle)
            for step in range(steps)
        ]
    )
    orders = visited[: epochs * n].reshape(epochs, n)
    for order in orders:
        assert sorted(order.tolist()) == list(range(first, token_count))
    if not shuffle:
        assert orders.tolist() == [list(range(first, token_count))] * epochs
    elif n > 4:
        assert len({tuple(order) for order in orders.tolist()}) == epochs


def test_batch_positions_by_the_definition():
    # Step 2 of 5 rows starts at example 10; an epoch has 12 - 2 = 10 examples.
    expected = [2 + naive.permute(i, 10, naive.key(8, naive.PURPOSE_ORDER, 1, 0)) for i in range(5)]
    assert naive.batch_positions(8, 2, 5, 12, 2, -1, True).tolist() == expected


def test_batches_refuse_a_corpus_shorter_than_the_context():
    with pytest.raises(ValueError, match="4 tokens with context 4; use at least 5"):
        naive.batch_positions(0, 0, 2, 4, 4, -1, True)


# ---------------------------------------------------------------------------- hashes


def test_mix64_gives_the_published_splitmix64_sequence():
    # SplitMix64 from state 1234567: the first five outputs that its implementations agree on.
    published = [
        6457827717110365317,
        3203168211198807973,
        9817491932198370423,
        4593380528125082431,
        16408922859458223821,
    ]
    state = 1234567
    for expected in published:
        state = (state + naive.GOLDEN) % 2**64
        assert naive.mix64(state) == expected
    assert naive.absorb(0, 0) == 0xE220A8397B1DCDAF


@settings(deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1))
def test_lowbias32_has_an_inverse(x):
    def undo_shift(y, shift):
        # y ^ y>>s ^ y>>2s ^ ... undoes x ^ x>>s.
        total = 0
        while y:
            total ^= y
            y >>= shift
        return total

    y = undo_shift(naive.lowbias32(x), 16)
    y = y * pow(0x846CA68B, -1, 2**32) % 2**32
    y = undo_shift(y, 15)
    y = y * pow(0x7FEB352D, -1, 2**32) % 2**32
    assert undo_shift(y, 16) == x


word64 = st.integers(0, 2**64 - 1)


@settings(deadline=None, derandomize=True)
@given(word64, word64, word64)
def test_hashes_agree_with_unsigned_numpy_arithmetic(a, b, c):
    u = np.uint64

    def mix(x):
        x = (x ^ (x >> u(30))) * u(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> u(27))) * u(0x94D049BB133111EB)
        return x ^ (x >> u(31))

    # Arrays of one, since NumPy warns of the wrap-around of its scalars.
    h = np.zeros(1, dtype=u)
    for word in (a, naive.PURPOSE_DROPOUT, b, c):
        h = mix((h ^ u(word)) + u(naive.GOLDEN))
    assert naive.key(a, naive.PURPOSE_DROPOUT, b, c) == int(h[0])


def test_keys_differ_wherever_a_word_differs():
    words = list(itertools.product(range(3), repeat=4))
    assert len({naive.key(*four) for four in words}) == len(words)


@pytest.mark.parametrize("seed", [-1, 2**64])
def test_key_refuses_words_that_are_not_uint64(seed):
    with pytest.raises(ValueError, match="use 0 <= word"):
        naive.key(seed, 1, 0, 0)


# The kernels must give these on every machine; a change here changes every trained model.
def test_hashes_are_what_they_were():
    assert naive.key(1, 2, 3, 4) == 0xD55CCD4AEB3CCAFB
    assert naive.order_key(0, 0) == 0xD1C0270687984B37
    assert [naive.lowbias32(x) for x in (0, 1, 2**32 - 1)] == [0x0, 0x688990C0, 0x6768824A]
    assert [naive.permute(i, 10, naive.order_key(0, 0)) for i in range(10)] == [
        4,
        2,
        7,
        1,
        9,
        3,
        6,
        8,
        0,
        5,
    ]
    assert (naive.dropout_mask(1, 2, 1, 3, 8, 0.5) / 2.0).astype(int).tolist() == [
        [1, 1, 1, 0, 1, 1, 1, 0],
        [1, 1, 1, 1, 0, 0, 0, 0],
        [1, 0, 0, 0, 1, 0, 0, 1],
    ]


# ---------------------------------------------------------------------------- permutation


@pytest.mark.parametrize("epoch", [0, 1])
def test_permute_is_a_permutation(epoch):
    k = naive.order_key(4, epoch)
    for n in [*range(1, 201), 509, 1021, 2053, 8191]:
        assert sorted(naive.permute(i, n, k) for i in range(n)) == list(range(n))


@pytest.mark.parametrize("n", [2**20 + 7, 2**31 - 1, 2**40 + 15])
def test_permute_stays_in_range_and_one_to_one_for_large_n(n):
    k = naive.order_key(4, 0)
    ends = [*range(1000), *range(n - 1000, n)]
    images = {naive.permute(i, n, k) for i in ends}
    assert len(images) == len(ends)
    assert 0 <= min(images) <= max(images) < n


@pytest.mark.parametrize(("i", "n"), [(-1, 5), (5, 5), (0, 0)])
def test_permute_refuses_what_lies_outside(i, n):
    with pytest.raises(ValueError, match=f"use 0 <= i < {n}"):
        naive.permute(i, n, 1)


def test_every_order_of_three_and_four_occurs_over_the_epochs():
    for n in (2, 3, 4):
        seen = {
            tuple(naive.permute(i, n, naive.order_key(0, epoch)) for i in range(n))
            for epoch in range(600)
        }
        assert len(seen) == math.factorial(n)


def shuffle_faults(order, previous):
    """Which signs of order are left in the permutation ``order``; empty for a good shuffle.

    Each statistic is in standard deviations of what a uniform random permutation gives.
    """
    n = len(order)
    i = np.arange(n)
    # Of a random permutation: correlation has deviation 1/sqrt(n-1), |p(i) - i| the mean n/3 and
    # a mean over i that deviates by sqrt(2/45) * sqrt(n).
    scores = {
        "correlation with the identity": np.corrcoef(i, order)[0, 1] * np.sqrt(n - 1),
        "correlation of successive values": np.corrcoef(order[:-1], order[1:])[0, 1] * np.sqrt(n),
        "correlation with the epoch before": np.corrcoef(previous, order)[0, 1] * np.sqrt(n - 1),
        "mean displacement": (np.abs(order - i).mean() - n / 3) / np.sqrt(2 * n / 45),
    }
    for lag in (1, 2, 3):
        differences = (order[lag:] - order[:-lag]) % n
        counts = np.bincount(differences * 16 // n, minlength=16)
        expected = (n - lag) / 16
        chi2 = ((counts - expected) ** 2 / expected).sum()
        scores[f"spread of differences at lag {lag}"] = (chi2 - 15) / np.sqrt(30)
    return {name: score for name, score in scores.items() if not abs(score) < 5.0}


@pytest.mark.parametrize("n", [512, 1000, 1021, 4096, 10007])
def test_permute_looks_shuffled(n):
    orders = [
        np.array([naive.permute(i, n, naive.order_key(seed, epoch)) for i in range(n)])
        for seed in range(2)
        for epoch in range(2)
    ]
    for previous, order in itertools.pairwise(orders):
        assert shuffle_faults(order, previous) == {}


@pytest.mark.parametrize(
    "bad",
    [
        lambda i: i,
        lambda i: i[::-1],
        lambda i: np.roll(i, 300),
        lambda i: i * 617 % 1000,
        lambda i: i ^ 1,
        lambda i: np.random.default_rng(0).permuted(i.reshape(10, 100), axis=1).ravel(),
    ],
    ids=["identity", "reversed", "rolled", "stride", "swapped pairs", "shuffled in blocks"],
)
def test_shuffle_faults_notices_a_bad_shuffle(bad):
    i = np.arange(1000)
    fresh = np.random.default_rng(1).permutation(1000)
    assert shuffle_faults(bad(i), fresh) != {}


def test_shuffle_faults_notices_an_epoch_that_repeats():
    order = np.random.default_rng(1).permutation(1000)
    assert list(shuffle_faults(order, order)) == ["correlation with the epoch before"]


def test_each_example_lands_everywhere_over_the_epochs():
    n, epochs = 16, 800
    counts = np.zeros((n, n))
    for epoch in range(epochs):
        k = naive.order_key(2, epoch)
        for i in range(n):
            counts[i, naive.permute(i, n, k)] += 1
    expected = epochs / n
    deviation = np.sqrt(expected * (1 - 1 / n))
    assert np.abs(counts - expected).max() < 5 * deviation


# ---------------------------------------------------------------------------- dropout


@pytest.mark.parametrize("p", [0.1, 0.25, 0.5, 0.9])
def test_dropout_rate_is_p(p):
    rows, cols = 100, 120
    mask = naive.dropout_mask(1, 2, 1, rows, cols, p)
    assert np.unique(mask).tolist() == [0.0, 1.0 / (1.0 - p)]
    dropped = mask == 0.0
    assert abs(dropped.mean() - p) < 4 * np.sqrt(p * (1 - p) / dropped.size)
    # Each row and each column by itself: 5 deviations, since there are 220 of them.
    assert np.abs(dropped.mean(axis=1) - p).max() < 5 * np.sqrt(p * (1 - p) / cols)
    assert np.abs(dropped.mean(axis=0) - p).max() < 5 * np.sqrt(p * (1 - p) / rows)


def test_dropout_of_neighbours_is_independent():
    kept = naive.dropout_mask(3, 4, 1, 120, 100, 0.5) > 0
    size = kept.size
    for down, right in ((0, 1), (1, 0), (1, 1), (0, 2), (0, 3)):
        both = kept[down:, right:] == kept[: 120 - down, : 100 - right]
        assert abs(both.mean() - 0.5) < 4 * 0.5 / np.sqrt(both.size), (down, right)
    for other in ((4, 4, 1), (3, 5, 1), (3, 4, 2)):
        same = kept == (naive.dropout_mask(*other, 120, 100, 0.5) > 0)
        assert abs(same.mean() - 0.5) < 4 * 0.5 / np.sqrt(size), other


def test_dropout_depends_on_the_place_and_not_on_the_shape():
    large = naive.dropout_mask(3, 4, 1, 9, 11, 0.5)
    np.testing.assert_array_equal(naive.dropout_mask(3, 4, 1, 5, 6, 0.5), large[:5, :6])


def test_no_dropout_keeps_everything():
    assert (naive.dropout_mask(0, 0, 0, 20, 20, 0.0) == 1.0).all()


def test_a_lower_rate_drops_a_subset():
    few = naive.dropout_mask(0, 0, 1, 20, 20, 0.2) == 0
    many = naive.dropout_mask(0, 0, 1, 20, 20, 0.6) == 0
    assert (many | ~few).all()
    assert many.sum() > few.sum()


@pytest.mark.parametrize("p", [-0.1, 1.0, float("nan")])
def test_dropout_refuses(p):
    with pytest.raises(ValueError, match="use 0 <= p < 1"):
        naive.dropout_mask(0, 0, 0, 1, 1, p)


def test_the_input_mask_is_shared_by_those_with_the_same_token_at_the_same_place():
    config = NaiveConfig(5, 3, 40, embed_dropout=0.5, far=(2,))
    contexts = np.array([[0, 0, 1, 2, 3], [4, 4, 1, 3, 3], [0, 0, 2, 2, 1]])
    near = naive.input_mask(config, contexts, SEED, STEP)[:, :120].reshape(3, 3, 40)
    rest = naive.input_mask(config, contexts, SEED, STEP)[:, 120:]
    np.testing.assert_array_equal(near[0, [0, 2]], near[1, [0, 2]])
    np.testing.assert_array_equal(near[0, 1], near[2, 1])
    blocks = [near[0, 0], near[0, 1], near[0, 2], near[1, 1], near[2, 0], near[2, 2], *rest]
    for first, second in itertools.combinations(blocks, 2):
        assert not np.array_equal(first, second)
    other = naive.input_mask(config, contexts, SEED, STEP + 1)
    assert not np.array_equal(other[0, :40], near[0, 0])
