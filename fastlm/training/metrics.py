"""The metrics of a run: a JSON object a line, appended as it goes, none lost and none doubled."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastlm.errors import ConfigError
from fastlm.system.atomic_file import reason_of
from fastlm.system.json_values import finite_values
from fastlm.types import FilePath

__all__ = ["MetricsFile", "read_rows"]

# What every row has; a file whose first line lacks them is not one of ours.
_KEYS = frozenset({"event", "step", "seconds"})


_START = b'{"event"'


# Rows that wait for room on a full disk; then the oldest go.
_MOST_WAITING = 100_000


class MetricsFile:
    """Appends rows to a file (JSON Lines: https://jsonlines.org, UTF-8).

    Every row has ``event`` (``progress``, ``validation`` or ``rollback``), ``step`` and
    ``seconds``; a number that is not finite is null.

    path : of the file; what is there is only replaced if it is a metrics file or empty
    rows : how many rows the file has that are to be kept

    Raises ConfigError when there is another file at ``path``, or it cannot be opened.
    """

    def __init__(self, path: FilePath) -> None:
        self.path = Path(path)
        self.rows = 0
        self._waiting: list[bytes] = []
        self._end = 0
        check_metrics(self.path)

    def start(self, rows: int = 0) -> None:
        """Keep the first ``rows`` rows that are there and drop the others: a checkpoint knows how
        many it has seen. Cutting a file short is one operation, whole or not at all.

        Raises OSError.
        """
        self._waiting.clear()
        self.rows = self._end = 0
        try:
            with self.path.open("rb") as file:
                for line in file:
                    if self.rows == rows or not line.endswith(b"\n"):
                        break
                    self.rows += 1
                    self._end += len(line)
        except FileNotFoundError:
            return
        os.truncate(self.path, self._end)

    def append(self, row: Mapping[str, Any]) -> None:
        """Write a row, and those that could not be written before.

        Raises OSError; then the row waits, and the file ends with a whole row.
        """
        self._waiting.append(_line(row))
        del self._waiting[:-_MOST_WAITING]
        self._write()

    def sync(self) -> None:
        """Onto the disk with what was written; before a checkpoint that counts these rows.

        Raises OSError.
        """
        if self._waiting:
            self._write()
        if self.rows:
            with self.path.open("ab") as file:
                os.fsync(file.fileno())

    def _write(self) -> None:
        content = b"".join(self._waiting)
        try:
            with self.path.open("ab") as file:
                file.write(content)
        except OSError:
            # Part of a row may be there.
            with contextlib.suppress(OSError):
                os.truncate(self.path, self._end)
            raise
        self.rows += len(self._waiting)
        self._end += len(content)
        self._waiting.clear()


def check_metrics(path: FilePath) -> None:
    """ConfigError if ``path`` is a file that is not empty and does not hold metrics."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            first = file.readline(65536)
    except FileNotFoundError:
        return
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"cannot write metrics to {path}: {reason_of(error)}; name another file"
        ) from None
    begun = first.startswith(_START) or _START.startswith(first)  # cut short by a kill, or empty
    if not begun and not _is_row(first):
        raise ConfigError(
            f"{path} exists and does not hold the metrics of a run, so it is not overwritten; "
            "name another file, or remove it"
        )


def read_rows(path: FilePath) -> list[dict[str, Any]]:
    """The rows of a metrics file; a last one that was cut short is left out. Raises OSError."""
    with Path(path).open("rb") as file:
        return [json.loads(line) for line in file if line.endswith(b"\n") and _is_row(line)]


def _is_row(line: bytes) -> bool:
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return False
    return isinstance(row, dict) and row.keys() >= _KEYS


def _line(row: Mapping[str, Any]) -> bytes:
    return json.dumps(finite_values(row), allow_nan=False).encode() + b"\n"
