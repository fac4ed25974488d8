"""A dataset that goes to another process."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import fastlm
from fastlm.data.dataset import build_dataset
from fastlm.data.handover import handed_over, taken_over
from fastlm.errors import StoreError
from fastlm.tokenizers.spec import TokenizerSpec

TEXT = "the cat sat on the mat\n" * 400


def sent(data):
    return pickle.loads(pickle.dumps(handed_over(data)))


def test_ids_in_memory_go_along():
    data = build_dataset(None, TokenizerSpec.of(None), texts=TEXT)
    other = taken_over(sent(data))
    np.testing.assert_array_equal(other.train, data.train)
    np.testing.assert_array_equal(other.valid, data.valid)
    assert other.tokenizer == data.tokenizer
    assert other.fingerprint == data.fingerprint


@pytest.mark.parametrize("valid", [None, 0.25, 0])
def test_a_store_goes_by_its_name(tmp_path, valid):
    path = tmp_path / "text.tokens"
    fastlm.prepare(None, path, texts=TEXT, progress=False)
    data = build_dataset(path, TokenizerSpec.of(None), valid=valid)
    message = pickle.dumps(handed_over(data))
    assert len(message) < 8000 < data.train.nbytes
    other = taken_over(pickle.loads(message))
    np.testing.assert_array_equal(other.train, data.train)
    assert (other.valid is None) == (data.valid is None)
    if data.valid is not None:
        np.testing.assert_array_equal(other.valid, data.valid)
    assert other.train.check_unchanged is not None


def test_another_store_there(tmp_path):
    path = tmp_path / "text.tokens"
    fastlm.prepare(None, path, texts=TEXT, progress=False)
    data = sent(build_dataset(path, TokenizerSpec.of(None)))
    path.unlink()
    with pytest.raises(StoreError, match="no such file"):
        taken_over(data)
    fastlm.prepare(None, path, texts=TEXT.replace("mat", "map"), progress=False)
    with pytest.raises(StoreError, match=r"is another store here than on rank 0 \(checksum"):
        taken_over(data)
