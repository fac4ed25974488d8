"""The cache folder: where it is, how it is made, and which names in it are fastlm's own."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

from fastlm.errors import StoreError
from fastlm.wording import setting

__all__ = [
    "PRIVATE_FILE",
    "cache_folder",
    "is_finished_entry",
    "is_own_entry",
    "make_cache_folder",
    "spool_folder",
]

PRIVATE_FILE = 0o600
"""The mode of files in the cache folder: a text may be secret, and so is what is made of it."""

_PRIVATE_FOLDER = 0o700
# A store or a stamp; what an interrupted process leaves has a longer name (``atomic_file``).
_OWN_ENTRY = re.compile(r"[0-9a-f]{32}\.(?:tokens|checked)(\.tmp-[0-9a-f]{8}-\d+-[0-9a-f]{8})?")


def cache_folder() -> Path:
    """Return FASTLM_CACHE, else ``fastlm`` in the system's folder for caches.

    Raises
    ------
    StoreError
        Where the user has no home folder.
    """
    given = os.environ.get("FASTLM_CACHE", "").strip()
    try:
        return Path(given).expanduser() if given else _system_folder()
    except RuntimeError:
        raise StoreError(
            "there is no home folder for the cache; set FASTLM_CACHE to a folder that you may "
            f"write to, or use {setting('cache', False)}"
        ) from None


def _system_folder() -> Path:
    if os.name == "nt":
        local = os.environ.get("LOCALAPPDATA", "")
        return (Path(local) if local else Path.home() / "AppData" / "Local") / "fastlm" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "fastlm"
    base = os.environ.get("XDG_CACHE_HOME", "")
    # The XDG specification: a path that is not absolute does not count.
    return (Path(base) if os.path.isabs(base) else Path.home() / ".cache") / "fastlm"


def make_cache_folder() -> Path:
    """Return the cache folder, made for its owner alone where it is not there; may raise OSError.

    Raises
    ------
    StoreError
        See ``cache_folder``.
    """
    folder = cache_folder()
    # ``mkdir(parents=True)`` gives the mode to the last folder only.
    for missing in reversed([folder, *folder.parents]):
        if not missing.exists():
            missing.mkdir(mode=_PRIVATE_FOLDER, exist_ok=True)
    folder.mkdir(mode=_PRIVATE_FOLDER, exist_ok=True)  # raises for a file of that name
    return folder


def spool_folder() -> Path | None:
    """Return the cache folder for temporary copies; None where it is not there, or not writable."""
    try:
        folder = cache_folder()
    except StoreError:
        return None
    return folder if os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK) else None


def is_own_entry(path: Path) -> bool:
    """Tell whether a file of the cache folder has a name that only fastlm gives."""
    return _OWN_ENTRY.fullmatch(path.name) is not None and path.is_file() and not path.is_symlink()


def is_finished_entry(path: Path) -> bool:
    """Tell whether an own entry has its final name."""
    found = _OWN_ENTRY.fullmatch(path.name)
    return found is not None and found[1] is None
