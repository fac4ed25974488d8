"""JSON lines: the texts of .jsonl files, with the number of the line in every error."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

from fastlm.errors import CorpusError
from fastlm.text.compression import plain_suffix
from fastlm.text.decoding import Reading, normalize_line_ends
from fastlm.types import DEFAULT_FIELD

__all__ = ["JsonLines", "decode_line", "is_json_lines", "parse_record", "split_lines"]


def is_json_lines(name: str, field: str | None = None) -> bool:
    """Tell whether a file holds JSON lines, compressed or not, as its name says.

    Where the user named the field of the text, a .json file holds JSON lines, too.
    """
    suffix = plain_suffix(name)
    return suffix in (".jsonl", ".ndjson") or (field is not None and suffix == ".json")


def split_lines(
    blocks: Iterable[bytes], name: str = "", longest: float = math.inf
) -> Iterator[list[bytes]]:
    r"""Yield the lines that end in a block, as soon as it is there; no empty list.

    The text may be cut into blocks anywhere; its lines end in \n. A line longer than `longest`
    bytes is a CorpusError, with its number and the name of the text.
    """
    begun: list[bytes] = []  # a line whose end has not come
    size = 0
    number = 1
    for block in blocks:
        head, newline, rest = block.partition(b"\n")
        begun.append(head)
        size += len(head)
        if size > longest:
            raise CorpusError(
                f"{name}, line {number} is longer than {longest:,} bytes; split it into several "
                "lines"
            )
        if not newline:
            continue
        *lines, last = rest.split(b"\n")
        number += 1 + len(lines)
        first = b"".join(begun)
        begun, size = [last], len(last)
        yield [first, *lines]
    if size:
        first = b"".join(begun)
        begun.clear()
        yield [first]


def decode_line(line: bytes, errors: str = "strict") -> str:
    """Return a line of UTF-8 as a str; `errors` as in `Reading`.

    Raises CorpusError with the first bad byte; the caller adds where the line is.
    """
    try:
        return line.decode("utf-8", errors)
    except UnicodeDecodeError as error:
        raise CorpusError(
            f"byte 0x{line[error.start]:02X} at offset {error.start} of the line is not valid "
            "UTF-8; convert it to UTF-8, e.g. with iconv"
        ) from None


def parse_record(line: str, field: str) -> dict[str, Any]:
    """Return the JSON object of a line, which has a string under `field`.

    Raises CorpusError for anything else; the caller adds where the line is.
    """
    try:
        record = json.loads(line)
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
        raise CorpusError(f"no field {field!r} (it has {names}); name the text with --field")
    value = record[field]
    if not isinstance(value, str):
        raise CorpusError(
            f"field {field!r} is a JSON {_json_type(value)}, not a string; correct it"
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
        self._field = DEFAULT_FIELD if reading.field is None else reading.field

    def texts(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        r"""Yield each record's text as UTF-8 with \n for line ends; empty ones are left out.

        Raises CorpusError, with the number of the line, for one that is not JSON in UTF-8, is no
        object, lacks the field, or has something other than a text there.
        """
        for number, line in enumerate(chain.from_iterable(split_lines(blocks)), start=1):
            if line.isspace() or not line:
                continue
            try:
                text = self._text(line)
            except CorpusError as error:
                problem = f"{self.name}, line {number}: {error}"
                if not self._reading.skip_bad:
                    raise CorpusError(
                        f"{problem}; or leave such lines out with --skip-bad"
                    ) from None
                self.first_skipped = self.first_skipped or problem
                self.skipped += 1
                continue
            if text:
                yield text

    def _text(self, line: bytes) -> bytes:
        record = parse_record(decode_line(line, self._reading.errors), self._field)
        text: str = record[self._field]
        try:
            return normalize_line_ends(text.encode("utf-8"))
        except UnicodeEncodeError:
            raise CorpusError(
                f"field {self._field!r} holds a lone surrogate, which is no character; correct it"
            ) from None
