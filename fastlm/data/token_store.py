"""The token store: a corpus as token ids in one file, read through a memory map.

``fastlm.data.token_store_format`` describes the file byte by byte. Each document ends with the
tokenizer's boundary token, where it has one.
"""

from __future__ import annotations

import contextlib
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
from fastlm.checks import short_name
from fastlm.data.progress import ProgressReporter
from fastlm.data.stored_ids import StoredIds
from fastlm.data.token_store_format import (
    HEADER_BYTES,
    MAGIC,
    StoreHeader,
    damaged,
    parse_header,
    parse_metadata,
)
from fastlm.data.token_store_stamps import is_stamped, stamp
from fastlm.errors import MissingStoreError, StoreError, TokenizerError
from fastlm.system.atomic_file import NewFile, unwritable
from fastlm.tokenizers import Tokenizer, tokenizer_from_dict
from fastlm.tokenizers.backend import count_ids
from fastlm.types import FilePath
from fastlm.wording import setting

__all__ = ["StoreWriter", "StoredIds", "TokenStore", "is_store"]

_SMALL = 1 << 24  # bytes of ids; reading fewer takes less time than a stamp is worth
_SLICE_IDS = 1 << 18  # checked at a time, in the processor's cache
_SYNCED_BYTES = 1 << 25  # written between two syncs


