"""Large stores are shuffled in windows."""

from __future__ import annotations

import numpy as np
import pytest

import fastlm
from fastlm.callbacks import Callback
from fastlm.data.shuffle_window import automatic_window
from fastlm.data.token_store import TokenStore

TEXT = "the cat sat on the mat; the dog sat on the log.\n" * 20


class Starts(Callback):
    def __init__(self):
        self.reasons = ()

    def on_start(self, start):
        self.reasons = start.reasons


@pytest.fixture
def store(tmp_path) -> TokenStore:
    return fastlm.prepare(None, tmp_path / "s.tokens", texts=[TEXT], valid=0)


def test_memory_of_unknown_size(monkeypatch, store):
    monkeypatch.setattr("fastlm.data.shuffle_window.usable_memory", lambda: None)
    assert automatic_window(store.train_ids) == (None, "")


def test_a_window_where_the_store_takes_more_than_half_of_the_memory(monkeypatch, store):
    ids = store.train_ids
    monkeypatch.setattr("fastlm.data.shuffle_window.usable_memory", lambda: 2 * ids.nbytes)
    assert automatic_window(ids) == (None, "")
    monkeypatch.setattr("fastlm.data.shuffle_window.usable_memory", lambda: 2 * ids.nbytes - 2)
    window, why = automatic_window(ids)
    assert window == (2 * ids.nbytes - 2) // 8
    assert f"{window:,}" in why
    assert automatic_window(np.array(ids)) == (None, "")


def test_training_takes_it_and_says_so_unless_it_is_given(monkeypatch, store, tmp_path):
    settings = {"steps": 3, "valid": 0, "hidden": (4,), "embed": 4, "context": 2, "batch": 8}
    monkeypatch.setattr("fastlm.data.shuffle_window.usable_memory", lambda: store.train_ids.nbytes)
    starts = Starts()
    lm = fastlm.train(
        store.path, callbacks=[starts], checkpoint=tmp_path / "c.safetensors", **settings
    )
    window = store.train_ids.nbytes // 8
    assert lm.training.shuffle_window == window
    assert "take more than half of the memory" in starts.reasons[-1]
    # Going on elsewhere keeps to the order that was begun.
    monkeypatch.setattr("fastlm.data.shuffle_window.usable_memory", lambda: 1 << 40)
    again = fastlm.train(checkpoint=tmp_path / "c.safetensors", resume=True, steps=6)
    assert again.training.shuffle_window == window
    monkeypatch.setattr("fastlm.data.shuffle_window.usable_memory", lambda: store.train_ids.nbytes)
    for given in ({"shuffle_window": 50}, {"shuffle": False}):
        starts = Starts()
        lm = fastlm.train(store.path, callbacks=[starts], **settings, **given)
        assert lm.training.shuffle_window == given.get("shuffle_window")
        assert not any("memory" in reason for reason in starts.reasons)
