"""Which control groups (Linux cgroups) is this process in? Containers are bounded by them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

__all__ = ["MEMBERSHIP", "ROOT", "control_groups"]

MEMBERSHIP = Path("/proc/self/cgroup")
ROOT = Path("/sys/fs/cgroup")


def control_groups(
    controller: str, membership: Path = MEMBERSHIP, root: Path = ROOT
) -> Iterator[tuple[int, Path]]:
    """Yield (cgroup version, folder) of this process's group and its parents, for a controller such
    as ``cpu``; nothing where there are none. A folder need not exist."""
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
