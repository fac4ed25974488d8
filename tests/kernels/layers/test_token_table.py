"""The token table: its rows and their sums against the product that they stand for."""

from __future__ import annotations

import numpy as np
import pytest

from fastlm.config import ModelConfig
from fastlm.engine.network import network_of
from fastlm.model.layout import Layout
from fastlm_kernels.layers.token_table import add_rows, fill_table, sum_table_rows, table_offset
from fastlm_kernels.linalg.gemm import new_workspace
from fastlm_kernels.runtime.arguments import TokenTable
from fastlm_kernels.runtime.jit import kernel


@kernel
def add_all(out, values, offsets, first, stop):
    add_rows(out, 1, out.size - 1, values, 2, offsets, first, stop, np.int64(3))


@pytest.mark.parametrize("count", range(10))
def test_rows_are_added_four_at_a_time_and_one_by_one(count):
    rng = np.random.default_rng(count)
    values = rng.standard_normal(40).astype(np.float32)
    offsets = rng.integers(0, 10, 12).astype(np.int32)
    out = np.ones(6, dtype=np.float32)
    add_all(out, values, offsets, 2, 2 + count)
    expected = np.ones(6)
    for offset in offsets[2 : 2 + count]:
        expected[1:] += values[2 + 3 * offset : 2 + 3 * offset + 5]
    np.testing.assert_allclose(out, expected, atol=1e-5)


@kernel
def by_table(out, offsets, table, embeddings, contexts, workspace, params, network):
    for position in range(network.context):
        fill_table(
            table, np.int64(0), np.int64(position), embeddings, workspace, params, network,
            np.int64(table.ids.size),
        )  # fmt: skip
    width = network.layers[0, 1]
    for row in range(contexts.shape[0]):
        for position in range(network.context):
            offsets[position] = table_offset(table, contexts[row, position], position, network)
        sum_table_rows(out, row * width, table.values, offsets, 0, params, network)


@pytest.mark.parametrize("bias", [True, False])
def test_the_sum_of_table_rows_is_the_first_layer(bias):
    model = ModelConfig(vocab=9, context=3, embed=4, hidden=(5,), bias=bias)
    rng = np.random.default_rng(0)
    params = rng.standard_normal(Layout(model).size).astype(np.float32)
    ids = np.array([1, 4, 8], dtype=np.int32)
    rows = np.full(9, -1, dtype=np.int32)
    rows[ids] = np.arange(3)
    table = TokenTable(np.full(3 * 3 * 5, np.nan, dtype=np.float32), rows, ids)
    tensors = {name: w.astype(np.float64) for name, w in Layout(model).views(params).items()}
    embeddings = np.ascontiguousarray(Layout(model).views(params)["embeddings"][ids]).ravel()
    contexts = ids[rng.integers(0, 3, (6, 3))]
    out = np.empty(6 * 5, dtype=np.float32)
    offsets = np.empty(3, dtype=np.int32)
    by_table(out, offsets, table, embeddings, contexts, new_workspace(), params, network_of(model))
    x = tensors["embeddings"][contexts].reshape(6, 12)
    expected = x @ tensors["hidden.1.weight"] + (tensors["hidden.1.bias"] if bias else 0)
    np.testing.assert_allclose(out.reshape(6, 5), expected, atol=1e-5)
