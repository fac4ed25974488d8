"""Kernels called through their addresses."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pytest
from numba import config

from fastlm_kernels.runtime.jit import JIT_DISABLED, inner_kernel, kernel, unit_kernel
from fastlm_kernels.runtime.units import call_unit, load_shared, share, unit_address


class Values(NamedTuple):
    x: np.ndarray
    factor: int


@inner_kernel
def double(x):
    return 2.0 * x


@unit_kernel
def weighted_sum(shared, step, first, last, layer, offset, rate):
    values, _ = load_shared(shared)
    total = 0.0
    for i in range(first, last):
        total += double(values.x[i]) * values.factor
    return total + step + rate


@unit_kernel
def write(shared, step, first, last, layer, offset, rate):
    _, out = load_shared(shared)
    out[first] = rate
    return 0.0


@kernel
def call(unit, values, out, first, last, rate):
    shared = share((values, out))
    return call_unit(unit, shared, np.int64(1), first, last, np.int64(0), np.int64(0), rate)


def arguments():
    return Values(np.arange(5.0), 3), np.zeros(4)


def test_what_a_unit_reads_and_returns():
    values, out = arguments()
    address = unit_address(weighted_sum, (values, out))
    assert call(address, values, out, 1, 4, 0.5) == 2 * 3 * (1 + 2 + 3) + 1 + 0.5


def test_what_a_unit_writes():
    values, out = arguments()
    address = unit_address(write, (values, out))
    call(address, values, out, 2, 0, 7.0)
    assert out.tolist() == [0, 0, 7, 0]


@pytest.mark.skipif(JIT_DISABLED, reason="a unit is its function then")
def test_the_address_stays():
    values, out = arguments()
    assert unit_address(write, (values, out)) == unit_address(write, (values, out)) != 0


@pytest.mark.skipif(not (config.BOUNDSCHECK or JIT_DISABLED), reason="nothing is checked")
def test_an_index_out_of_bounds_in_a_unit_is_raised():
    values, out = arguments()
    address = unit_address(write, (values, out))
    with pytest.raises(IndexError):
        call(address, values, out, 9, 0, 7.0)
