"""Sums of losses over token arrays, against the float64 oracle."""

from __future__ import annotations

import numpy as np
import pytest

from fastlm.config import ModelConfig
from fastlm.engine.losses import evaluate_tokens, mean_loss, position_losses
from fastlm.engine.tokens import token_array
from fastlm.errors import CorpusError
from fastlm.model.layout import Layout
from fastlm_kernels.runtime.jit import JIT_DISABLED
from tests import naive


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
    ids = rng.integers(1, vocab, 12 if JIT_DISABLED else 700)
    ids[:3] = 301, 556, 699
    tensors = naive.split(params.astype(np.float64), shape_of(config))
    expected = naive.nll_of_positions(tensors, shape_of(config), ids, np.arange(len(ids)), 0)
    found = position_losses(params, config, token_array(ids, vocab), 0, len(ids))
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=2e-6)
