"""Models are loaded once a process, as long as their files stay."""

from __future__ import annotations

import os
import pickle
from concurrent.futures import ThreadPoolExecutor

import pytest

from fastlm.errors import ModelFileError
from fastlm.pipelines.loaded import absolute_path, loaded_model

from .models import saved_model


def test_all_callers_share_one(tmp_path):
    path = saved_model(tmp_path)
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(loaded_model, [path] * 8))
    assert all(lm is found[0] for lm in found)
    saved_model(tmp_path, seed=1)
    os.utime(path, ns=(1, 1))
    assert loaded_model(path) is not found[0]
    assert pickle.loads(pickle.dumps(path)) == path


def test_paths(tmp_path, monkeypatch):
    path = saved_model(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert absolute_path("m.safetensors") == path
    with pytest.raises(ModelFileError, match="there is no file gone"):
        absolute_path("gone")
    with pytest.raises(ModelFileError, match="there is no file"):
        loaded_model(str(tmp_path / "gone"))
