"""Reading a benchmark's result: which row of a work answers which question."""

from __future__ import annotations

import json
from os import PathLike
from pathlib import Path
from typing import Any

from fastlm.errors import FastlmError

__all__ = ["FORMAT", "best_row", "our_row", "read_result", "tokens_per_second"]

FORMAT = 3


def read_result(path: str | PathLike[str]) -> dict[str, Any]:
    """What ``fastlm bench --json`` printed; FastlmError when the file is something else."""
    try:
        result = json.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise FastlmError(f"{path}: {error.strerror or error}; check the name") from None
    except ValueError:
        result = None
    if not isinstance(result, dict) or "works" not in result or result.get("format") != FORMAT:
        raise FastlmError(
            f"{path} is not a result of format {FORMAT}; name a file that "
            "`fastlm bench --json` wrote"
        )
    return result


def our_row(work: dict[str, Any]) -> dict[str, Any]:
    """fastlm with its own choice of threads."""
    row: dict[str, Any] = work["rows"][-1]
    return row


def best_row(work: dict[str, Any], kind: str, threads: int | None = None) -> dict[str, Any] | None:
    """The fastest row of this kind, with this number of threads if it is given; None: no such."""
    rows = [
        row
        for row in work["rows"]
        if row["kind"] == kind and (threads is None or row["threads"] == threads)
    ]
    return max(rows, key=tokens_per_second, default=None)


def tokens_per_second(row: dict[str, Any]) -> float:
    median: float = row["tokens_per_second"]["median"]
    return median
