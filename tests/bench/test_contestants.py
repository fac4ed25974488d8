"""Which implementations do which workload."""

from __future__ import annotations

import pytest

from fastlm.bench import contestants as module
from fastlm.bench.contestants import contestants
from fastlm.bench.workloads import select_workloads


@pytest.fixture(autouse=True)
def two_cores_and_torch(monkeypatch):
    monkeypatch.setattr(module, "available_processors", lambda: 2)
    monkeypatch.setattr(module, "thread_count", lambda: 2)
    monkeypatch.setattr(module, "torch_is_installed", lambda: True)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("tiny-1", "python nojit torch-1 torch engine"),
        ("mini-1", "nojit numpy torch-1 torch engine"),
        ("mini-256", "numpy torch-1 torch engine-1 engine"),
        ("30k-512-adaptive", "torch-1 torch engine-1 engine"),
    ],
)
def test_who_does_what(name, expected, monkeypatch):
    (workload,) = select_workloads([name])
    assert " ".join(contestants(workload)) == expected
    compiled = expected.replace("torch engine", "torch torch-compile engine")
    assert " ".join(contestants(workload, torch_compile=True)) == compiled
    monkeypatch.setattr(module, "torch_is_installed", lambda: False)
    assert " ".join(contestants(workload)) == expected.replace("torch-1 torch ", "")
