"""The header of a model file: what it may hold, and in what time and memory it is refused."""

from __future__ import annotations

import io
import json
import time
import tracemalloc

import pytest

from fastlm.errors import ModelFileError
from fastlm.model.model_header import check_tensors, damaged_error, header_metadata, read_header


def header_of(text: bytes):
    file = io.BytesIO(len(text).to_bytes(8, "little") + text)
    return read_header("FILE", file, len(text) + 8)


def with_metadata(text: str):
    return {"__metadata__": {"fastlm": text}}


def entry(shape, begin, end):
    return {"dtype": "F32", "shape": shape, "data_offsets": [begin, end]}


def test_a_header_and_its_metadata():
    form = with_metadata('{"format_version": 1, "kind": "model"}') | {"a": entry([2], 0, 8)}
    header = header_of(json.dumps(form).encode())
    assert header == form
    assert header_metadata("FILE", header)["kind"] == "model"
    check_tensors("FILE", {"a": header["a"]}, 8)
    with pytest.raises(ModelFileError, match="its tensors have 8 bytes, but only 7 are there"):
        check_tensors("FILE", {"a": header["a"]}, 7)
    with pytest.raises(ModelFileError, match="1 bytes follow its last tensor"):
        check_tensors("FILE", {"a": header["a"]}, 9)


@pytest.mark.parametrize(
    "shape",
    [[10**4289] * 800, [1] * 9, [2**65], [10**4289]],
    ids=["800 long numbers", "many", "large", "long"],
)
def test_shapes_are_bounded(shape):
    """800 numbers of 4,290 digits took 47 s."""
    started = time.perf_counter()
    with pytest.raises(ModelFileError, match="not a list of sizes") as caught:
        check_tensors("FILE", {"a": entry(shape, 0, 8)}, 8)
    assert time.perf_counter() - started < 0.5
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize("where", ["header", "metadata"])
@pytest.mark.parametrize("filling", [b"[],", b"{},", b"[[]],"])
def test_a_header_of_empty_lists_takes_no_memory(where, filling):
    """45 MB of them took 1.3 GB."""
    text = b'{"a":[' + filling * 1_000_000 + b"0]}"
    tracemalloc.start()
    with pytest.raises(ModelFileError):
        header_of(text) if where == "header" else header_metadata(
            "FILE", with_metadata(text.decode())
        )
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 6 * len(text)


def test_the_number_of_tensors_is_bounded():
    entries = {f"t{number}": entry([0], 0, 0) for number in range(5000)}
    with pytest.raises(ModelFileError, match="it has 5,000 tensors, and 4,096 is the limit"):
        check_tensors("FILE", entries, 0)


@pytest.mark.parametrize(
    "version", ["9" * 4000, '"' + "x" * 1000 + '"', "[" * 50 + "]" * 50, "1e400", "-1"]
)
def test_a_version_that_is_none(version):
    text = f'{{"format_version": {version}, "library_version": ["\\u001b[2J"]}}'
    with pytest.raises(ModelFileError, match="format version") as caught:
        header_metadata("FILE", with_metadata(text))
    assert len(str(caught.value)) < 250
    assert str(caught.value).isprintable()


def test_an_error_is_one_line():
    assert str(damaged_error("FILE", "a\n b")) == (
        "FILE is damaged or was altered: a b; use a copy that is whole"
    )
