"""A model file for each test."""

from __future__ import annotations

import pytest

from fastlm.model.model_file import write_model_file
from tests.model.files import METADATA, TENSORS


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


@pytest.fixture
def content(path):
    """A sound file's bytes; the file is there too."""
    write_model_file(path, TENSORS, METADATA)
    return path.read_bytes()
