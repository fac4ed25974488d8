"""Stamps: notes that a token store was read as a whole and found sound, so that once is enough.

A stamp lies in the cache folder under a name that stands for the store's path. It holds what tells
whether the file is unchanged: device, inode, size, times of the last change, checksums. Where none
can be written or read, the store is read again.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os

from fastlm.data.cache_folder import PRIVATE_FILE, cache_folder, make_cache_folder
from fastlm.data.token_store_format import StoreHeader
from fastlm.errors import StoreError
from fastlm.system.atomic_file import NewFile
from fastlm.types import FilePath

__all__ = ["is_stamped", "stamp"]


def is_stamped(path: FilePath, status: os.stat_result, header: StoreHeader) -> bool:
    """Tell whether a store was found sound and is unchanged.

    Parameters
    ----------
    path : path
    status : os.stat_result
        Of the open file.
    header : StoreHeader
        Its header.
    """
    try:
        content = (cache_folder() / _name(path)).read_bytes()
    except (OSError, ValueError, StoreError):
        return False
    return content == _content(status, header)


def stamp(path: FilePath, status: os.stat_result, header: StoreHeader) -> None:
    """Remember that a store with this status, from before it was read, is sound."""
    with contextlib.suppress(OSError, ValueError, StoreError):
        target = make_cache_folder() / _name(path)
        with NewFile(target, PRIVATE_FILE) as file:
            file.write(_content(status, header))
            file.finish()


def _name(path: FilePath) -> str:
    whole = os.path.realpath(os.fspath(path))
    return f"{hashlib.sha256(os.fsencode(whole)).hexdigest()[:32]}.checked"


def _content(status: os.stat_result, header: StoreHeader) -> bytes:
    facts = {
        "device": status.st_dev,
        "inode": status.st_ino,
        "size": status.st_size,
        "mtime_ns": status.st_mtime_ns,
        "ctime_ns": status.st_ctime_ns,
        "header": list(header),
    }
    return json.dumps(facts, sort_keys=True).encode("ascii")
