"""The model file (safetensors, format 1): written atomically, validated when it is read.

It is a `.safetensors` file (https://github.com/huggingface/safetensors), with no pickle in it:

====================  ==============================================================================
bytes                 what
====================  ==============================================================================
0 .. 7                N, the length of the header: unsigned, 64 bits, little-endian
8 .. 8 + N - 1        the header: a JSON object in UTF-8, padded with spaces
8 + N .. end          the data: the tensors, little-endian, row-major, without gaps
====================  ==============================================================================

The header has a key per tensor, ``{"dtype": "F32", "shape": [...], "data_offsets": [begin, end]}``
with offsets from the start of the data, and the key ``__metadata__``: an object whose one key
``fastlm`` is a string that holds the metadata, a JSON object.

Metadata of every file: ``format_version`` (1), ``library_version`` (that wrote it), ``checksum``
(CRC-32 as 8 hexadecimal digits, see ``_checksum``), ``kind``. Of a file of kind ``model``:

- ``model``: the fields of ``ModelConfig``; ``training``: those of ``TrainingConfig``, or null;
- ``tokenizer``: its JSON form; ``documents``: ``file``, ``paragraphs`` or ``lines``;
- ``seen`` and ``ends``, which may be missing: what occurred in training (``model.seen``);
- ``details``: facts about the run, such as its step and its validation loss.

Its tensors, all F32, are those of ``fastlm.model.layout.Layout``: ``embeddings`` [V, E],
``hidden.1.weight`` [fan_in, fan_out], ``hidden.1.bias`` [fan_out], ..., ``output.weight``,
``output.bias``. A mixture has more members:

- counts: the tensors ``counts.*`` and the metadata ``counts`` (``fastlm.counts.tables``). Where
  ``model`` is null, there is no network beside them;
- further networks: the tensors ``network.2.*``, ``network.3.*``, ..., and the metadata ``others``,
  a list of their ``ModelConfig`` fields;
- weights: ``mixture.weights``, F64 [classes, members], the networks' and then the counts'. With
  counts there are four classes of contexts for each of 0, 1, ... matched tokens, by the share of
  the probability that the back-off gives away; else there is one.

A model that remembers the lines of its text has their hashes, ``remembered``, U64 [lines]
(``fastlm.model.remembered``).

Tensors whose names begin with ``momentum.`` or ``state.`` belong to a training run that can be
resumed; readers of the model skip them. ``fastlm.training.checkpoint`` describes them, and what
else a file of kind ``checkpoint`` has.

Tensors lie in the file by the size of their elements, the largest first, then by name.
"""

from __future__ import annotations

import json
import os
import stat
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from fastlm._version import __version__
from fastlm.checks import short_name, shown
from fastlm.errors import MissingModelError, ModelFileError
from fastlm.model.model_header import (
    DTYPES,
    FORMAT_VERSION,
    METADATA_KEY,
    check_tensors,
    damaged_error,
    header_metadata,
    read_header,
)
from fastlm.system.atomic_file import reason_of, replace_file, unwritable
from fastlm.types import FilePath

__all__ = ["FORMAT_VERSION", "read_metadata", "read_model_file", "write_model_file"]

# ---------------------------------------------------------------------------- writing


def write_model_file(
    path: FilePath,
    tensors: Mapping[str, NDArray[Any]],
    metadata: Mapping[str, Any],
    what: str = "model",
) -> None:
    """Write a file atomically: what was at ``path`` stays until the new file is safe.

    The same tensors and metadata give the same bytes.

    Parameters
    ----------
    path : path
    tensors : mapping of str to array
        Of the dtypes that the format has (float32, float64, bool, integers).
    metadata : mapping
        In types that JSON has; ``format_version``, ``library_version`` and ``checksum`` are added.
    what : str
        The kind of file, for error messages.

    Raises
    ------
    ModelFileError
        When the file cannot be written, or the metadata or a tensor has no place in the format.
    """
    arrays, header = _arrange(tensors, metadata)
    try:
        replace_file(path, [header, *(_bytes(array) for array in arrays.values())])
    except (OSError, ValueError) as error:
        raise ModelFileError(unwritable(what, path, error)) from None


def _arrange(
    tensors: Mapping[str, NDArray[Any]], metadata: Mapping[str, Any]
) -> tuple[dict[str, NDArray[Any]], bytes]:
    """Return the arrays in the order of the file, and the bytes before them."""
    arrays = {name: np.asarray(tensor, order="C") for name, tensor in tensors.items()}
    for name, array in arrays.items():
        if array.dtype not in DTYPES.values():
            raise ModelFileError(f"tensor {name} is {array.dtype}; model files do not hold these")
    described = {
        **metadata,
        "format_version": FORMAT_VERSION,
        "library_version": __version__,
    }
    described["checksum"] = _checksum(arrays, described)
    # Wide types first, so that all are aligned; otherwise in the given order, so that the file can
    # be mapped as one array.
    ordered = sorted(arrays, key=lambda name: -arrays[name].itemsize)
    names = {dtype: name for name, dtype in DTYPES.items()}
    header: dict[str, Any] = {"__metadata__": {METADATA_KEY: _canonical_json(described)}}
    end = 0
    for name in ordered:
        begin, end = end, end + arrays[name].nbytes
        header[name] = {
            "dtype": names[arrays[name].dtype],
            "shape": list(arrays[name].shape),
            "data_offsets": [begin, end],
        }
    text = json.dumps(header, separators=(",", ":")).encode("ascii")
    text += b" " * (-len(text) % 8)
    return {name: arrays[name] for name in ordered}, len(text).to_bytes(8, "little") + text


