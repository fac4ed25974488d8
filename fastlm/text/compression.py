"""Bytes of a file that may be compressed, in chunks: plain, .gz, .zst."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

from fastlm.errors import CorpusError

__all__ = ["COMPRESSED", "is_compressed", "read_chunks"]

COMPRESSED = (".gz", ".zst")


_CHUNK = 1 << 17


# What a frame of a few bytes may stand for is bounded by what is fed at once.
_ZST_CHUNK = 1 << 14


Chunks = Iterator[bytes]


def is_compressed(name: str) -> bool:
    """Whether a file is read as a compressed one, as its name says."""
    return Path(name).suffix.lower() in COMPRESSED


def read_chunks(file: BinaryIO, name: str) -> Chunks:
    """Yield what a file holds, decompressed if its name ends in .gz or .zst.

    Raises
    ------
    CorpusError
        For a compressed file that ends early, is damaged, or is not compressed as its name says,
        and for .zst where this Python has nothing to read it with.
    """
    if not is_compressed(name):
        yield from _plain(file)
        return
    suffix = Path(name).suffix.lower()
    chunks = _gzip if suffix == ".gz" else _zst()
    beginning = file.read(4)
    file.seek(0)
    if not beginning:
        return
    marks = {".gz": b"\x1f\x8b", ".zst": b"\x28\xb5\x2f\xfd"}
    # Skippable frames, whose marks differ in the first byte, may stand before the first of .zst.
    skippable = suffix == ".zst" and beginning[1:] == b"\x2a\x4d\x18"
    if not beginning.startswith(marks[suffix]) and not skippable:
        raise CorpusError(
            f"{name} is named {suffix} but does not begin as a {suffix} file does; "
            "rename it if it is plain text"
        )
    size = 0
    try:
        for chunk in chunks(file):
            size += len(chunk)
            yield chunk
    except EOFError:
        raise CorpusError(
            f"{name} ends early, after {size:,} bytes of text: the {suffix} file is not whole; "
            "get a complete copy"
        ) from None
    except (gzip.BadGzipFile, zlib.error, _Damaged) as error:
        raise CorpusError(
            f"{name} is damaged after {size:,} bytes of text: {error}; get another copy"
        ) from None


class _Damaged(Exception):
    """What the library for .zst says of bytes it cannot read."""


def _plain(file: BinaryIO) -> Chunks:
    while chunk := file.read(_CHUNK):
        yield chunk


def _gzip(file: BinaryIO) -> Chunks:
    with gzip.GzipFile(fileobj=file) as text:
        # ``read`` would keep what stands before the place where a file breaks off.
        while chunk := text.read1(_CHUNK):
            yield chunk


def _zst() -> Callable[[BinaryIO], Chunks]:
    """Return the reader of Python 3.14 or of the `zstandard` package, whichever is there."""
    try:
        from compression import zstd  # type: ignore[import-not-found, unused-ignore]

        return lambda file: _zst_frames(file, zstd.ZstdDecompressor, zstd.ZstdError)
    except ImportError:
        pass
    try:
        import zstandard
    except ImportError:
        return _no_zst
    decompressor = zstandard.ZstdDecompressor()
    return lambda file: _zst_frames(file, decompressor.decompressobj, zstandard.ZstdError)


def _no_zst(file: BinaryIO) -> Chunks:
    raise CorpusError(
        f"{file.name} is compressed with zstd, which this Python cannot read; run "
        'pip install "fastlm[zstd]", or decompress it first: unzstd FILE'
    )


def _zst_frames(file: BinaryIO, new_frame: Callable[[], Any], error: type[Exception]) -> Chunks:
    frame = None
    while data := file.read(_ZST_CHUNK):
        while data:
            frame = new_frame() if frame is None else frame
            try:
                chunk = frame.decompress(data)
            except error as problem:
                raise _Damaged(str(problem)) from None
            if chunk:
                yield chunk
            data = b""
            if frame.eof:
                data, frame = frame.unused_data, None
    if frame is not None:
        raise EOFError
