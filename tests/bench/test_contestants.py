"""Which implementations do which workload."""

from __future__ import annotations

import pytest

from fastlm.bench import contestants as module
from fastlm.bench.contestants import contestants, missing_peers
from fastlm.bench.workloads import select_workloads


@pytest.fixture(autouse=True)
def two_cores_and_all_peers(monkeypatch):
    monkeypatch.setattr(module, "available_processors", lambda: 2)
    monkeypatch.setattr(module, "thread_count", lambda: 2)
    monkeypatch.setattr(module, "is_installed", lambda package: True)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tiny-1", "python nojit PEERS engine"),
        ("mini-1", "nojit numpy PEERS engine"),
        ("mini-256", "numpy PEERS engine-1 engine"),
        ("30k-512-adaptive", "PEERS engine-1 engine"),
    ],
)
def test_who_does_what(name, expected, monkeypatch):
    def found(**options) -> str:
        return " ".join(contestants(*select_workloads([name]), **options))

    assert found() == expected.replace("PEERS", "torch-1 torch jax-1 jax")
    compiled = expected.replace("PEERS", "torch-1 torch torch-compile jax-1 jax")
    assert found(torch_compile=True) == compiled
    monkeypatch.setattr(module, "available_processors", lambda: 1)
    assert found() == expected.replace("PEERS", "torch-1 jax-1")
    monkeypatch.setattr(module, "is_installed", lambda package: package == "jax")
    assert found(torch_compile=True) == expected.replace("PEERS", "jax-1")


def test_what_is_missing_is_said(monkeypatch):
    assert missing_peers() == ""
    monkeypatch.setattr(module, "is_installed", lambda package: package == "torch")
    assert missing_peers() == "not installed: JAX; pip install jax"
