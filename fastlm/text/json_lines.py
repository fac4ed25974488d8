"""JSON lines: the texts of .jsonl files, with the number of the line in every error."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from fastlm.checks import shown
from fastlm.errors import CorpusError
from fastlm.text.compression import plain_suffix
from fastlm.text.decoding import Reading, normalize_line_ends
from fastlm.types import DEFAULT_FIELD
from fastlm.wording import setting

__all__ = ["JsonLines", "decode_line", "is_json_lines", "parse_record", "split_lines"]

_UTF8 = Reading()


def is_json_lines(name: str, field: str | None = None) -> bool:
    """Tell whether a file holds JSON lines, compressed or not, as its name says.

    Where the user named the field of the text, every file holds JSON lines.
    """
    return field is not None or plain_suffix(name) in (".jsonl", ".ndjson")


def split_lines(
    blocks: Iterable[bytes], name: str = "", longest: float = math.inf
) -> Iterator[list[bytes]]:
    r"""Yield the lines that end in a block, as soon as it is there; no empty list.

    Lines end in \n, \r\n or \r, which stays with them; the text may be cut into blocks anywhere.
    A line longer than `longest` bytes is a CorpusError, with its number and the name of the text.
    """
    begun: list[bytes] = []  # a line whose end has not come
    size = 0
    number = 1
    for block in blocks:
        lines: list[bytes] = []
        if begun and begun[-1].endswith(b"\r"):  # a line end, or half of one
            half = block[:1] == b"\n"
            lines.append(b"".join([*begun, block[:half]]))
            block = block[half:]
            begun, size = [], 0
        whole = block.splitlines(keepends=True)
        last = whole.pop() if whole and not whole[-1].endswith(b"\n") else b""
        size += len((whole[0] if whole else last).rstrip(b"\r\n"))
        if size > longest:
            raise CorpusError(
                f"{name}, line {number + len(lines)} is longer than {longest:,} bytes, which the "
                "memory cannot hold; split it into several lines"
            )
        if whole:
            whole[0] = b"".join([*begun, whole[0]])
            lines += whole
            begun, size = [], len(last)
        if last:
            begun.append(last)
        number += len(lines)
        if lines:
            yield lines
    if begun:
        first = b"".join(begun)
        begun.clear()
        yield [first]


def decode_line(line: bytes, reading: Reading = _UTF8) -> str:
    """Return a line as a str.

    Raises CorpusError with the first bad byte; the caller adds where the line is.
    """
    try:
        return line.decode(reading.encoding, reading.errors)
    except UnicodeDecodeError as error:
        raise CorpusError(
            f"byte 0x{line[error.start]:02X} at offset {error.start} of the line is not valid "
            f"{reading.encoding.upper()}; name its encoding ({setting('encoding')}), or read on "
            f"with {setting('errors', 'replace')}"
        ) from None


def parse_record(line: str, field: str) -> dict[str, Any]:
    """Return the JSON object of a line, which has a string under `field`.

    A byte order mark before it is no part of it. Raises CorpusError for anything else; the caller
    adds where the line is.
    """
    try:
        record = json.loads(line.removeprefix("\ufeff"))
    except json.JSONDecodeError as error:
        raise CorpusError(
            f"not JSON: {error.msg} at column {error.colno}; give one object a line"
        ) from None
    except RecursionError:
        raise CorpusError(
            "not JSON that can be read: it is nested too deeply; give one flat object a line"
        ) from None
    except ValueError as error:  # a number of too many digits
        raise CorpusError(f"not JSON that can be read: {error}; shorten the number") from None
    if not isinstance(record, dict):
        raise CorpusError(f"a JSON {_json_type(record)}, not an object; give one object a line")
    if field not in record:
        names = ", ".join(map(repr, list(record)[:8])) or "none"
        names = names if len(names) <= 60 else f"{names[:59]}…"
        raise CorpusError(
            f"no field {shown(field)} (it has {names}); name the text with {setting('field')}"
        )
    value = record[field]
    if not isinstance(value, str):
        raise CorpusError(
            f"field {shown(field)} is a JSON {_json_type(value)}, not a string; correct it"
        )
    return record


def _json_type(value: Any) -> str:
    if value is None:
        return "null"
    names = {bool: "boolean", int: "number", float: "number", list: "array", dict: "object"}
    return names.get(type(value), "string")


class JsonLines:
    """The texts of one source of JSON lines.

    Attributes
    ----------
    name : str
        How messages call the source.
    skipped : int
        Lines left out so far (`Reading.skip_bad`).
    first_skipped : str
        Why the first of them was.
    """

    def __init__(self, name: str, reading: Reading) -> None:
        self.name = name
        self.skipped = 0
        self.first_skipped = ""
        self._reading = reading
        self._as_utf8 = Reading(errors=reading.errors)
        self._field = DEFAULT_FIELD if reading.field is None else reading.field

    def texts(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        r"""Yield each record's text as UTF-8 with \n for line ends; empty ones are left out.

        Raises CorpusError, with the number of the line, for one that is not JSON in UTF-8, is no
        object, lacks the field, or has something other than a text there.
        """
        for number, line in enumerate(chain.from_iterable(split_lines(blocks)), start=1):
            if line.isspace():
                continue
            try:
                text = self._text(line.removesuffix(b"\n"))
            except CorpusError as error:
                problem = f"{self.name}, line {number}: {error}"
                if not self._reading.skip_bad:
                    plain = f", leave {setting('field')} out for plain text"
                    if is_json_lines(self.name):
                        plain = ""
                    skip = setting("skip_bad", True)
                    raise CorpusError(
                        f"{problem}{plain}; or leave such lines out with {skip}"
                    ) from None
                self.first_skipped = self.first_skipped or problem
                self.skipped += 1
                continue
            if text:
                yield text

    def _text(self, line: bytes) -> bytes:
        record = parse_record(decode_line(line, self._as_utf8), self._field)
        text: str = record[self._field]
        try:
            return normalize_line_ends(text.encode("utf-8"))
        except UnicodeEncodeError:
            raise CorpusError(
                f"field {shown(self._field)} holds a lone surrogate, which is no character; "
                "correct it"
            ) from None
