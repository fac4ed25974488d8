"""The token store: a corpus as token ids in one file, read through a memory map. Format 1.

All numbers are little-endian and unsigned.

=============  =====================================================================================
bytes          what
=============  =====================================================================================
0 .. 7         89 66 61 73 74 6C 6D 0A: the byte 0x89, "fastlm", a line feed
8 .. 11        format version: 1
12 .. 15       bytes of an id: 2 or 4
16 .. 23       T, the number of ids, at least 1
24 .. 31       where the ids begin: 64
32 .. 39       where the metadata begins: right behind the ids
40 .. 47       M, the bytes of the metadata
48 .. 51       CRC-32 of the ids
52 .. 55       CRC-32 of the metadata
56 .. 59       zero
60 .. 63       CRC-32 of the bytes 0 .. 59
64 ..          T ids: first those of the training part, then those of the validation part
.. end         the metadata: a JSON object in UTF-8; the file ends with it
=============  =====================================================================================

The metadata:

- ``library_version``: that wrote it;
- ``tokenizer``: its JSON form; ``tokenizer_fingerprint``; ``vocab``: V, all ids are below it;
- ``documents``: ``file``, ``paragraphs`` or ``lines``;
- ``train``, ``valid``: of each part ``tokens``, ``documents``, ``characters``, ``bytes``,
  ``unknown``. ``tokens`` counts the ids, ends of documents included; ``characters`` and ``bytes``
  (of UTF-8) are those of the documents; ``unknown`` counts the ids of ``<unk>``. All are 0 for
  ``valid`` where nothing is held out;
- ``valid_fraction``: the share held out, or null;
- ``counts``: how often each id occurs in the training part, V numbers;
- ``sources``: of each input [name, bytes, time of the last change in ns], null where not known;
- ``text_sha256``: of all texts as UTF-8 with \\\\n for line ends, each followed by a byte 0xFF;
- ``description``: of the source, for people; ``settings``: what decides the content beside it.

Each document ends with the tokenizer's boundary id, where it has one. The header is written last,
and the file gets its name when it is complete.
"""

from __future__ import annotations

import json
import os
import struct
import threading
import zlib
from collections.abc import Mapping
from functools import cached_property, partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fastlm._version import __version__
from fastlm.errors import StoreError, TokenizerError
from fastlm.system.atomic_file import NewFile, unwritable
from fastlm.system.json_values import LIST, OBJECT, TEXT, WHOLE, one_of, read_object
from fastlm.tokenizers import Tokenizer, tokenizer_from_dict
from fastlm.types import DOCUMENT_MODES, FilePath

__all__ = ["FORMAT_VERSION", "StoreWriter", "StoredIds", "TokenStore", "is_store"]

FORMAT_VERSION = 1


MAGIC = b"\x89fastlm\n"


_HEADER = struct.Struct("<8sIIQQQQIII")  # and then its own CRC-32


_CRC = struct.Struct("<I")


_IDS_AT = 64


# A store with ids of at most so many bytes is checked whole when it is opened: 4 GB/s where zlib
# is fast, 1 GB/s where it is not.
_CHECKED_ON_OPENING = 1 << 28


_SLICE = 1 << 24


_SYNCED = 1 << 25


_PART = ("tokens", "documents", "characters", "bytes", "unknown")
_PART_KINDS = dict.fromkeys(_PART, WHOLE)


class StoredIds(np.ndarray[Any, np.dtype[Any]]):
    """Token ids of a store, mapped from the file and not writable.

    ids_below : V; who wrote the store saw that all ids are below it. None for arrays that come
        from such ids, slices too.
    counts : int64[V], how often each id occurs; None where that is not known
    """

    ids_below: int | None = None
    counts: NDArray[np.int64] | None = None


