"""The units of a training step. What they compute: test_training.py, tests/engine."""

from __future__ import annotations

import inspect

import pytest

from fastlm_kernels.passes.units import UNITS, Units
from fastlm_kernels.runtime.jit import JIT_DISABLED


def test_a_field_for_each_unit():
    assert Units._fields == tuple(UNITS)


@pytest.mark.parametrize("name", UNITS)
def test_all_are_called_alike(name):
    """A unit with other arguments would read its callers' at random."""
    function = UNITS[name] if JIT_DISABLED else UNITS[name].py_func
    names = ["shared", "step", "first", "last", "layer", "offset", "rate"]
    assert list(inspect.signature(function).parameters) == names
