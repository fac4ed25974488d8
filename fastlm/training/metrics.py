"""The metrics file of a run: a JSON line for each report, none lost and none written twice.

What the numbers mean, perplexity for one, is in ``fastlm.model.figures``.
"""

from __future__ import annotations

import contextlib
import json
import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from fastlm.errors import ConfigError
from fastlm.system.atomic_file import reason_of, sync_file
from fastlm.system.json_values import finite_values
from fastlm.types import FilePath

__all__ = ["MetricsFile", "read_rows"]

# Keys of every row; a file whose first line lacks them is no metrics file.
_KEYS = frozenset({"event", "step", "seconds"})
# The first bytes of every row.
_START = b'{"event"'
# Rows that wait for space on a full disk; beyond these the oldest are dropped.
_MOST_WAITING = 100_000


class MetricsFile:
    """Appends rows to a file (JSON Lines: https://jsonlines.org, UTF-8).

    Every row has ``event`` (``progress``, ``validation`` or ``rollback``), ``step`` and
    ``seconds``; a number that is not finite is null. ``rows`` counts those of the run.

    A character device (``/dev/null``) takes rows too, but keeps none. Raises ConfigError if
    ``path`` is a file of another kind, or cannot be opened.
    """

    def __init__(self, path: FilePath) -> None:
        self.path = Path(path)
        self.rows = 0
        self._waiting: list[bytes] = []
        self._end = 0
        check_metrics(self.path)
        self._is_device = self.path.is_char_device()

    def start(self, rows: int = 0) -> None:
        """Keep the first ``rows`` rows, those that a checkpoint counts; raise OSError.

        Truncating a file is atomic.
        """
        self._waiting.clear()
        if self._is_device:
            self.rows = rows
            return
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

        On an OSError the row waits, and the file ends with a whole row.
        """
        self._waiting.append(_line(row))
        del self._waiting[:-_MOST_WAITING]
        self._write()

    def sync(self) -> None:
        """Bring all rows to the disk, before a checkpoint that counts them; raise OSError."""
        if self._waiting:
            self._write()
        if self.rows and not self._is_device:
            with self.path.open("ab") as file:
                sync_file(file.fileno())

    def _write(self) -> None:
        content = b"".join(self._waiting)
        try:
            with self.path.open("ab") as file:
                file.write(content)
        except OSError:
            # Part of a row may have been written.
            with contextlib.suppress(OSError):
                os.truncate(self.path, self._end)
            raise
        self.rows += len(self._waiting)
        self._end += len(content)
        self._waiting.clear()


def check_metrics(path: FilePath) -> None:
    """Raise ConfigError if ``path`` is a file that is not empty and holds no metrics."""
    path = Path(path)
    try:
        mode = path.stat().st_mode
        if stat.S_ISCHR(mode):
            return
        if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # opening a pipe may wait for ever
            raise ConfigError(
                f"cannot write metrics to {path}: it is a pipe or a device, not a file; name a file"
            )
        with path.open("rb") as file:
            first = file.readline(65536)
    except FileNotFoundError:
        return
    except ConfigError:
        raise
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"cannot write metrics to {path}: {reason_of(error)}; name another file"
        ) from None
    begun = first.startswith(_START) or _START.startswith(first)  # cut short, or empty
    if not begun and not _is_row(first):
        raise ConfigError(
            f"{path} exists and does not hold the metrics of a run, so it is not overwritten; "
            "name another file, or remove it"
        )


def read_rows(path: FilePath) -> list[dict[str, Any]]:
    """Return the rows of a metrics file, without a last one that was cut short; raise OSError."""
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
