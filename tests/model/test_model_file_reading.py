"""Every file that is no sound model file is refused in one line."""

from __future__ import annotations

import os
import struct

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import fastlm.model.model_file
import fastlm.model.model_header
from fastlm.errors import ModelFileError
from fastlm.model.model_file import read_metadata, read_model_file, write_model_file
from tests.model.files import METADATA, TENSORS, joined, parts, with_metadata


def refusal(path):
    """The one-line message with which a file is refused; any other exception fails the test."""
    with pytest.raises(ModelFileError) as caught:
        read_model_file(path)
    message = str(caught.value)
    assert "\n" not in message
    assert str(path) in message
    return message


def test_no_such_file(path):
    assert "there is no file" in refusal(path)


def test_a_folder(tmp_path):
    assert refusal(tmp_path).endswith("is a folder; name a model file in it")


@pytest.mark.skipif(os.name == "nt", reason="no device files")
def test_a_device():
    assert "is not a regular file" in refusal(os.devnull)


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read all")
def test_no_permission(path, content):
    path.chmod(0)
    assert "cannot read" in refusal(path)


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (b"Once upon a time there was a text file.", "it is a text file"),
        (b"12345678[", "it is a text file"),
        (b"PK\x03\x04" + bytes(60), "it is a zip archive"),
        (b"\x89fastlm\n" + bytes(60), "it is a token store"),
        (bytes(20), "it does not begin like one"),
    ],
)
def test_another_kind_of_file(path, text, what):
    path.write_bytes(text)
    assert f"is not a fastlm model (.safetensors): {what}" in refusal(path)


@pytest.mark.parametrize("text", [b"", b"abc", b"1234567"])
def test_a_file_too_short_to_be_any(path, text):
    path.write_bytes(text)
    assert f"is not a fastlm model: it has {len(text)} bytes" in refusal(path)


def test_a_file_cut_short_anywhere(path, content):
    cuts = {round(len(content) * twentieth / 20) for twentieth in range(20)} | {7, 8, 9}
    for cut in (*sorted(cuts), len(content) - 1):
        path.write_bytes(content[:cut])
        message = refusal(path)
        assert "cut short" in message or cut < 9


def test_a_header_that_claims_more_than_the_file_has(path, content):
    path.write_bytes(struct.pack("<Q", len(content)) + content[8:])
    assert f"header has {len(content)} bytes by its own account, but only" in refusal(path)


@pytest.mark.parametrize("length", [100_000_001, 2**40, 2**64 - 1])
def test_a_header_that_claims_too_much(path, content, length):
    path.write_bytes(struct.pack("<Q", length) + content[8:])
    assert f"header has {length} bytes by its own account, and 100000000 is" in refusal(path)


def test_a_safetensors_file_of_somebody_else(path):
    from safetensors.numpy import save_file

    save_file({"weight": np.zeros(3, dtype=np.float32)}, path)
    assert "is a safetensors file, but not one of fastlm" in refusal(path)
    save_file({"weight": np.zeros(3, dtype=np.float32)}, path, metadata={"format": "pt"})
    assert "is a safetensors file, but not one of fastlm" in refusal(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "its metadata is not JSON"),
        ("[" * 100_000, "its metadata is not JSON"),
        ("[]", "its metadata is not a JSON object"),
        ("{}", "its format version is None"),
        ('{"format_version": "1"}', "its format version is '1'"),
        ('{"format_version": true}', "its format version is True"),
        ('{"format_version": 0}', "its format version is 0"),
        ('{"format_version": 1}', "its checksum is None, but what it holds has"),
        ('{"format_version": 1, "x": NaN}', "its metadata holds a number that is not finite"),
    ],
)
def test_metadata_that_is_none(path, content, text, message):
    header, data = parts(content)
    header["__metadata__"]["fastlm"] = text
    path.write_bytes(joined(header, data))
    assert message in refusal(path)


