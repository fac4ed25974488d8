"""The file format of an index: the sorted positions of a token store. Format 1.

All numbers are little-endian and unsigned.

=============  =====================================================================================
bytes          what
=============  =====================================================================================
0 .. 7         89 66 6C 69 6E 64 78 0A: the byte 0x89, "flindx", a line feed
8 .. 11        format version: 1
12 .. 15       bytes of a position: 4
16 .. 23       T, the number of tokens of the store
24 .. 31       where the positions begin: 64
32 .. 47       the digest of the store, 16 bytes
48 .. 51       CRC-32 of the positions
52 .. 59       zero
60 .. 63       CRC-32 of the bytes 0 .. 59
64 ..          T positions in the store's ids, from 0, sorted by the ids that follow; the end of the
               store is less than all ids. The file ends with them
=============  =====================================================================================

The digest is BLAKE2b of a JSON array: the number of ids, the bytes of an id, their CRC-32,
``text_sha256``, ``tokenizer_fingerprint`` and ``documents`` of the store. So the same text,
prepared again in the same way, has the same index.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from fastlm.checks import short_name
from fastlm.data.token_store import TokenStore
from fastlm.errors import MissingStoreError, StoreError
from fastlm.system.atomic_file import NewFile, unwritable
from fastlm.types import FilePath

__all__ = ["HEADER_BYTES", "MAGIC", "index_path", "is_index", "read_index", "write_index"]

MAGIC = b"\x89flindx\n"
HEADER_BYTES = 64
_VERSION = 1
_POSITION_BYTES = 4
_DIGEST_BYTES = 16
_FIELDS = struct.Struct(f"<8sIIQQ{_DIGEST_BYTES}sIQ")
_SLICE = 1 << 22  # positions written or read at a time


def index_path(store: FilePath) -> Path:
    """Return where the index of a store lies unless another place is named."""
    return Path(f"{store}.index")


def is_index(path: FilePath) -> bool:
    """Tell whether a file begins as an index does."""
    try:
        with open(path, "rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


def store_digest(store: TokenStore) -> bytes:
    """Return what tells a store from all others, 16 bytes."""
    metadata = store.metadata
    facts = [
        store.count,
        store.ids.itemsize,
        store.header.ids_crc,
        metadata["text_sha256"],
        metadata["tokenizer_fingerprint"],
        metadata["documents"],
    ]
    return hashlib.blake2b(json.dumps(facts).encode("ascii"), digest_size=_DIGEST_BYTES).digest()


def write_index(path: FilePath, store: TokenStore, suffixes: NDArray[np.int32]) -> None:
    """Write an index, whole or not at all.

    Parameters
    ----------
    path : path
    store : TokenStore
    suffixes : int32[T]
        Its sorted positions.

    Raises
    ------
    StoreError
        When it cannot be written; what was there stays.
    """
    positions = suffixes.astype("<u4", copy=False)
    slices = range(0, positions.size, _SLICE)
    try:
        with NewFile(path) as file:
            # The header comes last: without it the file is no index.
            file.write(bytes(HEADER_BYTES))
            crc = 0
            for start in slices:
                data = positions[start : start + _SLICE].view(np.uint8).data
                crc = zlib.crc32(data, crc)
                file.write(data)
            fields = _FIELDS.pack(
                MAGIC, _VERSION, _POSITION_BYTES, positions.size, HEADER_BYTES,
                store_digest(store), crc, 0,
            )  # fmt: skip
            file.seek(0)
            file.write(fields + zlib.crc32(fields).to_bytes(4, "little"))
            file.finish()
    except (OSError, ValueError) as error:
        raise StoreError(unwritable("index", path, error)) from None


def read_index(path: FilePath, store: TokenStore, *, check: bool = True) -> NDArray[np.uint32]:
    """Return the sorted positions of a store, uint32[T], mapped from the file.

    Parameters
    ----------
    path : path
    store : TokenStore
    check : bool
        Whether to read all of them and compare their checksum.

    Raises
    ------
    StoreError
        For a file that cannot be read, is no index, is of another store, is cut short or altered.
    """
    name = short_name(str(path))
    try:
        with open(path, "rb") as file:
            header = file.read(HEADER_BYTES)
            size = file.seek(0, 2)
    except FileNotFoundError:
        raise MissingStoreError(f"{name}: no such index; make it with fastlm index") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise StoreError(f"{name} cannot be read: {reason}; make it with fastlm index") from None
    if header[: len(MAGIC)] != MAGIC:
        raise StoreError(f"{name} is no index; make one with fastlm index")
    if len(header) < HEADER_BYTES or zlib.crc32(header[:60]) != int.from_bytes(
        header[60:], "little"
    ):
        raise _damaged(name, "its header does not have the checksum written in it")
    _, version, width, count, start, digest, crc, _ = _FIELDS.unpack(header[:60])
    if version > _VERSION:
        raise StoreError(
            f"{name} has format version {version}, and this fastlm reads {_VERSION}; upgrade it, "
            "or make the index again"
        )
    if digest != store_digest(store) or count != store.count:
        raise StoreError(
            f"{name} is the index of another store than {short_name(str(store.path))}; make that "
            "of this one with fastlm index"
        )
    if (version, width, start) != (_VERSION, _POSITION_BYTES, HEADER_BYTES):
        raise _damaged(name, "its header contradicts itself")
    if size != HEADER_BYTES + count * _POSITION_BYTES:
        raise _damaged(name, f"it has {size:,} bytes")
    positions: NDArray[np.uint32] = np.memmap(
        path, dtype="<u4", mode="r", offset=HEADER_BYTES, shape=(count,)
    )
    if check:
        found = 0
        for at in range(0, count, _SLICE):
            found = zlib.crc32(positions[at : at + _SLICE].view(np.uint8).data, found)
        if found != crc:
            raise _damaged(name, "its positions do not have the checksum in the header")
    return positions


def _damaged(name: str, what: str) -> StoreError:
    return StoreError(f"{name} is damaged: {what}; make it again with fastlm index")
