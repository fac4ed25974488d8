"""The first layer in inference: which tokens a table gets, and the same losses with and without."""

from __future__ import annotations

import numpy as np
import pytest

from fastlm.engine.losses import position_losses
from fastlm.engine.network import network_of
from fastlm.engine.tokens import token_array
from fastlm_kernels.passes.first_layer import number_tokens
from tests import naive
from tests.oracle_runs import initial, models, random_tokens, wide


@pytest.mark.parametrize("first", [0, 1, 20])
@pytest.mark.parametrize("room", [4, 6, 20])
def test_tokens_are_numbered_while_there_is_room(first, room):
    model, _ = models(15, boundary=2)
    ids = random_tokens(15, 60)
    rows, found = np.full(15, -1, dtype=np.int32), np.full(room, -1, dtype=np.int32)
    known, stop = number_tokens(rows, found, token_array(ids, 15), network_of(model), first, 60)
    assert found[0] == 2  # fills up a context
    assert rows[found[:known]].tolist() == list(range(known))
    assert np.count_nonzero(rows >= 0) == known <= room
    seen = set(ids[max(first - 3, 0) : stop - 1].tolist()) | {2}
    assert set(found[:known].tolist()) == seen
    assert stop == 60 or known == room, "it stopped though there was room"


@pytest.mark.parametrize("far", [(), (2, 3)])
@pytest.mark.parametrize("hidden", [(), (6, 5)])
@pytest.mark.parametrize("size", [0, 5, 11])
def test_losses_by_a_product_by_several_tables_and_by_one(size, hidden, far, monkeypatch):
    monkeypatch.setattr("fastlm.engine.losses.table_size", lambda model: size)
    model, oracle = models(11, hidden=hidden, far=far, boundary=4)
    tokens, params = random_tokens(11, 100), initial(oracle)
    losses = position_losses(params, model, token_array(tokens, 11), 0, 100)
    expected = naive.nll_of_positions(wide(params, oracle), oracle, tokens, np.arange(100), 4)
    np.testing.assert_allclose(losses, expected, rtol=1e-5, atol=2e-6)
