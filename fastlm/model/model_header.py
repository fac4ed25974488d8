"""The header of a model file, read and checked: what tensors there are, where, and the metadata.

``fastlm.model.model_file`` describes the format.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from math import prod
from typing import Any, BinaryIO

import numpy as np

from fastlm._version import __version__
from fastlm.checks import is_whole, shown
from fastlm.errors import ModelFileError
from fastlm.system.json_values import Kind, one_of, parse_json, read_object
from fastlm.text.file_kinds import kind_name
from fastlm.types import FilePath

__all__ = [
    "DTYPES",
    "FORMAT_VERSION",
    "METADATA_KEY",
    "check_tensors",
    "damaged_error",
    "header_metadata",
    "read_header",
]

FORMAT_VERSION = 1

METADATA_KEY = "fastlm"
"""The key of the metadata in the header."""

# Bytes of the longest header that the safetensors library reads.
_LONGEST_HEADER = 100_000_000

# Bytes that tell another kind of file.
_BYTES_OF_KIND = 1 << 12

DTYPES: dict[str, np.dtype[Any]] = {
    "BOOL": np.dtype(np.bool_),
    "U8": np.dtype(np.uint8),
    "U16": np.dtype(np.uint16),
    "U32": np.dtype(np.uint32),
    "U64": np.dtype(np.uint64),
    "I8": np.dtype(np.int8),
    "I16": np.dtype(np.int16),
    "I32": np.dtype(np.int32),
    "I64": np.dtype(np.int64),
    "F32": np.dtype(np.float32),
    "F64": np.dtype(np.float64),
}

# More than any model of this version has, and dimensions than any of its tensors.
_MOST_TENSORS = 4096
_MOST_DIMENSIONS = 8

_SIZES = Kind(
    "a list of sizes",
    lambda values: (
        isinstance(values, list)
        and len(values) <= _MOST_DIMENSIONS
        and all(is_whole(v) and 0 <= v <= 2**64 for v in values)
    ),
)
_OFFSETS = Kind("two offsets", lambda values: _SIZES.holds(values) and len(values) == 2)
_ENTRY = {"dtype": one_of(*DTYPES), "shape": _SIZES, "data_offsets": _OFFSETS}


def read_header(path: FilePath, file: BinaryIO, size: int) -> dict[str, Any]:
    """Return the JSON header; leave ``file`` at the start of the data."""
    prefix = file.read(8)
    if len(prefix) < 8:
        raise ModelFileError(
            f"{path} is not a fastlm model: it has {len(prefix)} bytes; name one that fastlm wrote"
        )
    length = int.from_bytes(prefix, "little")
    start = file.read(1)
    if start != b"{":
        raise _not_a_model_error(path, prefix + start + file.read(_BYTES_OF_KIND))
    if length > _LONGEST_HEADER:
        raise ModelFileError(
            f"{path} is damaged or not a model file: its header has {length} bytes by its own "
            f"account, and {_LONGEST_HEADER} is the limit; use a copy that is whole"
        )
    if length > size - 8:
        raise ModelFileError(
            f"{path} is cut short or not a model file: its header has {length} bytes by its own "
            f"account, but only {size - 8} follow; use a copy that is whole"
        )
    try:
        header = parse_json(start + file.read(length - 1))
    except ValueError:
        raise _not_a_model_error(path) from None
    if not isinstance(header, dict):
        raise _not_a_model_error(path)
    return header


def header_metadata(path: FilePath, header: Mapping[str, Any]) -> dict[str, Any]:
    """Return the metadata of a header; raise ModelFileError where there is none."""
    described = header.get("__metadata__")
    text = described.get(METADATA_KEY) if isinstance(described, dict) else None
    if not isinstance(text, str):
        raise ModelFileError(
            f"{path} is a safetensors file, but not one of fastlm: it has no metadata "
            f"{METADATA_KEY!r}; name a file that fastlm wrote"
        )
    try:
        metadata = parse_json(text)
    except ValueError:
        raise damaged_error(path, "its metadata is not JSON") from None
    if not isinstance(metadata, dict):
        raise damaged_error(path, "its metadata is not a JSON object")
    _check_version(path, metadata)
    return metadata


def _check_version(path: FilePath, metadata: Mapping[str, Any]) -> None:
    version = metadata.get("format_version")
    if not is_whole(version) or version < 1:
        raise damaged_error(path, f"its format version is {shown(version)}")
    if version > FORMAT_VERSION:
        raise ModelFileError(
            f"{path} has format version {shown(version)}, written by fastlm "
            f"{_writer(metadata)}, but this is fastlm "
            f"{__version__}, which reads up to {FORMAT_VERSION}; upgrade fastlm"
        )


def _writer(metadata: Mapping[str, Any]) -> str:
    version = metadata.get("library_version")
    return version[:20] if isinstance(version, str) else "of an unknown version"


def check_tensors(path: FilePath, entries: Mapping[str, Any], data: int) -> None:
    """Check that the tensors fill the ``data`` bytes without gaps."""
    if len(entries) > _MOST_TENSORS:
        raise damaged_error(
            path, f"it has {len(entries):,} tensors, and {_MOST_TENSORS:,} is the limit"
        )
    extents = [_extent(path, name, entry) for name, entry in entries.items()]
    end = 0
    for begin, stop, name in sorted(extents):
        if begin != end:
            raise damaged_error(
                path, f"tensor {shown(name)} starts at {begin} of the data, not at {end}"
            )
        end = stop
    if end > data:
        raise ModelFileError(
            f"{path} is cut short: its tensors have {end} bytes, but only {data} are there; use a "
            "copy that is whole"
        )
    if end < data:
        raise damaged_error(path, f"{data - end} bytes follow its last tensor")


def _extent(path: FilePath, name: str, entry: Any) -> tuple[int, int, str]:
    """Return (begin, end, name) of a tensor after checking its header entry."""
    error = partial(damaged_error, path)
    fields = read_object(entry, f"tensor {shown(name)}", _ENTRY, error, others=True)
    shape, offsets, dtype = fields["shape"], fields["data_offsets"], DTYPES[fields["dtype"]]
    size = prod(shape) * dtype.itemsize
    if offsets[1] - offsets[0] != size:
        raise damaged_error(
            path,
            f"tensor {shown(name)} of shape {shape} takes {size} bytes, but lies from {offsets[0]} "
            f"to {offsets[1]}",
        )
    return offsets[0], offsets[1], name


def _not_a_model_error(path: FilePath, start: bytes = b"") -> ModelFileError:
    """Return the error for a file that begins so, which may tell what it is instead."""
    kind = kind_name(start) if start else None
    what = f"it is {kind}" if kind else "it does not begin like one"
    return ModelFileError(
        f"{path} is not a fastlm model (.safetensors): {what}; name a model that fastlm train wrote"
    )


def damaged_error(path: FilePath, what: str) -> ModelFileError:
    """Return the error for a file that was not written so."""
    return ModelFileError(
        f"{path} is damaged or was altered: {' '.join(what.split())}; use a copy that is whole"
    )
