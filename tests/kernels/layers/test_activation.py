"""ReLU and dropout: the oracle's masks, and bad numbers that stay visible."""

from __future__ import annotations

import numpy as np
import pytest

from fastlm_kernels.layers.activation import (
    dropout,
    relu,
    relu_dropout_backward,
    row_key,
    token_key,
)
from fastlm_kernels.runtime.jit import kernel
from tests import naive


@pytest.fixture(autouse=True, scope="module")
def _unsigned_arithmetic_wraps_around():
    """NumPy scalars warn about it; they are met with JIT off only."""
    with np.errstate(over="ignore"):
        yield


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.9])
@pytest.mark.parametrize("layer", [0, 2])
def test_dropout_has_the_masks_of_the_oracle(rate, layer):
    rows, columns, seed, step = 3, 40, 2**40 + 7, 11
    values = np.ones((rows, columns), dtype=np.float32)
    for row in range(rows):
        dropout(values[row], row_key(seed, step, layer, row), rate)
    mask = naive.dropout_mask(seed, step, layer, rows, columns, rate)
    np.testing.assert_array_equal(values, mask.astype(np.float32))


def test_dropout_drops_its_share():
    values = np.ones(4000, dtype=np.float32)
    dropout(values, row_key(1, 2, 1, 0), 0.3)
    # Four standard deviations of a binomial share.
    assert abs((values == 0).mean() - 0.3) < 4 * np.sqrt(0.3 * 0.7 / 4000)
    assert set(values.tolist()) == {0.0, float(np.float32(1 / 0.7))}


@kernel
def forward_and_back(h, d_h, rate):
    relu(h)
    dropout(h, row_key(1, 2, 1, 0), rate)
    relu_dropout_backward(d_h, h, rate)
    return token_key(1, 2, 3, 4, 10)


@pytest.mark.parametrize("rate", [0.0, 0.4])
def test_relu_and_dropout_there_and_back(rate):
    z = np.random.default_rng(0).standard_normal(50)
    h, d_h = z.astype(np.float32), np.ones(50, dtype=np.float32)
    token_mask = forward_and_back(h, d_h, rate)
    mask = naive.dropout_mask(1, 2, 1, 1, 50, rate)[0]
    np.testing.assert_allclose(h, np.maximum(z, 0) * mask, rtol=1e-6)
    np.testing.assert_allclose(d_h, (z > 0) * mask, rtol=1e-6)
    # A token's mask is that of row place * V + id of layer 0.
    key = naive.key(1, naive.PURPOSE_DROPOUT, 2, 0)
    assert int(token_mask) == naive.absorb(key, 3 * 10 + 4) % 2**32


def test_nan_stays_nan():
    h = np.array([np.nan, -1.0, 2.0], dtype=np.float32)
    forward_and_back(h, np.ones(3, dtype=np.float32), 0.0)
    np.testing.assert_array_equal(h, [np.nan, 0.0, 2.0])
