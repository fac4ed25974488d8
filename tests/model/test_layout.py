"""The one table of names, shapes and offsets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastlm.config import ModelConfig
from fastlm.model.layout import Layout
from fastlm_kernels.runtime.arguments import BIAS, FAN_IN, FAN_OUT, WEIGHT, WIDTH_BEFORE
from tests import naive


def with_cutoffs(shape):
    cut = sorted(cutoff for cutoff in shape.pop("cut") if cutoff < shape["vocab"])
    return {**shape, "cutoffs": tuple(cut)}


SHAPES = st.fixed_dictionaries(
    {
        "vocab": st.integers(2, 50),
        "context": st.integers(1, 5),
        "embed": st.integers(1, 6),
        "hidden": st.lists(st.integers(1, 7), max_size=3).map(tuple),
        "combine": st.sampled_from(["concat", "mean"]),
        "bias": st.booleans(),
        "far": st.lists(st.integers(1, 9), max_size=3).map(tuple),
        "cut": st.sets(st.integers(1, 49), max_size=3),
    }
).map(with_cutoffs)


@given(SHAPES)
@settings(deadline=None)
def test_the_table_is_the_oracles(shape):
    layout = Layout(ModelConfig(**shape))
    oracle = naive.NaiveConfig(**shape)
    assert [(t.name, t.shape) for t in layout.tensors.values()] == naive.parameter_table(oracle)
    assert layout.size == naive.parameter_count(oracle)
    flat = np.arange(layout.size)
    expected = naive.split(flat, oracle)
    for name, view in layout.views(flat).items():
        np.testing.assert_array_equal(view, expected[name])
        assert np.shares_memory(view, flat)


@given(SHAPES)
@settings(deadline=None)
def test_kernels_read_the_same_table(shape):
    model = ModelConfig(**shape)
    layout = Layout(model)
    table = layout.kernel_table
    assert table.dtype == np.int64
    clusters = len(model.cutoffs)
    assert table.shape == (len(model.hidden) + 1 + 2 * clusters, 5)
    before = 0
    names = [(f"{name}.weight", f"{name}.bias") for name in layout.layer_names]
    for k in range(1, clusters + 1):
        names += [(f"tail.{k}.projection", ""), (f"tail.{k}.weight", f"tail.{k}.bias")]
    for row, (weight_name, bias_name) in zip(table, names, strict=True):
        weight = layout.tensors[weight_name]
        bias = layout.tensors.get(bias_name)
        assert (row[FAN_IN], row[FAN_OUT]) == weight.shape
        assert row[WEIGHT] == weight.offset
        assert row[BIAS] == (-1 if bias is None else bias.offset)
        if weight_name.endswith("projection"):  # reads what the output reads
            assert row[WIDTH_BEFORE] == table[len(model.hidden), WIDTH_BEFORE]
        else:
            assert row[WIDTH_BEFORE] == before
            before += int(row[FAN_IN])
    assert layout.widths == before + clusters
    assert (layout.tensors.get("output.bias") is None) == (not model.bias)


def test_writing_to_a_view_writes_to_the_flat_array():
    layout = Layout(ModelConfig(vocab=3, context=2, embed=2, hidden=(4,)))
    flat = np.zeros(layout.size, dtype=np.float32)
    layout.views(flat)["hidden.1.bias"][:] = 7
    start = 3 * 2 + 4 * 4
    assert np.flatnonzero(flat).tolist() == list(range(start, start + 4))


@pytest.mark.parametrize(
    ("shape", "count"),
    [
        # 27*32 + 32*27: the founding character model.
        ({"vocab": 27, "context": 5, "embed": 32, "combine": "mean", "bias": False}, 1728),
        ({"vocab": 100, "context": 4, "embed": 64}, 100 * 64 + 256 * 100 + 100),
    ],
)
def test_parameter_counts(shape, count):
    assert Layout(ModelConfig(hidden=(), **shape)).size == count