def test_a_newer_format_says_both_versions_and_who_wrote_it(path, content):
    path.write_bytes(with_metadata(content, format_version=7, library_version="9.1"))
    message = refusal(path)
    assert "has format version 7, written by fastlm 9.1" in message
    assert message.endswith("reads up to 1; upgrade fastlm")


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (3, "is not a JSON object"),
        ({"dtype": "F32"}, "lacks 'shape'"),
        ({"dtype": "F32", "shape": [-1], "data_offsets": [0, 24]}, "has shape [-1], not a list"),
        ({"dtype": "F32", "shape": [6], "data_offsets": [0]}, "has data_offsets [0], not two"),
        ({"dtype": "F32", "shape": [6.0], "data_offsets": [0, 24]}, "has shape [6.0], not"),
        ({"dtype": "BF16", "shape": [12], "data_offsets": [0, 24]}, "has dtype 'BF16', not BOOL"),
        ({"dtype": ["F32"], "shape": [6], "data_offsets": [0, 24]}, "has dtype ['F32'], not BOOL"),
        ({"dtype": "F32", "shape": [7], "data_offsets": [0, 24]}, "takes 28 bytes, but lies from"),
        ({"dtype": "F32", "shape": [2**62], "data_offsets": [0, 24]}, "bytes, but lies from"),
        (
            {"dtype": "F32", "shape": [2**62], "data_offsets": [0, 2**64]},
            "is cut short: its tensors have 18446744073709551616 bytes, but only 24 are there",
        ),
        ({"dtype": "F32", "shape": [5], "data_offsets": [0, 20]}, "4 bytes follow its last tensor"),
        (
            {"dtype": "F32", "shape": [5], "data_offsets": [4, 24]},
            "starts at 4 of the data, not at",
        ),
    ],
)
def test_a_tensor_whose_description_is_wrong(path, entry, message):
    write_model_file(path, {"embeddings": TENSORS["embeddings"]}, METADATA)
    header, data = parts(path.read_bytes())
    header["embeddings"] = entry
    path.write_bytes(joined(header, data))
    assert message in refusal(path)


def test_two_tensors_in_one_place(path, content):
    header, data = parts(content)
    header["embeddings"]["data_offsets"] = header["output.weight"]["data_offsets"]
    path.write_bytes(joined(header, data))
    assert "is damaged or was altered" in refusal(path)


@pytest.mark.parametrize("header", [b"{}}", b'{"a": \xff}', b"{" * 100_000, b'{"a"'])
def test_a_header_that_is_not_json(path, header):
    path.write_bytes(joined(header, bytes(48)))
    assert "is not a fastlm model" in refusal(path)


def test_altered_metadata_shows(path, content):
    path.write_bytes(with_metadata(content, kind="modem"))
    assert "is damaged or was altered: its checksum is" in refusal(path)


def test_a_renamed_tensor_shows(path, content):
    path.write_bytes(content.replace(b"output.weight", b"output.height"))
    assert "is damaged or was altered: its checksum is" in refusal(path)


def test_an_altered_bit_of_the_weights_shows(path, content):
    for place in range(1, 9):
        altered = bytearray(content)
        altered[-place * 5] ^= 1 << (place % 8)
        path.write_bytes(altered)
        assert "is damaged or was altered: its checksum is" in refusal(path)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_any_bit_of_the_header_may_flip(path, content, place, bit):
    altered = bytearray(content)
    (length,) = struct.unpack("<Q", altered[:8])
    altered[int(place * (8 + length))] ^= 1 << bit
    path.write_bytes(altered)
    message = ""
    try:
        tensors, metadata = read_model_file(path)
    except ModelFileError as error:
        message = str(error)
    else:  # white space became other white space
        assert all(np.array_equal(tensors[name], tensor) for name, tensor in TENSORS.items())
        assert metadata.items() >= METADATA.items()
    assert "\n" not in message


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.binary(max_size=200) | st.binary(max_size=100).map(lambda b: joined(b, b"")))
def test_any_bytes_are_refused(path, content):
    path.write_bytes(content)
    refusal(path)


def test_nothing_of_a_huge_header_is_read_before_it_is_checked(path, content, monkeypatch):
    monkeypatch.setattr(fastlm.model.model_header, "_LONGEST_HEADER", 10)
    path.write_bytes(content)
    assert "and 10 is the limit" in refusal(path)


@pytest.mark.skipif(os.name == "nt", reason="Windows does not replace an open file")
@pytest.mark.parametrize("mmap", [False, True])
def test_a_file_that_is_replaced_meanwhile_is_read_as_it_was(
    path, tmp_path, content, monkeypatch, mmap
):
    """101 of 20,000 loads beside a run that wrote checkpoints were "damaged"."""
    other = tmp_path / "other"
    write_model_file(other, {"embeddings": np.ones(99, dtype=np.float32)}, {"kind": "model"})
    check = fastlm.model.model_file.check_tensors

    def replace(*arguments):
        check(*arguments)
        os.replace(other, path)

    monkeypatch.setattr(fastlm.model.model_file, "check_tensors", replace)
    tensors, metadata = read_model_file(path, mmap=mmap)
    assert metadata["details"] == METADATA["details"]
    assert all(np.array_equal(tensors[name], tensor) for name, tensor in TENSORS.items())


def test_metadata_alone(path, content):
    assert read_metadata(path).items() >= METADATA.items()
    path.write_bytes(content[:-1])  # it does not look so far
    assert read_metadata(path).items() >= METADATA.items()
    path.write_bytes(content[:20])
    with pytest.raises(ModelFileError):
        read_metadata(path)
