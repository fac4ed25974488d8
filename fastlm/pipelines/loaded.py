"""Models by their files, loaded once a process and mapped into memory."""

from __future__ import annotations

import os
import threading
from pathlib import Path

from fastlm.api.language_model import LanguageModel, load
from fastlm.errors import MissingModelError
from fastlm.types import FilePath

__all__ = ["absolute_path", "loaded_model"]

_lock = threading.Lock()
_models: dict[str, tuple[tuple[int, int], LanguageModel]] = {}


def absolute_path(path: FilePath) -> str:
    """Return the path of a model file as other processes can use it, in any folder.

    Raises
    ------
    MissingModelError
        Where there is no such file.
    """
    found = os.path.abspath(os.fspath(path))
    if not Path(found).is_file():
        raise MissingModelError(f"there is no file {path}; check the name, or train a model first")
    return found


def loaded_model(path: str) -> LanguageModel:
    """Return the model in a file; all callers in a process share one, as long as the file stays.

    Raises
    ------
    ModelFileError
        As ``fastlm.load``.
    """
    try:
        status = os.stat(path)
        version = (status.st_size, status.st_mtime_ns)
    except OSError:
        version = (-1, -1)
    with _lock:
        known = _models.get(path)
        if known is None or known[0] != version:
            known = _models[path] = (version, load(path, mmap=True))
        return known[1]
