"""The cache folder of token stores that training makes for itself.

A store lies in the user's cache folder under a name that stands for the text (names, sizes and
times of the files, or a digest of the text) and all settings that decide what comes out. When one
is added, stores not used for 30 days are removed, and then the least recently used, until all
together take at most 20 GB, or ``FASTLM_CACHE_LIMIT`` (GB).
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import time
from pathlib import Path
from typing import Any

from fastlm.data.cache_folder import (
    cache_folder,
    is_finished_entry,
    is_own_entry,
    make_cache_folder,
)
from fastlm.data.progress import ProgressReporter
from fastlm.data.token_store import TokenStore
from fastlm.errors import ConfigError, StoreError
from fastlm.wording import setting

__all__ = ["cache_path", "open_cached", "remove_old_stores"]

_DAY = 86_400  # seconds
_STORE_DAYS = 30
_UNFINISHED_DAYS = 1
_LIMIT_GB = 20.0
_SUFFIX = ".tokens"


def cache_path(settings: dict[str, Any]) -> Path:
    """Return where the store with these settings (JSON values) lies, if it is there.

    Makes the folder.

    Raises
    ------
    StoreError
        When it cannot be made.
    """
    try:
        folder = make_cache_folder()
    except OSError as error:
        raise StoreError(
            f"the cache folder {cache_folder()} cannot be made: {error.strerror or error}; set "
            "FASTLM_CACHE to a folder that you may write to, or use "
            f"{setting('cache', False)}"
        ) from None
    text = json.dumps(settings, sort_keys=True, separators=(",", ":"))
    return folder / f"{hashlib.sha256(text.encode()).hexdigest()[:32]}{_SUFFIX}"


def open_cached(
    path: Path, settings: dict[str, Any], reporter: ProgressReporter | None = None
) -> TokenStore | None:
    """Open the store that lies there; None where there is none, or one that is not sound."""
    try:
        store = TokenStore.open(path, reporter=reporter)
    except StoreError:
        return None
    if store.metadata["settings"] != settings:
        return None
    store.mark_used()
    return store


def remove_old_stores(keep: Path) -> None:
    """Remove stores that are old or too many; never ``keep``, nor what is not fastlm's."""
    limit = _limit_bytes()
    entries: list[tuple[float, int, Path]] = []
    now = time.time()
    paths: list[Path] = []
    with contextlib.suppress(OSError):
        paths += keep.parent.iterdir()
    for path in filter(is_own_entry, paths):
        with contextlib.suppress(OSError):
            status = path.stat()
            finished = is_finished_entry(path)
            days = _STORE_DAYS if finished else _UNFINISHED_DAYS
            if path != keep and now - status.st_mtime > days * _DAY:
                path.unlink()
            elif finished:
                entries.append((status.st_mtime, status.st_size, path))
    total = sum(size for _, size, _ in entries)
    for _, size, path in sorted(entries):
        if total <= limit:
            break
        # Windows does not remove a file that is in use.
        with contextlib.suppress(OSError):
            if path != keep and path.suffix == _SUFFIX:
                path.unlink()
                total -= size


def _limit_bytes() -> float:
    variable = os.environ.get("FASTLM_CACHE_LIMIT", "").strip()
    try:
        limit = float(variable or _LIMIT_GB)
    except ValueError:
        limit = -1.0
    if not limit >= 0:
        raise ConfigError(
            f"FASTLM_CACHE_LIMIT is {variable!r}; set it to a number of gigabytes, such as 20"
        )
    return limit * 1e9
