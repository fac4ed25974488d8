"""A training step's tiles: each weight exactly once, from the shapes alone."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastlm.config import ModelConfig
from fastlm.engine.tiling import (
    column_tiles,
    logit_columns,
    phase_starts,
    row_tile,
    step_flops,
    sweeps_columns,
    table_embedding_tiles,
    update_tiles,
    uses_token_table,
    worth_sharing,
)
from fastlm.model.layout import Layout
from fastlm_kernels.runtime.arguments import EMBEDDING, FAR, SORT, TABLE_POSITION

models = st.builds(
    ModelConfig,
    vocab=st.integers(2, 40_000),
    context=st.integers(1, 16),
    embed=st.integers(1, 256),
    hidden=st.lists(st.integers(1, 2000), max_size=3).map(tuple),
    combine=st.sampled_from(["concat", "mean"]),
    bias=st.booleans(),
    far=st.sampled_from([(), (12, 48)]),
) | st.builds(
    ModelConfig,
    vocab=st.integers(3000, 40_000),
    hidden=st.lists(st.integers(1, 2000), max_size=1).map(tuple),
    cutoffs=st.sampled_from([(2000,), (500, 1000, 2999)]),
)
batches = st.integers(1, 4096)


@given(batches)
def test_row_tiles_cover_the_batch(batch):
    tile = row_tile(batch)
    assert 1 <= tile <= min(batch, 128)
    assert tile == batch or tile >= 16


@pytest.mark.parametrize(("tile", "columns"), [(1, 524_288), (64, 8192), (100, 5184), (128, 4096)])
def test_blocks_of_logits_take_two_megabytes(tile, columns):
    assert logit_columns(tile) == columns
    assert logit_columns(10**6) == 1024


@given(models, batches)
@settings(deadline=None)
def test_update_tiles_cover_every_column_and_every_row_once(model, batch):
    tiles = update_tiles(model, batch)
    assert tiles.dtype == np.int64
    assert tiles.shape[1] == 3
    assert tiles.flags.c_contiguous
    columns = column_tiles(model, batch)
    assert columns.dtype == np.int64
    assert columns.shape[1] == 5
    assert columns.flags.c_contiguous
    of_layers = [*tiles.tolist(), *columns[:, :3].tolist()]
    for layer, fan_out in enumerate(Layout(model).kernel_table[:, 1].tolist()):
        spans = sorted((start, stop) for which, start, stop in of_layers if which == layer)
        assert spans[0][0] == 0
        assert spans[-1][1] == fan_out
        for (start, stop), (following, _) in zip(spans, [*spans[1:], (fan_out, 0)], strict=True):
            assert start < stop == following
    buckets = [(rest, n) for which, rest, n in tiles.tolist() if which == EMBEDDING]
    (divisor,) = {n for _, n in buckets}
    assert sorted(rest for rest, _ in buckets) == list(range(divisor))
    others = {FAR} if model.far else set()
    others |= {SORT} if model.cutoffs else set()
    output = len(model.hidden)
    swept = {output + 2 * cluster for cluster in range(1, 1 + len(model.cutoffs))}
    swept |= {output} if sweeps_columns(model) else set()
    layers = set(range(output + 1 + 2 * len(model.cutoffs)))
    assert set(columns[:, 0].tolist()) == swept
    assert set(tiles[:, 0].tolist()) == {EMBEDDING, *others, *(layers - swept)}


@given(models, batches)
@settings(deadline=None)
def test_tiles_of_columns_have_whole_blocks_and_a_place_of_their_own(model, batch):
    columns = column_tiles(model, batch)
    widths = Layout(model).kernel_table[columns[:, 0], 0]
    np.testing.assert_array_equal(columns[:, 4], np.cumsum(widths) - widths)
    for layer, start, _, block, _ in columns.tolist():
        assert start % block == 0
        assert (columns[:, 0] == layer).sum() <= 16
    # A layer's columns in their order: its sums are made in it.
    for layer in set(columns[:, 0].tolist()):
        (fan_in, fan_out), count = (
            Layout(model).kernel_table[layer, :2],
            (columns[:, 0] == layer).sum(),
        )
        assert count == 1 or count * fan_in <= 2 * fan_out
    assert all(
        second[0] != first[0] or second[1] == first[2]
        for first, second in pairwise(columns.tolist())
    )


def test_a_wide_output_is_swept_by_columns():
    assert sweeps_columns(ModelConfig(vocab=10_000, context=5, embed=128, hidden=(256,)))
    assert not sweeps_columns(ModelConfig(vocab=1000, hidden=(128, 128)))
    assert not sweeps_columns(ModelConfig(vocab=1023, hidden=(256,)))
    assert sweeps_columns(ModelConfig(vocab=1024, hidden=(256,)))
    # Its tiles' own gradients would be many times the logits.
    assert not sweeps_columns(ModelConfig(vocab=2000, hidden=(1024,)))


def test_only_what_is_swept_by_columns_has_phases_for_it():
    np.testing.assert_array_equal(phase_starts(4, 0, 9, 1, 2), [0, 4, 4, 4, 4, 4, 13, 14, 16])
    np.testing.assert_array_equal(phase_starts(4, 3, 9, 0, 0), [0, 4, 7, 11, 14, 18, 27, 27, 27])


@given(models, batches)
@settings(deadline=None)
def test_the_plan_is_the_same_whatever_the_machine(model, batch):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FASTLM_THREADS", "1")
        first = update_tiles(model, batch)
        columns = column_tiles(model, batch)
        patch.setenv("FASTLM_THREADS", "16")
        np.testing.assert_array_equal(update_tiles(model, batch), first)
        np.testing.assert_array_equal(column_tiles(model, batch), columns)


def test_a_large_layer_is_shared_and_a_small_one_is_not():
    large = ModelConfig(vocab=10_000, context=5, embed=128, hidden=(512, 512))
    tiles = update_tiles(large, 1024)
    assert all((tiles[:, 0] == layer).sum() >= 2 for layer in (0, 1, EMBEDDING))
    assert len(column_tiles(large, 1024)) >= 8
    small = ModelConfig(vocab=27, context=5, embed=32, hidden=(), combine="mean")
    assert len(update_tiles(small, 1)) == 2


def test_flops_of_a_step():
    model = ModelConfig(vocab=10, context=2, embed=3, hidden=(4,))
    assert step_flops(model, 5) == 6 * 5 * (6 * 4 + 4 * 10)


def test_the_first_layer_uses_a_token_table_where_tokens_are_few():
    letters = ModelConfig(vocab=65)
    assert uses_token_table(letters, 256, 65)
    assert not uses_token_table(letters, 129, 65), "the products would not be half as many"
    for other in ({"hidden": ()}, {"combine": "mean"}, {"far": (12,)}, {"hidden": (2**17,)}):
        assert not uses_token_table(ModelConfig(vocab=65, **other), 256, 65)


def test_with_a_table_the_first_layer_is_updated_by_places():
    letters = ModelConfig(vocab=65, context=5)
    tiles = update_tiles(letters, 256, 65)
    places = tiles[tiles[:, 0] == TABLE_POSITION]
    assert sorted(places[:, 1]) == list(range(5))
    assert sorted(set(tiles[:, 0])) == [TABLE_POSITION, 1, 2]
    assert table_embedding_tiles(letters, 65) == 1
    assert table_embedding_tiles(letters, 0) == 0
    assert table_embedding_tiles(ModelConfig(vocab=2000, context=8, embed=128), 2000) == 4


def test_only_work_that_pays_is_shared():
    tiny = ModelConfig(vocab=27, context=5, embed=32, hidden=(), combine="mean", bias=False)
    assert not worth_sharing(tiny, 1)
    assert not worth_sharing(tiny, 32)
    assert worth_sharing(tiny, 256)
    large = ModelConfig(vocab=10_000, context=5, embed=128, hidden=(512, 512))
    assert worth_sharing(large, 1024)
    assert not worth_sharing(large, 1), "one example has one row tile"
