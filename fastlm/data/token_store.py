"""The token store: a corpus as token ids in one file, read through a memory map.

``fastlm.data.token_store_format`` describes the file byte by byte. Each document ends with the
tokenizer's boundary token, where it has one.
"""

from __future__ import annotations

import json
import os
import threading
import zlib
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fastlm._version import __version__
from fastlm.data.token_store_format import (
    HEADER_BYTES,
    MAGIC,
    StoreHeader,
    damaged,
    parse_header,
    parse_metadata,
)
from fastlm.errors import StoreError, TokenizerError
from fastlm.system.atomic_file import NewFile, unwritable
from fastlm.tokenizers import Tokenizer, tokenizer_from_dict
from fastlm.types import FilePath

__all__ = ["StoreWriter", "StoredIds", "TokenStore", "is_store"]

# Checksums run at 1 to 4 GB/s, so up to this size opening a store may check it as a whole.
_CHECKED_ON_OPENING = 1 << 28
_SLICE_IDS = 1 << 24  # checked at a time
_SYNCED_BYTES = 1 << 25  # written between two syncs


class StoredIds(np.ndarray[Any, np.dtype[Any]]):
    """Token ids of a store, mapped from the file and not writable.

    ids_below : V, checked when the store was written: all ids are below it. None for arrays made
        from these, slices included.
    counts : int64[V], how often each id occurs; None where that is not known
    """

    ids_below: int | None = None
    counts: NDArray[np.int64] | None = None


class TokenStore:
    """A token store that is open for reading.

    Attributes
    ----------
    path : Path
    metadata : dict
        As the format has it (see ``fastlm.data.token_store_format``).
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

        Parameters
        ----------
        path : path
        check : bool, optional
            Whether to read all ids for their checksum. None: up to 256 MB, which take a fraction
            of a second.

        Raises
        ------
        StoreError
            For a file that cannot be read, is no store, comes from a newer version, is cut short,
            or is altered.
        """
        try:
            with open(path, "rb") as file:
                size = os.fstat(file.fileno()).st_size
                header = parse_header(path, file.read(HEADER_BYTES), size)
                file.seek(header.metadata_offset)
                metadata = parse_metadata(path, file.read(header.metadata_bytes), header)
            mapped = np.memmap(
                path, dtype=f"<u{header.id_bytes}", mode="r", offset=HEADER_BYTES,
                shape=(header.n_ids,),
            )  # fmt: skip
        except FileNotFoundError:
            raise StoreError(f"{path}: no such file; check the name, or prepare it first") from None
        except OSError as error:
            raise StoreError(f"{path} cannot be read: {error.strerror or error}") from None
        store = cls(path, metadata, mapped, header.ids_crc)
        if check or (check is None and mapped.nbytes <= _CHECKED_ON_OPENING):
            store.check()
        return store

    @property
    def ids(self) -> StoredIds:
        """All ids, uint16[T] or uint32[T], mapped from the file, not writable."""
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
        """The part held out; empty where there is none."""
        return self._part(self.metadata["train"]["tokens"], None)

    def _part(self, start: int, stop: int | None) -> StoredIds:
        ids = self._mapped[start:stop].view(StoredIds)
        ids.ids_below = self.metadata["vocab"]
        return ids

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer of the ids; a StoreError where the metadata holds none that is known."""
        try:
            return tokenizer_from_dict(self.metadata["tokenizer"])
        except TokenizerError as error:
            raise StoreError(f"{self.path}: {error}; prepare it again") from None

    def require(
        self, *, tokenizer: Tokenizer | str | None = None, documents: str | None = None
    ) -> None:
        """Raise a StoreError unless the store was made as asked; None stands for anything.

        Parameters
        ----------
        tokenizer : Tokenizer or str, optional
            The tokenizer, or the kind of one.
        documents : {"file", "paragraphs", "lines"}, optional
        """
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
        for start in range(0, self.ids.size, _SLICE_IDS):
            crc = zlib.crc32(self._mapped[start : start + _SLICE_IDS].view(np.uint8).data, crc)
        if crc != self._crc:
            raise damaged(self.path, f"its ids have the checksum {crc:08x}, not {self._crc:08x}")
        # Another program may have written it, and kernels would read beyond their tables.
        for start in range(0, self.ids.size, _SLICE_IDS):
            if int(self._mapped[start : start + _SLICE_IDS].max()) >= self.metadata["vocab"]:
                raise damaged(self.path, "it has ids beyond its vocabulary")

    def __repr__(self) -> str:
        return f"TokenStore({str(self.path)!r}, count={self.count:,})"


class StoreWriter:
    """Writes a store, whole or not at all; a context manager.

    Parameters
    ----------
    path : path
        A file of that name stays until the new store is complete.
    dtype : dtype
        uint16 or uint32.

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
            # The header comes last: without it the file is no store.
            self._write(bytes(HEADER_BYTES))
        except OSError as error:
            self._discard()
            raise self._unwritable(error) from None
        return self

    def __exit__(self, *error: object) -> None:
        self._discard()

    def write(self, ids: NDArray[Any]) -> None:
        """Append ids."""
        data = np.ascontiguousarray(ids, dtype=self._dtype).view(np.uint8).data
        self._count += ids.size
        self._crc = zlib.crc32(data, self._crc)
        try:
            self._write(data)
        except OSError as error:
            raise self._unwritable(error) from None
        self._unsynced += len(data)
        if self._unsynced >= _SYNCED_BYTES:
            self._unsynced = 0
            self._sync_beside()

    def _sync_beside(self) -> None:
        """Sync in a thread of its own while more is encoded, so that ``finish`` waits less."""
        if self._syncing is None or not self._syncing.is_alive():
            self._syncing = threading.Thread(target=self._sync, name="fastlm-sync", daemon=True)
            self._syncing.start()

    def _sync(self) -> None:
        try:
            self._file.sync()
        except OSError as error:
            # Linux reports it once: the sync at the end may succeed.
            self._sync_error = error

    def _end_sync(self) -> None:
        if self._syncing is not None:
            self._syncing.join()

    def finish(self, metadata: Mapping[str, Any]) -> None:
        """Write metadata and header, and give the file its name."""
        if not self._count:
            raise StoreError(f"there is no token to write to {self.path}; use more text")
        text = json.dumps(
            {"library_version": __version__, **metadata}, sort_keys=True, allow_nan=False
        ).encode("ascii")
        header = StoreHeader(
            self._dtype.itemsize, self._count, len(text), self._crc, zlib.crc32(text)
        )
        try:
            self._write(text)
            self._file.seek(0)
            self._write(header.pack())
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
    """Tell whether a path names a file that begins as a store does."""
    if not isinstance(path, (str, os.PathLike)):
        return False
    try:
        # Not for named pipes: opening one would consume its text.
        if not os.path.isfile(path):
            return False
        with open(path, "rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except (OSError, ValueError):
        return False