class TokenStore:
    """A token store that is open for reading.

    Attributes
    ----------
    path : Path
    metadata : dict
        As the format has it (see ``fastlm.data.token_store_format``).
    header : StoreHeader
    """

    def __init__(
        self,
        path: FilePath,
        metadata: dict[str, Any],
        ids: NDArray[Any],
        header: StoreHeader,
        status: os.stat_result,
    ) -> None:
        self.path = Path(path)
        self.metadata = metadata
        self._mapped = ids
        self.header = header
        self._status = status
        # Whether the ids are those of the header and the metadata: what kernels trust.
        self._is_sound = False

    @classmethod
    def open(
        cls,
        path: FilePath,
        *,
        check: bool | None = None,
        reporter: ProgressReporter | None = None,
        written: StoreHeader | None = None,
    ) -> Self:
        """Open a store.

        Parameters
        ----------
        path : path
        check : bool, optional
            Whether to read all ids (see ``check``). None: unless that was done before and the file
            is unchanged; small files are always read. False: never, for a look at the metadata.
        reporter : ProgressReporter, optional
            Told of the phase ``checking``.
        written : StoreHeader, optional
            What ``StoreWriter.finish`` returned: a file with this header needs no reading.

        Raises
        ------
        StoreError
            For a file that cannot be read, is no store, comes from a newer version, is cut short,
            or is altered.
        """
        try:
            with open(path, "rb") as file:
                status = os.fstat(file.fileno())
                header = parse_header(path, file.read(HEADER_BYTES), status.st_size)
                file.seek(header.metadata_offset)
                metadata = parse_metadata(path, file.read(header.metadata_bytes), header)
                mapped = np.memmap(
                    file, dtype=f"<u{header.id_bytes}", mode="r", offset=HEADER_BYTES,
                    shape=(header.n_ids,),
                )  # fmt: skip
        except FileNotFoundError:
            raise MissingStoreError(
                f"{short_name(str(path))}: no such file; check the name, or prepare it first"
            ) from None
        except OSError as error:
            raise StoreError(
                f"{short_name(str(path))} cannot be read: {error.strerror or error}"
            ) from None
        store = cls(path, metadata, mapped, header, status)
        if check is None and header == written:
            store._accept()
        elif check is None and mapped.nbytes > _SMALL and is_stamped(path, status, header):
            store._is_sound = True
        elif check is not False:
            store.check(reporter)
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
        if self._is_sound:
            ids.counts = np.array(self.metadata["counts"], dtype=np.int64)
        return ids

    @property
    def valid_ids(self) -> StoredIds:
        """The part held out; empty where there is none."""
        return self._part(self.metadata["train"]["tokens"], None)

    def _part(self, start: int, stop: int | None) -> StoredIds:
        ids = self._mapped[start:stop].view(StoredIds)
        ids.check_unchanged = self.check_unchanged
        if self._is_sound:
            ids.ids_below = self.metadata["vocab"]
        return ids

    @cached_property
    def tokenizer(self) -> Tokenizer:
        """The tokenizer of the ids; a StoreError where the metadata holds none that is known."""
        try:
            tokenizer = tokenizer_from_dict(self.metadata["tokenizer"])
        except TokenizerError as error:
            raise StoreError(f"{self.path}: {error}; prepare it again") from None
        if tokenizer.vocab_size != self.metadata["vocab"]:
            raise damaged(
                self.path,
                f"its tokenizer has {tokenizer.vocab_size:,} tokens, its ids are of "
                f"{self.metadata['vocab']:,}",
            )
        return tokenizer

    def require(
        self, *, tokenizer: Tokenizer | str | None = None, documents: str | None = None
    ) -> None:
        """Raise a StoreError unless the store was made as asked; None stands for anything.

        Parameters
        ----------
        tokenizer : Tokenizer or str, optional
            The tokenizer, or the kind of one.
        documents : {"file", "paragraphs", "lines", "stream"}, optional
        """
        own = self.metadata["tokenizer"]["kind"]
        wanted = tokenizer if isinstance(tokenizer, str) else tokenizer and tokenizer.kind
        # Of a model that is evaluated, say: it cannot be left out.
        again = "prepare the text again with this one, or use the text itself"
        if wanted is not None and wanted != own:
            if isinstance(tokenizer, str):
                again = "leave the tokenizer out, or prepare the text again with the other"
            raise StoreError(
                f"{self.path} was made with the tokenizer {own}, not {wanted}; {again}"
            )
        own_print = self.metadata["tokenizer_fingerprint"]
        if isinstance(tokenizer, Tokenizer) and tokenizer.fingerprint() != own_print:
            raise StoreError(
                f"{self.path} was made with another {own} tokenizer (of {self.metadata['vocab']:,} "
                f"tokens, not {tokenizer.vocab_size:,}, or with other ones); {again}"
            )
        if documents is not None and documents != self.documents:
            raise StoreError(
                f"{self.path} was made with {setting('documents', self.documents)}, not "
                f"{documents}; use the same, or prepare the text again"
            )

    def check(self, reporter: ProgressReporter | None = None) -> None:
        """Read all ids; raise a StoreError unless they are what was written, and were counted."""
        counts = np.zeros(self.metadata["vocab"], dtype=np.int64)
        train = self.metadata["train"]["tokens"]
        crc = 0
        size = self._mapped.nbytes
        with (reporter or ProgressReporter()).phase("checking", size) as progress:
            for start in range(0, self.count, _SLICE_IDS):
                ids = self._mapped[start : start + _SLICE_IDS]
                crc = zlib.crc32(ids.view(np.uint8).data, crc)
                # Another program may have written them, and kernels would read beyond their tables.
                if int(ids.max()) >= counts.size:
                    raise damaged(self.path, "it has ids beyond its vocabulary")
                count_ids(counts, ids[: max(train - start, 0)])
                progress.advance(ids.nbytes)
        if crc != self.header.ids_crc:
            raise damaged(
                self.path,
                f"its ids have the checksum {crc:08x}, not {self.header.ids_crc:08x}",
            )
        if counts.tolist() != self.metadata["counts"]:
            raise damaged(self.path, "its counts are not those of its ids")
        self._accept()

    def check_unchanged(self) -> None:
        """Read all ids again if the mapped file was written to since it was opened.

        Another file in its place does not matter: the mapped one stays. Raises a StoreError for
        other ids than before, of which kernels would read some beyond their tables.
        """
        try:
            now = os.stat(self.path)
        except OSError:
            return
        before = self._status
        if not os.path.samestat(now, before):
            return
        if now.st_size < before.st_size:
            raise damaged(self.path, "it was cut short while it was used")
        if now.st_mtime_ns != before.st_mtime_ns:
            self._status = now
            self.check()

    def mark_used(self) -> None:
        """Set the time of the last change to now: the cache keeps what was used last."""
        with contextlib.suppress(OSError):
            os.utime(self.path)
            self._status = os.stat(self.path)
            if self._is_sound:
                self._accept()

    def _accept(self) -> None:
        self._is_sound = True
        if self._mapped.nbytes > _SMALL:
            stamp(self.path, self._status, self.header)

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
    mode : int
        Permission bits that the file may have at most.

    Raises
    ------
    StoreError
        When it cannot be written, a full disk included; the incomplete file is removed.
    """

    def __init__(self, path: FilePath, dtype: np.dtype[Any], mode: int = 0o666) -> None:
        self.path = path
        self._mode = mode
        self._dtype = dtype.newbyteorder("<")
        self._count = 0
        self._crc = 0
        self._unsynced = 0
        self._syncing: threading.Thread | None = None
        self._sync_error: OSError | None = None

    def __enter__(self) -> Self:
        try:
            self._file = NewFile(self.path, self._mode)
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

    def finish(self, metadata: Mapping[str, Any]) -> StoreHeader:
        """Write metadata and header, give the file its name, and return the header."""
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
        return header

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
