r"""Decoding: bytes in any encoding to blocks of UTF-8, with \n for every line end."""

from __future__ import annotations

import codecs
import io
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain

import numpy as np

from fastlm.checks import check_choice
from fastlm.errors import ConfigError, CorpusError
from fastlm.wording import setting

__all__ = [
    "BYTE_ORDER_MARK",
    "ERRORS",
    "Reading",
    "count_characters",
    "count_lines",
    "normalize_line_ends",
    "text_blocks",
    "whole_characters",
]

ERRORS = ("strict", "replace")
"""What may be done about bytes that do not decode."""

BYTE_ORDER_MARK = "\ufeff".encode()
"""U+FEFF in UTF-8; at the beginning of a text it is no part of it."""


@dataclass(frozen=True, kw_only=True)
class Reading:
    """How files are read.

    Attributes
    ----------
    encoding : str
        A name that Python knows.
    errors : {"strict", "replace"}
        With "strict", bytes that do not decode are an error; with "replace" they become U+FFFD.
    field : str or None
        The key of the text in JSON lines, or the column of a table; None: "text". Given, it also
        says that CSV and TSV are tables, and that all that is no table holds JSON lines.
    skip_bad : bool
        JSON lines, or rows, that cannot be used are counted and left out; without it they are an
        error.

    Raises
    ------
    ConfigError, CorpusError
        For a setting that cannot be used; CorpusError for an encoding that Python does not know.
    """

    encoding: str = "utf-8"
    errors: str = "strict"
    field: str | None = None
    skip_bad: bool = False

    def __post_init__(self) -> None:
        check_choice("errors", self.errors, ERRORS)
        if self.field is not None and not isinstance(self.field, str):
            raise ConfigError(f"field is {self.field!r}; give the name of a key in the JSON lines")
        try:
            # It refuses what Python does not know, and codecs from bytes to bytes.
            io.TextIOWrapper(io.BytesIO(), encoding=self.encoding)
        except (LookupError, TypeError, ValueError) as error:
            raise CorpusError(f"{error}; name one that Python knows, such as utf-8") from None

    @property
    def utf8(self) -> bool:
        """Whether the encoding is UTF-8, under any of its names."""
        return codecs.lookup(self.encoding).name == "utf-8"

    @property
    def has_ascii_line_ends(self) -> bool:
        """Whether line ends are the bytes of ASCII: true of UTF-8 and Latin-1, not of UTF-16."""
        return "\r\n".encode(self.encoding) == b"\r\n"


def text_blocks(
    chunks: Iterable[bytes],
    name: str,
    reading: Reading,
    *,
    trusted: bool = False,
    at_start: bool = True,
) -> Iterator[bytes]:
    r"""Yield a text as blocks of UTF-8 that hold whole characters.

    A byte order mark at the beginning is dropped; \r\n and \r become \n, across blocks too. How
    the chunks are cut changes nothing but the blocks.

    Where the bytes were decoded before (`trusted`), UTF-8 is not checked again. A chunk inside a
    text (not `at_start`) keeps its mark. Raises CorpusError for bytes that cannot be decoded, with
    the offset of the first, its line, and the name of the text.
    """
    decoder = (_Utf8Decoder if reading.utf8 else _Decoder)(name, reading, trusted)
    return decoder.blocks(chunks, at_start)


def normalize_line_ends(data: bytes) -> bytes:
    r"""Return UTF-8 with \n in place of \r\n and \r."""
    return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if b"\r" in data else data


def count_lines(data: bytes) -> int:
    r"""Return the number of \n."""
    return int(np.count_nonzero(np.frombuffer(data, dtype=np.uint8) == ord("\n")))


def count_characters(data: bytes) -> int:
    """Return the number of characters of valid UTF-8."""
    if data.isascii():
        return len(data)
    return int(np.count_nonzero((np.frombuffer(data, dtype=np.uint8) & 0xC0) != 0x80))


