"""Processors and memory that this process may use, control groups included."""

from __future__ import annotations

import ctypes
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from fastlm.checks import check_most, shown
from fastlm.errors import ConfigError
from fastlm.limits import LIMITS, check_setting

__all__ = ["available_processors", "thread_count", "usable_memory"]

# Where Linux says which control groups this process is in, and where they are mounted.
_MEMBERSHIP = Path("/proc/self/cgroup")
_ROOT = Path("/sys/fs/cgroup")


def thread_count(threads: int | None = None) -> int:
    """Return the number of threads to use: `threads`, else FASTLM_THREADS, else what is available.

    Raises
    ------
    ConfigError
        Where it is no whole number of at least 1.
    """
    if threads is not None:
        return int(check_setting("threads", threads))
    variable = os.environ.get("FASTLM_THREADS", "").strip()
    if variable:
        # Digits of a limited number: Python converts no more than 4,300.
        if not variable.isdecimal() or len(variable) > 18 or int(variable) < 1:
            raise ConfigError(
                f"FASTLM_THREADS is {shown(variable)}; set it to a whole number of at least 1"
            )
        check_most("FASTLM_THREADS", int(variable), LIMITS["threads"].most or 1)
        return int(variable)
    return available_processors()


def available_processors() -> int:
    """Return the number of processors that affinity and container quota (cgroup v1, v2) allow."""
    try:
        count = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        count = os.cpu_count() or 1
    quota = _cgroup_quota(_MEMBERSHIP, _ROOT)
    # A quota of 1.5 processors is used by two threads for three quarters of the time.
    return max(1, count if quota is None else min(count, -int(-quota // 1)))


def _cgroup_quota(membership: Path, root: Path) -> float | None:
    """Return the smallest CPU quota, in processors, of this process's group and its parents."""
    quotas: list[float] = []
    for version, group in _control_groups("cpu", membership, root):
        if version == 2:
            quotas += _read_quota(group / "cpu.max")
        else:
            quotas += _read_quota(group / "cpu.cfs_quota_us", group / "cpu.cfs_period_us")
    return min(quotas, default=None)


def _read_quota(*files: Path) -> list[float]:
    try:
        words = [word for file in files for word in file.read_text().split()]
        quota, period = float(words[0]), float(words[1])
    except (OSError, ValueError, IndexError):  # no such file, or "max": no limit
        return []
    return [quota / period] if quota > 0 and period > 0 else []


def _control_groups(controller: str, membership: Path, root: Path) -> Iterator[tuple[int, Path]]:
    """Yield (version, folder) of this process's control groups and their parents.

    The controller is "cpu" or "memory"; a folder need not exist.
    """
    try:
        lines = membership.read_text().splitlines()
    except (OSError, UnicodeDecodeError):
        return
    for line in lines:
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        relative = Path(path.lstrip("/"))
        if controllers == "":
            for group in (relative, *relative.parents):
                yield 2, root / group
        elif controller in controllers.split(","):
            # A container often sees its own group as the root, whatever the path says.
            for group in (relative, *relative.parents):
                yield 1, root / controller / group


def usable_memory() -> int | None:
    """Return the bytes of memory that the machine has and control groups (v1, v2) allow.

    None where the system does not say.
    """
    machine = _machine_memory()
    known = [size for size in (machine, _cgroup_limit(_MEMBERSHIP, _ROOT)) if size is not None]
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
    """Return the smallest limit, in bytes, of this process's control group and its parents."""
    limits: list[int] = []
    for version, folder in _control_groups("memory", membership, root):
        name = "memory.max" if version == 2 else "memory.limit_in_bytes"
        try:
            limits.append(int((folder / name).read_text()))
        except (OSError, ValueError):  # no such file, or "max": no limit
            continue
    return min((limit for limit in limits if limit > 0), default=None)
