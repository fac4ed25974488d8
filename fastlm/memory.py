"""How much memory is there for this process, and how is text shuffled that is larger?"""

from __future__ import annotations

import ctypes
import os
from pathlib import Path
from typing import Any

from fastlm.control_groups import MEMBERSHIP, ROOT, control_groups
from fastlm.corpus import size_text

__all__ = ["automatic_window", "usable_memory"]

# Of the memory: pages of the ids that a window is put together from have to stay in it, beside the
# model and what other processes need.
_LARGE = 1 / 2
_WINDOW = 1 / 4


def automatic_window(ids: Any) -> tuple[int | None, str]:
    """(``shuffle_window`` for these ids, why): None and "" where they fit into memory.

    Ids in memory, and those that take up to half of it, are shuffled as a whole: read in random
    order, a larger file would be brought from the disk page by page, for a token each.

    ids : uint16[T] or uint32[T], mapped (``fastlm.store``) or not
    """
    memory = usable_memory()
    if memory is None or not hasattr(ids, "ids_below") or ids.nbytes <= _LARGE * memory:
        return None, ""
    window = max(1, int(_WINDOW * memory) // ids.itemsize)
    return window, (
        f"the tokens ({size_text(ids.nbytes)}) take more than half of the memory "
        f"({size_text(memory)}): shuffled within {window:,} at a time, from all over the text"
    )


def usable_memory() -> int | None:
    """Bytes of memory that this process may use: what the machine has, or the limit of its control
    groups (cgroup v1, v2); None where the system does not say."""
    machine = _machine_memory()
    known = [size for size in (machine, _cgroup_limit(MEMBERSHIP, ROOT)) if size is not None]
    return min(known, default=None)


def _machine_memory() -> int | None:
    try:
        if os.name == "nt":
            return _windows_memory()
        pages, size = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return None
    return pages * size if pages > 0 and size > 0 else None


class _MemoryStatus(ctypes.Structure):
    """MEMORYSTATUSEX of the Windows API."""

    _fields_ = (
        ("length", ctypes.c_uint32),
        ("load", ctypes.c_uint32),
        *((name, ctypes.c_uint64) for name in (
            "total", "available", "total_file", "available_file", "total_virtual",
            "available_virtual", "extended",
        )),
    )  # fmt: skip


def _windows_memory() -> int | None:
    status = _MemoryStatus()
    status.length = ctypes.sizeof(status)
    kernel: Any = getattr(ctypes, "windll").kernel32  # noqa: B009  (only there on Windows)
    found = kernel.GlobalMemoryStatusEx(ctypes.byref(status))
    return int(status.total) if found else None


def _cgroup_limit(membership: Path, root: Path) -> int | None:
    """The smallest limit, in bytes, of this process's control group and its parents."""
    limits: list[int] = []
    for version, folder in control_groups("memory", membership, root):
        name = "memory.max" if version == 2 else "memory.limit_in_bytes"
        try:
            limits.append(int((folder / name).read_text()))
        except (OSError, ValueError):  # no such file, or "max": no limit
            continue
    return min((limit for limit in limits if limit > 0), default=None)
