"""A mapped model is the same model, without a copy, and cannot change its file."""

from __future__ import annotations

import json

import numpy as np
import pytest

import fastlm
from fastlm.errors import ModelFileError
from fastlm.model.model_file import read_model_file
from tests.api.models import TOKENIZERS, make_model


def in_order(content: bytes, names: list[str]) -> bytes:
    """The same file with its tensors in this order."""
    length = int.from_bytes(content[:8], "little")
    header, data = json.loads(content[8 : 8 + length]), content[8 + length :]
    new, parts, end = {"__metadata__": header["__metadata__"]}, [], 0
    for name in names:
        begin, stop = header[name]["data_offsets"]
        parts.append(data[begin:stop])
        begin, end = end, end + stop - begin
        new[name] = header[name] | {"data_offsets": [begin, end]}
    text = json.dumps(new).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + b"".join(parts)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


def write(path, model, turned=False):
    """The model's file, its tensors in the order of ``params`` or the other way round."""
    model.save(path)
    names = list(model.tensors)
    path.write_bytes(in_order(path.read_bytes(), names[::-1] if turned else names))


def is_mapped(array) -> bool:
    while array.base is not None and not isinstance(array, np.memmap):
        array = array.base
    return isinstance(array, np.memmap)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("kind", TOKENIZERS)
def test_a_mapped_model_is_the_same_model(path, kind, turned):
    model = make_model(kind, hidden=(5, 4))
    write(path, model, turned)
    mapped = fastlm.load(path, mmap=True)
    assert type(mapped.params) is np.ndarray
    assert mapped.params.flags.c_contiguous
    assert mapped.params.flags.writeable
    assert is_mapped(mapped.params) == (not turned)
    assert mapped.params.tobytes() == model.params.tobytes()
    assert mapped.generate("to", length=20, seed=1) == model.generate("to", length=20, seed=1)
    assert not is_mapped(fastlm.load(path).params)


def test_what_is_changed_in_memory_is_not_changed_in_the_file(path):
    write(path, make_model())
    content = path.read_bytes()
    mapped, other = fastlm.load(path, mmap=True), fastlm.load(path, mmap=True)
    mapped.params[:] = 0
    assert path.read_bytes() == content
    assert other.params.any()
    assert fastlm.load(path).params.any()


def test_a_mapped_model_trains_further_and_is_saved_over_its_own_file(path):
    write(path, make_model())
    model = fastlm.load(path, mmap=True)
    model.train_more("to be or not to be " * 20, lr=0.1)
    model.save(path)
    assert fastlm.load(path).params.tobytes() == model.params.tobytes()


def test_damage_is_found_in_a_mapped_file_too(path):
    write(path, make_model())
    content = path.read_bytes()
    for damaged in (content[:-1], content[:-5] + b"abcd" + content[-1:], content[:20], b""):
        path.write_bytes(damaged)
        with pytest.raises(ModelFileError, match=r"damaged|cut short|not a fastlm model"):
            fastlm.load(path, mmap=True)


def test_tensors_that_are_no_multiple_of_their_size_from_the_start_are_copied(path):
    model = make_model()
    write(path, model)
    content = path.read_bytes()
    length = int.from_bytes(content[:8], "little")
    # One space more: everything behind it is at an odd address.
    path.write_bytes(
        (length + 1).to_bytes(8, "little") + content[8 : 8 + length] + b" " + content[8 + length :]
    )
    mapped = fastlm.load(path, mmap=True)
    assert mapped.params.flags.aligned
    assert mapped.params.tobytes() == model.params.tobytes()


def test_the_tensors_of_a_mapped_file_are_those_of_one_that_is_read(path):
    write(path, make_model())
    mapped, read = read_model_file(path, mmap=True)[0], read_model_file(path)[0]
    assert mapped.keys() == read.keys()
    for name, tensor in read.items():
        np.testing.assert_array_equal(mapped[name], tensor)
