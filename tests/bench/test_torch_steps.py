"""PyTorch as an implementation."""

from __future__ import annotations

import shutil

from fastlm.bench.contestants import contestants
from fastlm.bench.torch_steps import Torch, can_compile

from .conftest import CONCAT, assert_restarts, needs_torch


def test_a_compiler_is_looked_for_under_its_usual_names(monkeypatch):
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: name if name == "clang++" else None)
    assert can_compile()
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert not can_compile()


@needs_torch
def test_restart_begins_again():
    assert_restarts(Torch(CONCAT, threads=1), CONCAT)


@needs_torch
def test_names_are_unique():
    makers = {name: make for name, make in contestants(CONCAT).items() if "j" not in name}
    names = [make().name for make in makers.values()]
    assert len(set(names)) == len(names)