class TokenStore:
    """A token store that is open for reading.

    path : of the file
    metadata : as the format has it (see ``fastlm.data.token_store``)
    ids : uint16[T] or uint32[T], mapped from the file, not writable
    """

    def __init__(
        self, path: FilePath, metadata: dict[str, Any], ids: NDArray[Any], crc: int
    ) -> None:
        self.path = Path(path)
        self.metadata = metadata
        self._mapped = ids
        self._crc = crc

    @classmethod
    def open(cls, path: FilePath, *, check: bool | None = None) -> Self:
        """Open a store.

        check : whether to read all ids for their checksum; None: if that is a matter of a
            fraction of a second (up to 256 MB)

        Raises
        ------
        StoreError
            For a file that cannot be read, is no store, comes from a newer version, is cut short,
            or is altered.
        """
        try:
            with open(path, "rb") as file:
                size = os.fstat(file.fileno()).st_size
                header = _header(path, file.read(_IDS_AT), size)
                file.seek(header["metadata_at"])
                metadata = _metadata(path, file.read(header["metadata_bytes"]), header)
            mapped = np.memmap(
                path,
                dtype=f"<u{header['item']}",
                mode="r",
                offset=_IDS_AT,
                shape=(header["count"],),
            )
        except FileNotFoundError:
            raise StoreError(f"{path}: no such file; check the name, or prepare it first") from None
        except OSError as error:
            raise StoreError(f"{path} cannot be read: {error.strerror or error}") from None
        store = cls(path, metadata, mapped, header["ids_crc"])
        if check or (check is None and mapped.nbytes <= _CHECKED_ON_OPENING):
            store.check()
        return store

    @property
    def ids(self) -> StoredIds:
        return self._part(0, None)

    @property
    def count(self) -> int:
        """T, the number of ids."""
        return int(self._mapped.size)

    @property
    def documents(self) -> str:
        """What a document is: ``file``, ``paragraphs`` or ``lines``."""
        return str(self.metadata["documents"])

    @property
    def train_ids(self) -> StoredIds:
        """The training part; all, where nothing is held out."""
        ids = self._part(0, self.metadata["train"]["tokens"])
        ids.counts = np.array(self.metadata["counts"], dtype=np.int64)
        return ids

    @property
    def valid_ids(self) -> StoredIds:
        """The part held out, perhaps empty."""
        return self._part(self.metadata["train"]["tokens"], None)

    def _part(self, start: int, stop: int | None) -> StoredIds:
        ids = self._mapped[start:stop].view(StoredIds)
        ids.ids_below = self.metadata["vocab"]
        return ids

    @cached_property
    def tokenizer(self) -> Tokenizer:
        try:
            return tokenizer_from_dict(self.metadata["tokenizer"])
        except TokenizerError as error:
            raise StoreError(f"{self.path}: {error}; prepare it again") from None

    def require(
        self, *, tokenizer: Tokenizer | str | None = None, documents: str | None = None
    ) -> None:
        """Raise a StoreError unless the store was made with this tokenizer or kind of one, and
        for these documents; None stands for any."""
        own = self.metadata["tokenizer"]["kind"]
        wanted = tokenizer if isinstance(tokenizer, str) else tokenizer and tokenizer.kind
        if wanted is not None and wanted != own:
            raise StoreError(
                f"{self.path} was made with the tokenizer {own}, not {wanted}; leave the "
                "tokenizer out, or prepare the text again with the other"
            )
        own_print = self.metadata["tokenizer_fingerprint"]
        if isinstance(tokenizer, Tokenizer) and tokenizer.fingerprint() != own_print:
            raise StoreError(
                f"{self.path} was made with another {own} tokenizer (of {self.metadata['vocab']:,} "
                f"tokens, not {tokenizer.vocab_size:,}, or with other ones); prepare the text "
                "again with this one, or use the text itself"
            )
        if documents is not None and documents != self.documents:
            raise StoreError(
                f"{self.path} was made with documents={self.documents}, not {documents}; use the "
                "same, or prepare the text again"
            )

    def check(self) -> None:
        """Read all ids; raise a StoreError unless they are what was written."""
        crc = 0
        for start in range(0, self.ids.size, _SLICE):
            crc = zlib.crc32(self._mapped[start : start + _SLICE].view(np.uint8).data, crc)
        if crc != self._crc:
            raise _altered(self.path, f"its ids have the checksum {crc:08x}, not {self._crc:08x}")
        # Written by something else, perhaps: kernels would read beyond their tables.
        for start in range(0, self.ids.size, _SLICE):
            if int(self._mapped[start : start + _SLICE].max()) >= self.metadata["vocab"]:
                raise _altered(self.path, "it has ids beyond its vocabulary")

    def __repr__(self) -> str:
        return f"TokenStore({str(self.path)!r}, count={self.count:,})"


