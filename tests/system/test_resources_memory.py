"""How much memory there is."""

from __future__ import annotations

import os

import pytest

from fastlm.system import resources as memory
from fastlm.system.resources import usable_memory


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


def test_systems_that_do_not_say(monkeypatch):
    monkeypatch.delattr(os, "sysconf", raising=False)
    monkeypatch.setattr(memory, "_cgroup_limit", lambda *paths: None)
    if os.name != "nt":
        assert usable_memory() is None
