"""How much memory there is, and what is shuffled in windows."""

from __future__ import annotations

import os

import numpy as np
import pytest

import fastlm
from fastlm.callbacks import Callback
from fastlm.data.dataset import automatic_window
from fastlm.data.token_store import TokenStore
from fastlm.system import resources as memory
from fastlm.system.resources import usable_memory

TEXT = "the cat sat on the mat; the dog sat on the log.\n" * 20


class Starts(Callback):
    def __init__(self):
        self.reasons = ()

    def on_start(self, start):
        self.reasons = start.reasons


@pytest.fixture
def store(tmp_path) -> TokenStore:
    return fastlm.prepare(None, tmp_path / "s.tokens", texts=[TEXT], valid=0)


def limit_of(folder, membership, files):
    """The limit read from a fake /proc/self/cgroup and a fake /sys/fs/cgroup."""
    root = folder / "cgroup"
    (folder / "membership").write_text(membership)
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)
    return memory._cgroup_limit(folder / "membership", root)


@pytest.mark.parametrize(
    ("membership", "files", "expected"),
    [
        ("0::/\n", {"memory.max": "2000000\n"}, 2_000_000),
        ("0::/\n", {"memory.max": "max\n"}, None),
        ("0::/\n", {"memory.max": ""}, None),
        ("0::/\n", {}, None),
        ("0::/a/b\n", {"a/b/memory.max": "900", "a/memory.max": "800"}, 800),
        ("4:memory:/a\n1:cpu:/\n", {"memory/a/memory.limit_in_bytes": "700\n"}, 700),
        ("4:memory:/a\n", {"memory/memory.limit_in_bytes": "600\n"}, 600),
        ("4:cpu:/a\n", {"memory/memory.limit_in_bytes": "600\n"}, None),
    ],
)
def test_limits_of_control_groups(tmp_path, membership, files, expected):
    assert limit_of(tmp_path, membership, files) == expected


def test_a_system_without_control_groups(tmp_path):
    assert memory._cgroup_limit(tmp_path / "none", tmp_path) is None


def test_this_machine():
    size = usable_memory()
    assert size is None or size > 1 << 24


@pytest.mark.parametrize(
    ("machine", "limit", "expected"), [(8, 3, 3), (2, 3, 2), (None, 3, 3), (8, None, 8)]
)
def test_the_smaller_counts(monkeypatch, machine, limit, expected):
    monkeypatch.setattr(memory, "_machine_memory", lambda: machine)
    monkeypatch.setattr(memory, "_cgroup_limit", lambda *paths: limit)
    assert usable_memory() == expected


def test_systems_that_do_not_say(monkeypatch, store):
    monkeypatch.delattr(os, "sysconf", raising=False)
    monkeypatch.setattr(memory, "_cgroup_limit", lambda *paths: None)
    if os.name != "nt":
        assert usable_memory() is None
    monkeypatch.setattr("fastlm.data.dataset.usable_memory", lambda: None)
    assert automatic_window(store.train_ids) == (None, "")


def test_a_window_where_the_store_takes_more_than_half_of_the_memory(monkeypatch, store):
    ids = store.train_ids
    monkeypatch.setattr("fastlm.data.dataset.usable_memory", lambda: 2 * ids.nbytes)
    assert automatic_window(ids) == (None, "")
    monkeypatch.setattr("fastlm.data.dataset.usable_memory", lambda: 2 * ids.nbytes - 2)
    window, why = automatic_window(ids)
    assert window == (2 * ids.nbytes - 2) // 8
    assert f"{window:,}" in why
    assert automatic_window(np.array(ids)) == (None, "")


def test_training_takes_it_and_says_so_unless_it_is_given(monkeypatch, store, tmp_path):
    settings = {"steps": 3, "valid": 0, "hidden": (4,), "embed": 4, "context": 2, "batch": 8}
    monkeypatch.setattr("fastlm.data.dataset.usable_memory", lambda: store.train_ids.nbytes)
    starts = Starts()
    lm = fastlm.train(
        store.path, callbacks=[starts], checkpoint=tmp_path / "c.safetensors", **settings
    )
    window = store.train_ids.nbytes // 8
    assert lm.training.shuffle_window == window
    assert "take more than half of the memory" in starts.reasons[-1]
    # Going on elsewhere keeps to the order that was begun.
    monkeypatch.setattr("fastlm.data.dataset.usable_memory", lambda: 1 << 40)
    again = fastlm.train(checkpoint=tmp_path / "c.safetensors", resume=True, steps=6)
    assert again.training.shuffle_window == window
    monkeypatch.setattr("fastlm.data.dataset.usable_memory", lambda: store.train_ids.nbytes)
    for given in ({"shuffle_window": 50}, {"shuffle": False}):
        starts = Starts()
        lm = fastlm.train(store.path, callbacks=[starts], **settings, **given)
        assert lm.training.shuffle_window == given.get("shuffle_window")
        assert not any("memory" in reason for reason in starts.reasons)
