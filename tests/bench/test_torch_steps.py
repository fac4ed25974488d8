"""PyTorch as an implementation."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from fastlm.bench.contestants import contestants
from fastlm.bench.torch_steps import Torch, can_compile, torch_is_installed
from fastlm.bench.workloads import initial_params

from .conftest import CONCAT

needs_torch = pytest.mark.skipif(not torch_is_installed(), reason="PyTorch is not installed")


def test_a_compiler_is_looked_for_under_its_usual_names(monkeypatch):
    monkeypatch.delenv("CXX", raising=False)
    monkeypatch.setattr(shutil, "which", lambda name: name if name == "clang++" else None)
    assert can_compile()
    monkeypatch.setattr(shutil, "which", lambda name: None)
    assert not can_compile()


@needs_torch
def test_restart_begins_again():
    torch = Torch(CONCAT, threads=1)
    np.testing.assert_array_equal(torch.params(), initial_params(CONCAT))
    losses = torch.run(3)
    torch.restart()
    np.testing.assert_array_equal(torch.params(), initial_params(CONCAT))
    assert torch.run(3) == losses


@needs_torch
def test_names_are_unique():
    names = [make().name for name, make in contestants(CONCAT).items() if name != "nojit"]
    assert len(set(names)) == len(names)
