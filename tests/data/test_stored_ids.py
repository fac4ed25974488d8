"""Ids mapped from a file that is written to meanwhile."""

from __future__ import annotations

import os

import numpy as np
import pytest

import fastlm
from fastlm.callbacks import Callback
from fastlm.data.stored_ids import StoredIds
from fastlm.data.token_store import TokenStore
from fastlm.data.token_store_format import HEADER_BYTES
from fastlm.errors import StoreError

SETTINGS = {"hidden": (4,), "embed": 2, "context": 2, "batch": 16, "lr": 0.1, "threads": 1}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "t.tokens"
    fastlm.prepare(None, path, texts=["the cat sat on the mat\n" * 100], tokenizer="char")
    return path


def write_ids(path, value):
    with path.open("r+b") as file:
        file.seek(HEADER_BYTES + 200)
        file.write(np.full(50, value, dtype="<u2").tobytes())
    os.utime(path, ns=(1, 1))  # whatever the resolution of the clock


def test_a_file_that_is_written_to_is_read_again(path):
    store = TokenStore.open(path)
    ids = store.train_ids
    for part in (ids, ids[3:], ids[:-3][1:]):
        part.check_unchanged()
    os.utime(path, ns=(5, 5))
    ids.check_unchanged()  # the ids are the same
    write_ids(path, 60_000)
    with pytest.raises(StoreError, match="ids beyond its vocabulary"):
        ids[:9].check_unchanged()


def test_a_file_that_is_cut_short(path):
    ids = TokenStore.open(path).ids
    os.truncate(path, HEADER_BYTES + 100)
    with pytest.raises(StoreError, match="cut short while it was used"):
        ids.check_unchanged()


def test_another_file_in_its_place_and_none_do_not_matter(path, tmp_path):
    ids = TokenStore.open(path).ids
    content = path.read_bytes()
    path.with_name("new").write_bytes(content[:500])
    path.with_name("new").replace(path)
    ids.check_unchanged()
    path.unlink()
    ids.check_unchanged()
    assert ids.view(np.ndarray).sum() > 0


def test_other_ids_have_no_file():
    assert np.arange(3).view(StoredIds).check_unchanged is None


@pytest.mark.parametrize("value", [1, 60_000])
def test_training_stops_before_kernels_see_other_ids(path, value):
    class Writer(Callback):
        def on_progress(self, progress):
            if progress.step == 1:
                write_ids(path, value)

    with pytest.raises(StoreError, match="damaged or was altered"):
        fastlm.train(path, steps=500, valid=0, callbacks=[Writer()], **SETTINGS)


def test_a_time_that_changes_alone_changes_no_bit(path):
    class Toucher(Callback):
        def on_progress(self, progress):
            os.utime(path, ns=(progress.step, progress.step))

    touched = fastlm.train(path, steps=50, valid=0, callbacks=[Toucher()], **SETTINGS)
    assert np.array_equal(touched.params, fastlm.train(path, steps=50, valid=0, **SETTINGS).params)
