"""Compiled kernels lie where a change of any source cannot leave old ones in use."""

from __future__ import annotations

import os

from fastlm.bench import kernel_cache
from fastlm.bench.kernel_cache import use_kernel_cache
from fastlm_kernels.runtime.sources import sources_digest


def cache_for(folder, monkeypatch) -> str:
    monkeypatch.setattr(kernel_cache, "sources_digest", lambda: sources_digest(folder))
    monkeypatch.delenv("NUMBA_CACHE_DIR", raising=False)
    use_kernel_cache()
    return os.environ["NUMBA_CACHE_DIR"]


def test_another_source_is_another_folder(monkeypatch, tmp_path):
    source = tmp_path / "affine.py"
    source.write_text("one = 1\n")
    first = cache_for(tmp_path, monkeypatch)
    assert cache_for(tmp_path, monkeypatch) == first
    source.write_text("one = 2\n")
    assert cache_for(tmp_path, monkeypatch) != first


def test_a_folder_that_is_set_stands(monkeypatch):
    monkeypatch.setenv("NUMBA_CACHE_DIR", "mine")
    use_kernel_cache()
    assert os.environ["NUMBA_CACHE_DIR"] == "mine"
