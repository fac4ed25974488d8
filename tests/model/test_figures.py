"""The formulas of perplexity and bits, for numbers and for arrays."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastlm.model.figures import Figures, perplexity


class Counts(NamedTuple):
    log_prob: object
    tokens: object
    chars: object
    bytes: object


class Measured(Counts, Figures):
    pass


NAMES = ("nats_per_token", "perplexity", "bits_per_char", "bits_per_byte")


def test_the_formulas():
    found = Measured(-8 * math.log(2), tokens=4, chars=10, bytes=20)
    assert found.nats_per_token == pytest.approx(2 * math.log(2))
    assert found.perplexity == pytest.approx(4)
    assert found.bits_per_char == pytest.approx(0.8)
    assert found.bits_per_byte == pytest.approx(0.4)


def test_nothing_to_count_is_nan():
    nothing = Measured(0.0, tokens=0, chars=0, bytes=0)
    assert all(math.isnan(getattr(nothing, name)) for name in NAMES)


def test_a_perplexity_beyond_float64_is_infinite():
    assert perplexity(709.0) < math.inf
    assert perplexity(710.0) == math.inf
    assert perplexity(np.array([0.0, 710.0])).tolist() == [1.0, math.inf]
    assert math.isnan(perplexity(math.nan))


@given(
    st.lists(
        st.tuples(st.floats(-1e6, 0), st.integers(0, 9), st.integers(0, 9), st.integers(0, 9)),
        min_size=1,
    )
)
def test_arrays_have_the_figures_of_their_elements(rows):
    columns = [np.array(column) for column in zip(*rows, strict=True)]
    together = Measured(columns[0].astype(np.float64), *columns[1:])
    for name in NAMES:
        alone = [getattr(Measured(*row), name) for row in rows]
        np.testing.assert_allclose(getattr(together, name), alone, rtol=1e-12)