def whole_characters(data: bytes) -> int:
    """Return the length of UTF-8 without the first bytes of a character whose last are missing."""
    for back in range(1, min(len(data), 3) + 1):
        lead = data[-back]
        if lead >= 0xC0:
            length = 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
            return len(data) - back if back < length else len(data)
        if lead < 0x80:
            break
    return len(data)


class _Decoder:
    """One text in any encoding, decoded chunk by chunk."""

    def __init__(self, name: str, reading: Reading, trusted: bool) -> None:
        self._name = name
        self._reading = reading
        self._trusted = trusted
        self._head = b""  # the first bytes, to guess what they are instead
        self._taken = 0  # bytes of chunks
        self._lines = 0  # line ends in the blocks so far
        self._held_back = b""  # \r at the end of a chunk: half a line end, or a whole one
        self._codec = codecs.getincrementaldecoder(reading.encoding)(reading.errors)

    def blocks(self, chunks: Iterable[bytes], at_start: bool) -> Iterator[bytes]:
        """See `text_blocks`."""
        # The last, empty chunk says that there are no more.
        for chunk in chain(chunks, (b"",)):
            self._head = self._head or chunk[:4]
            self._taken += len(chunk)
            data = self._decode(chunk)
            if at_start and data:
                at_start = False
                data = data.removeprefix(BYTE_ORDER_MARK)
            if self._held_back:
                data = self._held_back + data
                self._held_back = b""
            if chunk and data.endswith(b"\r"):
                data, self._held_back = data[:-1], b"\r"
            data = normalize_line_ends(data)
            if not self._trusted:
                self._lines += count_lines(data)
            if data:
                yield data

    def _decode(self, chunk: bytes) -> bytes:
        """Return whole characters in UTF-8; an empty chunk ends the text."""
        try:
            return self._codec.decode(chunk, not chunk).encode("utf-8")
        except UnicodeDecodeError as error:
            raise self._undecodable(error.object, error.start) from None
        except UnicodeEncodeError as error:
            raise CorpusError(
                f"{self._name} holds a lone surrogate U+{ord(error.object[error.start]):04X}, "
                f"which is no character; {self._reading.encoding} may not be its encoding"
            ) from None

    def _undecodable(self, data: bytes, start: int) -> CorpusError:
        """Return the error for `data`, the last bytes taken, which fail at `start`."""
        offset = self._taken - len(data) + start
        good = self._held_back + data[:start].decode(self._reading.encoding, "ignore").encode()
        line = self._lines + count_lines(normalize_line_ends(good)) + 1
        guess = ""
        if self._head.startswith((b"\xff\xfe", b"\xfe\xff")):
            guess = " (it begins as UTF-16 does)"
        return CorpusError(
            f"{self._name} is not valid {self._reading.encoding.upper()}: byte 0x{data[start]:02X} "
            f"at offset {offset}, line {line}{guess}; convert it to UTF-8, e.g. with iconv, name "
            f"its encoding ({setting('encoding')}), or read on with {setting('errors', 'replace')}"
        )


class _Utf8Decoder(_Decoder):
    """UTF-8 to UTF-8: checked, and handed on as it is."""

    _rest = b""  # the beginning of a character

    def _decode(self, chunk: bytes) -> bytes:
        data = self._rest + chunk if self._rest else chunk
        stop = whole_characters(data) if chunk else len(data)
        self._rest = data[stop:]
        if self._rest:
            data = data[:stop]
        if data.isascii() or (self._trusted and self._reading.errors == "strict"):
            return data
        try:
            # Only to see whether it can be decoded: 0.6 GB/s for prose in English.
            data.decode("utf-8")
        except UnicodeDecodeError as error:
            if self._reading.errors == "replace":
                return data.decode("utf-8", "replace").encode("utf-8")
            raise self._undecodable(data + self._rest, error.start) from None
        return data
