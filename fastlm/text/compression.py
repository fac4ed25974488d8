"""Files that may be compressed (.gz, .zst), read in chunks."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Iterator
from contextlib import suppress
from importlib import import_module
from io import BufferedIOBase, BufferedReader
from pathlib import Path
from typing import Any

from fastlm.errors import CorpusError
from fastlm.wording import install

__all__ = [
    "COMPRESSED",
    "compressed_sizes",
    "is_compressed",
    "plain_suffix",
    "read_chunks",
    "zstd_library",
]

COMPRESSED = (".gz", ".zst")
"""What the names of compressed files end in."""

# Most bytes of text in a chunk. What follows it takes little, and it fits the processor's cache.
_CHUNK = 1 << 17

_GZIP_START = b"\x1f\x8b"
_ZSTD_START = b"\x28\xb5\x2f\xfd"
# Skippable frames, which may come first: their first byte varies.
_ZSTD_SKIPPABLE = b"\x2a\x4d\x18"


def is_compressed(name: str) -> bool:
    """Tell whether a file is read as a compressed one, as its name says."""
    return Path(name).suffix.lower() in COMPRESSED


def plain_suffix(name: str) -> str:
    """Return the suffix that says what a file holds: of `a.TXT.gz` it is `.txt`."""
    path = Path(name)
    return (path.with_suffix("") if is_compressed(name) else path).suffix.lower()


def read_chunks(file: BufferedReader, name: str) -> Iterator[bytes]:
    """Yield what a file holds, decompressed if its name ends in .gz or .zst, as it comes.

    Raises CorpusError for a compressed file that ends early, is damaged, or is not compressed as
    its name says, and for .zst where this Python has nothing to read it with.
    """
    if not is_compressed(name):
        yield from _chunks(file)
        return
    suffix = Path(name).suffix.lower()
    start = file.peek(4)[:4]
    if not start:
        return
    if suffix == ".gz":
        known = start.startswith(_GZIP_START)
    else:
        known = start == _ZSTD_START or start[1:] == _ZSTD_SKIPPABLE
    if not known:
        raise CorpusError(
            f"{name} is named {suffix} but does not begin as a {suffix} file does; "
            "rename it if it is plain text"
        )
    text: BufferedIOBase
    damaged: tuple[type[Exception], ...]
    if suffix == ".gz":
        text, damaged = gzip.GzipFile(fileobj=file), (gzip.BadGzipFile, zlib.error)
    else:
        zstd = zstd_library(name)
        text, damaged = zstd.ZstdFile(file), (zstd.ZstdError,)
    size = 0
    try:
        with text:
            for chunk in _chunks(text):
                size += len(chunk)
                yield chunk
    except EOFError:
        raise CorpusError(
            f"{name} ends early, after {size:,} bytes of text: the {suffix} file is not whole; "
            "get a complete copy"
        ) from None
    except damaged as error:
        raise CorpusError(
            f"{name} is damaged after {size:,} bytes of text: {error}; get another copy"
        ) from None


def _chunks(file: BufferedIOBase) -> Iterator[bytes]:
    # `read` would wait for a pipe, and lose what comes before the place where a file breaks off.
    while chunk := file.read1(_CHUNK):
        yield chunk


def zstd_library(name: str) -> Any:
    """Return the module for zstd: that of Python 3.14, or the same as a package."""
    for module in ("compression.zstd", "backports.zstd"):
        with suppress(ImportError):
            return import_module(module)
    raise CorpusError(
        f"{name} is compressed with zstd, which this Python cannot read; run "
        f"{install('backports.zstd')}, or decompress it first: unzstd FILE"
    )


def compressed_sizes(data: bytes) -> list[tuple[str, int]]:
    """Return the names of the compressors that Python has, and the size that each comes to."""
    sizes = [("gzip", len(gzip.compress(data, 9)))]
    with suppress(ImportError):  # Python may be built without
        import lzma

        sizes.append(("xz", len(lzma.compress(data))))
    return sizes
