"""The choice of a token: the compiled kernel against NumPy in float64."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy import stats

from fastlm.inference.generation import kernel_rules
from fastlm.inference.sampling import Sampling
from fastlm_kernels.passes.sampling import ChoiceScratch, block_count, choose, sampling_uniform
from fastlm_kernels.runtime.jit import JIT_DISABLED
from tests.inference.test_sampling import LOGITS, assert_drawn_from, naive_choice


def kernel_choice(sampling, logits, uniform):
    """What the kernel chooses, and that it leaves the logits as they are."""
    z = logits.astype(np.float32)
    before = z.copy()
    scratch = ChoiceScratch(
        np.full(z.size, np.nan, dtype=np.float32),
        np.full(z.size, np.nan, dtype=np.float32),
        np.full(block_count(z.size), np.nan),
    )
    with np.errstate(all="ignore"):
        found = choose(z, scratch, float(uniform), kernel_rules(sampling, z.size))
    np.testing.assert_array_equal(z, before)
    return found


@pytest.mark.skipif(JIT_DISABLED, reason="too slow")
@pytest.mark.parametrize(
    "sampling",
    [
        Sampling(),
        Sampling(temperature=0.7),
        Sampling(top_k=3),
        Sampling(top_p=0.8),
        Sampling(temperature=2.0, top_k=5, top_p=0.9),
    ],
)
def test_choices_have_the_frequencies_of_the_probabilities(sampling):
    rng = np.random.default_rng(3)
    drawn = [kernel_choice(sampling, LOGITS, rng.random()) for _ in range(4000)]
    assert_drawn_from(np.bincount(drawn, minlength=7), sampling.probabilities(LOGITS))


@pytest.mark.parametrize("uniform", [0.0, 0.5, 1 - 2**-53])
def test_greedy_is_the_argmax_whatever_the_number(uniform):
    assert kernel_choice(Sampling(greedy=True, top_k=2, top_p=0.5), LOGITS, uniform) == 1


@pytest.mark.parametrize(("draw", "chosen"), [(0.0, 1), (0.4999, 1), (0.5, 3), (1 - 2**-53, 3)])
def test_no_draw_chooses_what_is_excluded(draw, chosen):
    logits = np.array([-np.inf, 0.0, -np.inf, 0.0, -np.inf], dtype=np.float32)
    assert kernel_choice(Sampling(), logits, draw) == chosen


def assert_same_choice(sampling, logits, uniform):
    """The kernel's choice is NumPy's, or so near the border to it that float32 cannot tell."""
    wanted = naive_choice(sampling, logits, uniform)
    found = kernel_choice(sampling, logits, uniform)
    if found == wanted:
        return
    probabilities = sampling.probabilities(logits)
    ends = np.cumsum(probabilities)
    low, high = sorted((wanted, found))
    assert ends[high] - ends[low] - probabilities[high] <= 1e-5  # nothing between them
    assert abs(ends[low] - uniform) < 1e-5


@settings(deadline=None, max_examples=30 if JIT_DISABLED else 300)
@given(
    values=arrays(np.float32, st.integers(2, 300), elements=st.floats(-20, 20, width=16)),
    excluded=st.integers(0, 1),
    temperature=st.sampled_from([0.0, 0.05, 0.7, 1.0, 1.7, 30.0]),
    top_k=st.none() | st.integers(1, 320),
    seed=st.integers(0, 2**31),
)
def test_the_kernel_chooses_as_numpy_does(values, excluded, temperature, top_k, seed):
    rng = np.random.default_rng(seed)
    values[:excluded] = -np.inf
    sampling = Sampling(temperature=temperature, top_k=top_k)
    for uniform in (0.0, *rng.random(3), 1 - 2**-53):
        assert_same_choice(sampling, values, uniform)


@pytest.mark.parametrize("size", [2, 63, 64, 65, 130 if JIT_DISABLED else 700])
@pytest.mark.parametrize("top_k", [None, 1, 40])
@pytest.mark.parametrize("top_p", [0.02, 0.5, 0.9, 0.999, 1.0])
def test_the_kernel_cuts_as_numpy_does(size, top_k, top_p):
    """What has no probability is never chosen, and everything else is where NumPy has it."""
    rng = np.random.default_rng(size)
    logits = rng.normal(0, 3, size).astype(np.float32)
    sampling = Sampling(top_k=top_k, top_p=top_p)
    for uniform in (0.0, *rng.random(6), 1 - 2**-53):
        assert_same_choice(sampling, logits, uniform)


@pytest.mark.parametrize("sampling", [Sampling(top_k=2), Sampling(top_p=0.45)])
def test_of_equals_the_kernel_keeps_the_lower_ids(sampling):
    for logits in ([1, 3, 3, 3, 3], [0.0, 0.0, -0.0, 0.0], [-0.0, 0.0, 0.0, -0.0]):
        z = np.array(logits, dtype=np.float32)
        drawn = {kernel_choice(sampling, z, uniform) for uniform in np.linspace(0, 0.999, 50)}
        kept = np.flatnonzero(sampling.probabilities(z)).tolist()
        assert drawn == set(kept)
        assert kept == ([1, 2] if logits[0] == 1 else [0, 1])


@pytest.mark.parametrize("temperature", [5e-324, 1e-45, 1e-6, 1e300])
def test_the_kernel_takes_any_temperature(temperature):
    z = np.array([0.0, 3.0, 2.999, -np.inf], dtype=np.float32)
    drawn = {kernel_choice(Sampling(temperature=temperature), z, u) for u in (0.0, 0.5, 0.99)}
    assert drawn == ({0, 1, 2} if temperature > 1 else {1})


def test_a_kernel_that_cuts_elsewhere_would_be_found():
    z = np.log(np.array([0.4, 0.3, 0.2, 0.1], dtype=np.float32))
    with pytest.raises(AssertionError):
        assert_same_choice(Off(top_p=0.65), z, 0.99)


class Off(Sampling):
    """Keeps another share than it says."""

    def _weights(self, logits):
        return Sampling(top_p=0.75)._weights(logits)


def numbers(seed, stream, count):
    with np.errstate(over="ignore"):
        return np.array([sampling_uniform(seed, stream, counter) for counter in range(count)])


def test_random_numbers_are_uniform_and_other_for_other_seeds_and_texts():
    one, two, three = numbers(1, 0, 2000), numbers(1, 1, 2000), numbers(2, 0, 2000)
    for found in (one, two, three):
        assert 0 <= found.min() < found.max() < 1
        assert stats.kstest(found, "uniform").pvalue > 0.001
    assert abs(np.corrcoef([one, two, three])[np.triu_indices(3, 1)]).max() < 0.1
    assert abs(np.corrcoef(one[1:], one[:-1])[0, 1]) < 0.1
    np.testing.assert_array_equal(numbers(1, 0, 5), one[:5])
