"""A line of JSON: which object is it, and what is its text?"""

from __future__ import annotations

import json
from typing import Any

from fastlm.errors import CorpusError

__all__ = ["DEFAULT_FIELD", "decoded_line", "parse_record"]

DEFAULT_FIELD = "text"


def decoded_line(line: bytes, errors: str = "strict") -> str:
    """A line of UTF-8 as a str.

    errors : ``strict``, or ``replace``: bytes that do not decode become U+FFFD

    Raises CorpusError with the first byte that cannot be decoded; the caller knows which line of
    what it is.
    """
    try:
        return line.decode("utf-8", errors)
    except UnicodeDecodeError as error:
        raise CorpusError(
            f"byte 0x{line[error.start]:02X} at offset {error.start} of the line is not valid "
            "UTF-8; convert it to UTF-8, e.g. with iconv"
        ) from None


def parse_record(line: str, field: str) -> dict[str, Any]:
    """The JSON object of a line, which has a string under ``field``.

    Raises CorpusError for anything else; the caller knows which line of what it is.
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
