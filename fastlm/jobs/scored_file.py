"""The figures of a file that was scored: one number of each JSON line."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from fastlm.checks import shown
from fastlm.errors import ConfigError, CorpusError, MissingFileError
from fastlm.system.atomic_file import reason_of
from fastlm.system.json_values import NUMBER, parse_json
from fastlm.text.compression import read_chunks
from fastlm.text.json_lines import split_lines

__all__ = ["read_figures"]


def read_figures(path: Path, name: str) -> list[float | None]:
    """Return a figure of each record of JSON lines, None where a record has none.

    Parameters
    ----------
    path : path
        What ``fastlm score -o FILE.jsonl`` writes; it may be compressed (.gz, .zst).
    name : str
        Of the figure, such as ``perplexity``, as the file has it.

    Raises
    ------
    MissingFileError, CorpusError
        For a file that is not there, cannot be read, or holds a line that is no JSON object.
    ConfigError
        Where no record has the figure.
    """
    values: list[float | None] = []
    others: dict[str, None] = {}
    number = 0
    try:
        with path.open("rb") as file:
            for lines in split_lines(read_chunks(file, str(path)), str(path)):
                for line in lines:
                    number += 1
                    if line.strip():
                        record = _record(path, number, line)
                        value: Any = record.get(name)
                        found = NUMBER.holds(value) and math.isfinite(value)
                        values.append(float(value) if found else None)
                        others |= dict.fromkeys(k for k, v in record.items() if NUMBER.holds(v))
    except FileNotFoundError:
        raise MissingFileError(f"there is no file {path}; check the name") from None
    except OSError as error:
        raise CorpusError(f"cannot read {path}: {reason_of(error)}; name another file") from None
    if all(value is None for value in values):
        known = ", ".join(list(others)[:8])
        remedy = f"it has {known}" if known else "score it with fastlm score first"
        raise ConfigError(f"no record of {path} has a number called {shown(name)}; {remedy}")
    return values


def _record(path: Path, number: int, line: bytes) -> dict[str, Any]:
    try:
        record = parse_json(line.decode("utf-8"))
    except (ValueError, RecursionError):
        record = None
    if not isinstance(record, dict):
        raise CorpusError(
            f"{path}, line {number} is no JSON object; name a file of fastlm score, or a run"
        )
    return record