def _bytes(array: NDArray[Any]) -> memoryview:
    """Return the elements little-endian and row-major, without a copy if they are so already."""
    little_endian = array.astype(array.dtype.newbyteorder("<"), copy=False)
    return little_endian.reshape(-1).view(np.uint8).data


def _canonical_json(metadata: Mapping[str, Any]) -> str:
    try:
        return json.dumps(metadata, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ModelFileError(
            f"the facts about the model cannot be written as JSON: {error}; leave them out"
        ) from None


def _checksum(tensors: Mapping[str, NDArray[Any]], metadata: Mapping[str, Any]) -> str:
    """Return the CRC-32 as 8 hexadecimal digits.

    It covers the metadata without ``checksum`` (JSON, keys sorted, no white space, ASCII), then, by
    name, each tensor's ``name dtype shape`` and data.
    """
    rest = {key: value for key, value in metadata.items() if key != "checksum"}
    crc = zlib.crc32(_canonical_json(rest).encode("ascii"))
    for name in sorted(tensors):
        array = tensors[name]
        crc = zlib.crc32(f"{name} {array.dtype.name} {list(array.shape)}".encode(), crc)
        crc = zlib.crc32(_bytes(array), crc)
    return f"{crc:08x}"


# ---------------------------------------------------------------------------- reading


def read_model_file(
    path: FilePath, *, mmap: bool = False
) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Return (tensors by name, metadata) of a file that may hold anything.

    Everything is checked before it is used, and the tensors take no more memory than the file is
    long. It is opened once, so that a file that takes its place meanwhile does not matter.

    Parameters
    ----------
    path : path
    mmap : bool
        The tensors are views of the file, mapped copy-on-write: processes that read it share the
        memory, and writing to a tensor changes only this process's copy of that page. The file must
        not be written to meanwhile (``write_model_file`` replaces it, which is fine).

    Raises
    ------
    ModelFileError
        When there is no such file, it cannot be read, is not a model file, comes from a newer
        version, or is cut short or altered.
    """
    with _open_model_file(path) as (file, size):
        header = read_header(path, file, size)
        metadata = header_metadata(path, header)
        entries = {name: entry for name, entry in header.items() if name != "__metadata__"}
        check_tensors(path, entries, size - file.tell())
        tensors = _read_tensors(path, file, entries, mmap)
    _check_checksum(path, tensors, metadata)
    return tensors, metadata


def read_metadata(path: FilePath) -> dict[str, Any]:
    """Return a file's metadata without reading its tensors.

    Raises
    ------
    ModelFileError
        As ``read_model_file`` does, but damage after the header is not found.
    """
    with _open_model_file(path) as (file, size):
        return header_metadata(path, read_header(path, file, size))


@contextmanager
def _open_model_file(path: FilePath) -> Iterator[tuple[BinaryIO, int]]:
    """Give a file and its size; ModelFileError if it cannot be read, in the block as well."""
    try:
        _check_regular(path)
        with Path(path).open("rb") as file:
            yield file, os.fstat(file.fileno()).st_size
    except FileNotFoundError:
        raise MissingModelError(
            f"there is no file {short_name(str(path))}; check the name, or train a model first"
        ) from None
    except ModelFileError:
        raise
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise ModelFileError(
            f"cannot read {short_name(str(path))}: {reason_of(error)}; check the name and your "
            "permissions"
        ) from None


def _check_regular(path: FilePath) -> None:
    mode = os.stat(path).st_mode
    if stat.S_ISDIR(mode):
        raise ModelFileError(f"{path} is a folder; name a model file in it")
    if not stat.S_ISREG(mode):
        raise ModelFileError(f"{path} is not a regular file; name a model file")


def _read_tensors(
    path: FilePath, file: BinaryIO, entries: Mapping[str, Any], mmap: bool
) -> dict[str, NDArray[Any]]:
    """Return the tensors of a file whose header has been checked, and was just read."""
    start = file.tell()
    # A plain array: Numba would compile its kernels once more for a subclass.
    mapped = np.memmap(file, dtype=np.uint8, mode="c").view(np.ndarray) if mmap else None
    tensors = {}
    for name, entry in sorted(entries.items(), key=lambda item: item[1]["data_offsets"]):
        begin, end = (start + offset for offset in entry["data_offsets"])
        dtype = DTYPES[entry["dtype"]].newbyteorder("<")
        if mapped is not None:
            data = mapped[begin:end]
        else:
            data = np.empty(end - begin, dtype=np.uint8)
            if file.readinto(data) != data.size:  # type: ignore[attr-defined]
                raise damaged_error(path, f"it ends inside tensor {shown(name)}")
        tensors[name] = data.view(dtype).reshape(entry["shape"])
    return {name: tensors[name] for name in entries}


def _check_checksum(
    path: FilePath, tensors: Mapping[str, NDArray[Any]], metadata: Mapping[str, Any]
) -> None:
    written = metadata.get("checksum")
    try:
        found = _checksum(tensors, metadata)
    except ModelFileError:  # NaN in the metadata, which Python reads but this never writes
        raise damaged_error(path, "its metadata holds a number that is not finite") from None
    except UnicodeEncodeError:
        raise damaged_error(path, "the name of a tensor holds half of a character") from None
    if written != found:
        raise damaged_error(
            path, f"its checksum is {shown(written)}, but what it holds has {found!r}"
        )