class StoreWriter:
    """Writes a store, whole or not at all; a context manager.

    path : where it is to be; what is there stays until the new store is complete
    dtype : uint16 or uint32

    Raises
    ------
    StoreError
        When it cannot be written, a full disk included; the incomplete file is removed.
    """

    def __init__(self, path: FilePath, dtype: np.dtype[Any]) -> None:
        self.path = path
        self._dtype = dtype.newbyteorder("<")
        self._count = 0
        self._crc = 0
        self._unsynced = 0
        self._syncing: threading.Thread | None = None
        self._sync_error: OSError | None = None

    def __enter__(self) -> Self:
        try:
            self._file = NewFile(self.path)
        except (OSError, ValueError) as error:
            raise self._unwritable(error) from None
        try:
            # Ids follow; as long as this stands here it is no store.
            self._write(bytes(_IDS_AT))
        except OSError as error:
            self._discard()
            raise self._unwritable(error) from None
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._discard()

    def write(self, ids: NDArray[Any]) -> None:
        data = np.ascontiguousarray(ids, dtype=self._dtype).view(np.uint8).data
        self._count += ids.size
        self._crc = zlib.crc32(data, self._crc)
        try:
            self._write(data)
        except OSError as error:
            raise self._unwritable(error) from None
        self._unsynced += len(data)
        if self._unsynced >= _SYNCED:
            self._unsynced = 0
            self._sync_beside()

    def _sync_beside(self) -> None:
        """Bring what is written to the disk while more is made, so that ``finish`` waits less."""
        if self._syncing is None or not self._syncing.is_alive():
            self._syncing = threading.Thread(target=self._sync, name="fastlm-sync", daemon=True)
            self._syncing.start()

    def _sync(self) -> None:
        try:
            self._file.sync()
        except OSError as error:
            # Linux tells of it once: the sync at the end may succeed.
            self._sync_error = error

    def _end_sync(self) -> None:
        if self._syncing is not None:
            self._syncing.join()

    def finish(self, metadata: Mapping[str, Any]) -> None:
        """Complete the file and give it its name."""
        if not self._count:
            raise StoreError(f"there is no token to write to {self.path}; use more text")
        text = json.dumps(
            {"library_version": __version__, **metadata}, sort_keys=True, allow_nan=False
        ).encode("ascii")
        size = self._dtype.itemsize
        header = _HEADER.pack(
            MAGIC, FORMAT_VERSION, size, self._count, _IDS_AT, _IDS_AT + size * self._count,
            len(text), self._crc, zlib.crc32(text), 0,
        )  # fmt: skip
        try:
            self._write(text)
            self._file.seek(0)
            self._write(header + _CRC.pack(zlib.crc32(header)))
            self._end_sync()
            if self._sync_error is not None:
                raise self._sync_error
            self._file.finish()
        except OSError as error:
            raise self._unwritable(error) from None

    def _discard(self) -> None:
        self._end_sync()
        self._file.discard()

    def _write(self, data: bytes | memoryview) -> None:
        self._file.write(data)

    def _unwritable(self, error: Exception) -> StoreError:
        return StoreError(unwritable("token store", self.path, error))


