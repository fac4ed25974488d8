"""Losses of token arrays and their sums: any number of threads, any cut."""

from __future__ import annotations

import numpy as np
import pytest

from fastlm.config import ModelConfig
from fastlm.engine import losses
from fastlm.engine.losses import evaluate_tokens, mean_loss, position_losses, table_size
from fastlm.engine.tokens import token_array
from fastlm.errors import CorpusError
from fastlm.model.layout import Layout
from tests import naive
from tests.oracle_runs import NO_JIT, initial, models, random_tokens


def test_position_losses_are_the_same_bits_for_any_number_of_threads():
    model, oracle = models(11, hidden=(6,))
    tokens = token_array(random_tokens(11, 300 if NO_JIT else 3000), 11)
    params = initial(oracle)
    stop = tokens.ids.size
    results = {
        position_losses(params, model, tokens, 3, stop, threads).tobytes()
        for threads in (1, 2, 3, 4, 64)
    }
    assert len(results) == 1


@pytest.mark.parametrize("count_boundary", [False, True])
@pytest.mark.parametrize("dtype", [np.uint16, np.uint32])
def test_sums_over_slices(count_boundary, dtype, monkeypatch):
    model, oracle = models(11, hidden=(6,), boundary=0)
    ids, params = random_tokens(11, 90).astype(dtype), initial(oracle)
    whole = position_losses(params, model, token_array(ids, 11), 0, 90)
    keep = (ids != 0) | count_boundary
    monkeypatch.setattr(losses, "_POSITIONS_PER_CALL", 40)
    found = evaluate_tokens(params, model, ids, count_boundary=count_boundary, unk=3)
    assert found.nats == sum(
        whole[part][keep[part]].sum() for part in np.split(np.arange(90), [40, 80])
    )
    assert (found.tokens, found.oov) == (keep.sum(), (ids == 3).sum())


def test_there_is_a_table_only_where_it_pays_and_fits():
    def size(vocab=100, **shape):
        return table_size(ModelConfig(vocab=vocab, **shape))

    assert size(context=16, embed=24, hidden=(256,)) == 100
    assert size(context=4, embed=32, hidden=()) == 100
    assert size(embed=32, combine="mean") == 0
    assert size(context=50, embed=32, hidden=(2000,)) == 0  # 40 MB
    assert size(30_000, context=4, embed=128, hidden=(256,), cutoffs=(900,)) == 8192
    assert size(30_000, context=4, embed=128, hidden=()) == 0
    assert size(cutoffs=(20,), hidden=()) == 0


def shape_of(config):
    return naive.NaiveConfig(
        vocab=config.vocab, context=config.context, embed=config.embed, hidden=config.hidden,
        cutoffs=config.cutoffs, combine="concat",
    )  # fmt: skip


@pytest.mark.parametrize("dtype", [np.uint16, np.uint32])
@pytest.mark.parametrize("count_boundary", [False, True])
def test_mean_loss_leaves_the_boundary_out_unless_it_counts(dtype, count_boundary):
    config = ModelConfig(vocab=9, boundary=0, context=3, embed=4, hidden=(5,))
    params = np.random.default_rng(2).standard_normal(Layout(config).size).astype(np.float32)
    ids = np.array([3, 1, 4, 1, 5, 0, 2, 6, 5, 0], dtype=dtype)
    tensors = naive.split(params.astype(np.float64), shape_of(config))
    losses = naive.nll_of_positions(tensors, shape_of(config), ids, np.arange(ids.size), 0)
    keep = np.ones(ids.size, dtype=bool) if count_boundary else ids != 0
    nats, count = mean_loss(params, config, token_array(ids, config.vocab), count_boundary)
    assert nats == pytest.approx(losses[keep].sum(), rel=1e-5)
    assert count == keep.sum() == (10 if count_boundary else 8)
    assert evaluate_tokens(params, config, ids, count_boundary=count_boundary)[:2] == (nats, count)
    assert evaluate_tokens(params, config, ids, count_boundary=True, unk=5).oov == 2


def test_losses_of_ranges_are_those_of_the_whole(monkeypatch):
    monkeypatch.setattr("fastlm.engine.losses._POSITIONS_PER_CALL", 16)
    config = ModelConfig(vocab=9, boundary=0, context=3, embed=4, hidden=(5,))
    params = np.random.default_rng(2).standard_normal(Layout(config).size).astype(np.float32)
    ids = np.random.default_rng(3).integers(0, 9, 90)
    whole = position_losses(params, config, token_array(ids, 9), 0, 90)
    ranges = [(2, 5), (20, 60)]
    keep = np.concatenate([np.arange(*each) for each in ranges])
    keep = keep[ids[keep] != 0]
    found = evaluate_tokens(params, config, ids, count_boundary=False, unk=3, ranges=ranges)
    assert found.nats == pytest.approx(whole[keep].sum(), rel=1e-12)
    assert (found.tokens, found.oov) == (keep.size, np.count_nonzero(ids[keep] == 3))


def test_too_few_tokens_are_refused_with_both_numbers():
    config = ModelConfig(vocab=9, context=3, embed=4, hidden=(5,))
    params = np.zeros(Layout(config).size, dtype=np.float32)
    with pytest.raises(CorpusError, match="has 2 tokens, but this model needs at least 4"):
        mean_loss(params, config, token_array(np.array([1, 2]), 9), count_boundary=False)


def test_losses_whose_logits_come_in_blocks():
    """More outputs, more rows of a cluster, and larger logits late in a row than one block has."""
    vocab, cutoffs = 700, (300,)
    config = ModelConfig(vocab=vocab, context=2, embed=4, hidden=(5,), boundary=0, cutoffs=cutoffs)
    rng = np.random.default_rng(4)
    params = rng.normal(0, 1, Layout(config).size).astype(np.float32)
    Layout(config).views(params)["output.bias"][290:] += 20
    ids = rng.integers(1, vocab, 12 if NO_JIT else 700)
    ids[:3] = 301, 556, 699
    tensors = naive.split(params.astype(np.float64), shape_of(config))
    expected = naive.nll_of_positions(tensors, shape_of(config), ids, np.arange(len(ids)), 0)
    found = position_losses(params, config, token_array(ids, vocab), 0, len(ids))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=2e-6)
