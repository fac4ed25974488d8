"""A model file is written whole or not at all, to the bytes that the format describes."""

from __future__ import annotations

import errno
import os
import struct

import numpy as np
import pytest

from fastlm.errors import ModelFileError
from fastlm.model.model_file import FORMAT_VERSION, read_model_file, write_model_file
from tests.model.files import METADATA, TENSORS, parts


def test_what_was_written_is_read(path):
    write_model_file(path, TENSORS, METADATA)
    tensors, metadata = read_model_file(path)
    assert tensors.keys() == TENSORS.keys()
    for name, tensor in TENSORS.items():
        assert tensors[name].dtype == tensor.dtype
        assert tensors[name].shape == tensor.shape
        assert tensors[name].tobytes() == tensor.tobytes()
    assert metadata.items() >= METADATA.items()
    assert metadata["format_version"] == FORMAT_VERSION == 1
    assert metadata.keys() == METADATA.keys() | {"format_version", "library_version", "checksum"}


def test_the_same_model_gives_the_same_bytes(path, tmp_path):
    write_model_file(path, TENSORS, METADATA)
    again = tmp_path / "again.safetensors"
    write_model_file(again, TENSORS, dict(reversed(METADATA.items())))
    assert again.read_bytes() == path.read_bytes()


def test_the_bytes_are_as_the_format_says(content):
    (length,) = struct.unpack("<Q", content[:8])
    header, data = parts(content)
    assert content[8:9] == b"{"
    assert header.keys() == TENSORS.keys() | {"__metadata__"}
    assert header["__metadata__"].keys() == {"fastlm"}
    assert len(content) == 8 + length + sum(tensor.nbytes for tensor in TENSORS.values())
    begin, end = header["embeddings"]["data_offsets"]
    assert header["embeddings"]["shape"] == [2, 3]
    assert header["embeddings"]["dtype"] == "F32"
    assert data[begin:end] == struct.pack("<6f", 0, 1, 2, 3, 4, 5)


def test_any_layout_of_an_array_is_written_row_major(path):
    columns = np.asfortranarray(TENSORS["embeddings"])
    write_model_file(path, {"a": columns, "b": columns[:, ::2]}, {})
    tensors, _ = read_model_file(path)
    assert tensors["a"].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert tensors["b"].tolist() == [[0, 2], [3, 5]]


def test_other_readers_of_safetensors_can_read_it(path, content):
    from safetensors.numpy import load_file

    assert load_file(path)["embeddings"].tolist() == TENSORS["embeddings"].tolist()


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "free some space or name another disk"),
        (errno.EACCES, "name a folder that you may write to"),
        (errno.EIO, "name another file"),
    ],
)
@pytest.mark.parametrize("call", ["fsync", "replace"])
def test_a_failure_leaves_the_old_file_whole_and_nothing_else(
    path, content, monkeypatch, number, remedy, call
):
    def fail(*_):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(ModelFileError) as caught:
        write_model_file(path, {"embeddings": np.zeros(99, dtype=np.float32)}, METADATA)
    using = "end what is using it, or " if os.name == "nt" and number == errno.EACCES else ""
    said = f"cannot write the model to {path}: {os.strerror(number)}; {using}{remedy}"
    assert str(caught.value) == said
    assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]


def test_an_interrupt_leaves_the_old_file_whole_and_nothing_else(path, content, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_model_file(path, {"embeddings": np.zeros(99, dtype=np.float32)}, METADATA)
    assert path.read_bytes() == content
    assert list(path.parent.iterdir()) == [path]


def test_the_file_is_synced_before_it_gets_its_name(path, monkeypatch):
    calls = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda number: (calls.append("fsync"), fsync(number))[1])
    monkeypatch.setattr(os, "replace", lambda *names: (calls.append("replace"), replace(*names))[1])
    write_model_file(path, TENSORS, METADATA)
    assert calls[:2] == ["fsync", "replace"]
    if os.name != "nt":
        assert calls == ["fsync", "replace", "fsync"]


def test_no_such_folder(tmp_path):
    path = tmp_path / "none" / "model.safetensors"
    with pytest.raises(ModelFileError, match=r"cannot write the model to .*; make the folder f"):
        write_model_file(path, TENSORS, METADATA)


def test_a_folder_is_not_overwritten(tmp_path):
    with pytest.raises(ModelFileError, match="it is a folder; name a file"):
        write_model_file(tmp_path, TENSORS, METADATA)


@pytest.mark.skipif(not os.path.exists(os.devnull) or os.name == "nt", reason="no device files")
def test_a_device_is_not_replaced():
    with pytest.raises(ModelFileError, match="it is not a regular file; name a file"):
        write_model_file(os.devnull, TENSORS, METADATA)


def test_a_nul_in_the_name():
    with pytest.raises(ModelFileError, match="null"):
        write_model_file("a\0b", TENSORS, METADATA)
    with pytest.raises(ModelFileError, match="null"):
        read_model_file("a\0b")


def test_a_symbolic_link_stays_one(path, tmp_path):
    link = tmp_path / "latest"
    path.write_bytes(b"old")
    try:
        link.symlink_to(path)
    except OSError:
        pytest.skip("this account may not make symbolic links")
    write_model_file(link, TENSORS, METADATA)
    assert link.is_symlink()
    assert read_model_file(path)[1]["kind"] == "model"


@pytest.mark.parametrize("value", [float("nan"), {1, 2}, np.int64(3)])
def test_metadata_that_json_cannot_hold(path, value):
    with pytest.raises(ModelFileError, match=r"cannot be written as JSON: .*; leave them out"):
        write_model_file(path, TENSORS, {"details": value})
    assert not path.exists()


def test_a_dtype_that_the_format_does_not_have(path):
    with pytest.raises(ModelFileError, match="tensor z is complex64"):
        write_model_file(path, {"z": np.zeros(2, dtype=np.complex64)}, {})