def is_store(path: Any) -> bool:
    """Whether a path names a file that begins as a store does."""
    if not isinstance(path, (str, os.PathLike)):
        return False
    try:
        # Opening a named pipe would take its text away.
        if not os.path.isfile(path):
            return False
        with open(path, "rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except (OSError, ValueError):
        return False


def _header(path: FilePath, data: bytes, size: int) -> dict[str, int]:
    if data[: len(MAGIC)] != MAGIC:
        raise StoreError(
            f"{path} is not a token store: it does not begin like one; make one with fastlm prepare"
        )
    version = int.from_bytes(data[8:12], "little")
    if len(data) == _IDS_AT and version > FORMAT_VERSION:
        raise StoreError(
            f"{path} has format version {version}, but this is fastlm {__version__}, which reads "
            f"up to {FORMAT_VERSION}; upgrade fastlm, or prepare the text again"
        )
    if len(data) < _IDS_AT:
        raise _cut_short(path, _IDS_AT, size)
    if zlib.crc32(data[: _HEADER.size]) != _CRC.unpack_from(data, _HEADER.size)[0]:
        raise _altered(path, "its header does not have the checksum written in it")
    _, _, item, count, ids_at, metadata_at, length, ids_crc, metadata_crc, _ = _HEADER.unpack_from(
        data
    )
    if (
        version != FORMAT_VERSION
        or item not in (2, 4)
        or not count
        or ids_at != _IDS_AT
        or metadata_at != _IDS_AT + count * item
    ):
        raise _altered(path, "its header contradicts itself")
    whole = metadata_at + length
    if size < whole:
        raise _cut_short(path, whole, size)
    if size > whole:
        raise _altered(path, f"{size - whole:,} bytes follow its end")
    return {
        "item": item,
        "count": count,
        "metadata_at": metadata_at,
        "metadata_bytes": length,
        "ids_crc": ids_crc,
        "metadata_crc": metadata_crc,
    }


def _metadata(path: FilePath, data: bytes, header: Mapping[str, int]) -> dict[str, Any]:
    if zlib.crc32(data) != header["metadata_crc"]:
        raise _altered(path, "its metadata does not have the checksum in the header")
    try:
        metadata = json.loads(data)
    except (ValueError, RecursionError):
        raise _altered(path, "its metadata is not JSON") from None
    _check_metadata(path, metadata, header)
    return dict(metadata)


def _check_metadata(path: FilePath, metadata: Any, header: Mapping[str, int]) -> None:
    error = partial(_altered, path)
    read_object(metadata, "its metadata", _METADATA_KINDS, error, others=True)
    read_object(metadata["tokenizer"], "its tokenizer", {"kind": TEXT}, error, others=True)
    for part in ("train", "valid"):
        read_object(metadata[part], f"its {part} part", _PART_KINDS, error, others=True)
    vocab, counts = metadata["vocab"], metadata["counts"]
    if not (
        0 < vocab <= 1 << (8 * header["item"])
        and metadata["train"]["tokens"] + metadata["valid"]["tokens"] == header["count"]
        and len(counts) == vocab
        # Faster than one by one, which a million tokens would feel.
        and {type(number) for number in counts} == {int}
        and 0 <= min(counts) <= max(counts) < 1 << 63
    ):
        raise error("its metadata contradicts itself or its header")


_METADATA_KINDS = {
    "tokenizer": OBJECT,
    "tokenizer_fingerprint": TEXT,
    "documents": one_of(*DOCUMENT_MODES),
    "vocab": WHOLE,
    "train": OBJECT,
    "valid": OBJECT,
    "counts": LIST,
}


def _cut_short(path: FilePath, whole: int, size: int) -> StoreError:
    return StoreError(
        f"{path} is cut short: {size:,} of {whole:,} bytes are there; copy it again, or prepare "
        "the text again"
    )


def _altered(path: FilePath, what: str) -> StoreError:
    return StoreError(
        f"{path} is damaged or was altered: {what}; copy it again, or prepare the text again"
    )
