"""How many threads, and running one kernel call on a team of them."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastlm.control_groups import MEMBERSHIP, ROOT, control_groups
from fastlm.errors import ConfigError
from fastlm.placement import Placement

if TYPE_CHECKING:
    from fastlm_kernels.team import Team

__all__ = ["available_processors", "run_team", "thread_count"]


def thread_count(threads: int | None = None) -> int:
    """The number of threads to use: ``threads``, else FASTLM_THREADS, else what is available.

    Raises ConfigError where it is no whole number of at least 1.
    """
    if threads is not None:
        if isinstance(threads, bool) or not isinstance(threads, int) or threads < 1:
            raise ConfigError(f"threads is {threads!r}; give a whole number of at least 1")
        return threads
    variable = os.environ.get("FASTLM_THREADS", "").strip()
    if variable:
        if not variable.isdecimal() or int(variable) < 1:
            raise ConfigError(
                f"FASTLM_THREADS is {variable!r}; set it to a whole number of at least 1"
            )
        return int(variable)
    return available_processors()


def available_processors() -> int:
    """Processors that this process may use: affinity and container quota (cgroup v1, v2) kept."""
    try:
        count = len(os.sched_getaffinity(0))
    except AttributeError:  # macOS, Windows
        count = os.cpu_count() or 1
    quota = _cgroup_quota(MEMBERSHIP, ROOT)
    # A quota of 1.5 processors is used by two threads for three quarters of the time.
    return max(1, count if quota is None else min(count, -int(-quota // 1)))


def _cgroup_quota(membership: Path, root: Path) -> float | None:
    """The smallest CPU quota, in processors, of this process's control group and its parents."""
    quotas: list[float] = []
    for version, group in control_groups("cpu", membership, root):
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


def run_team(
    threads: int,
    call: Callable[..., Any],
    arguments: Callable[[int, Team], Sequence[Any]],
    own: NDArray[np.int64] | None = None,
) -> None:
    """Run ``call(*arguments(i, team))`` for i = 0 .. threads - 1 at once; i = 0 in this thread.

    team : the ticket counter that the calls share, and what each thread knows of itself
    own : int64[threads or more, OWN_SIZE], what they knew after the call before; None: nothing
    An exception in any of them stops all at their next tile and is raised here.
    """
    # Not at the top: preparing text counts threads, and may do without Numba.
    from fastlm_kernels.jit import JIT_DISABLED
    from fastlm_kernels.team import AWAY, OWN_SIZE, STOP, SYNC_SIZE, Team

    sync = np.zeros(SYNC_SIZE, dtype=np.int64)
    if own is None:
        own = np.zeros((threads, OWN_SIZE), dtype=np.int64)
    own[:, AWAY] = 0  # other threads of the system than in the call before
    if JIT_DISABLED:
        threads = 1  # no atomics in plain Python
    failures: list[BaseException] = []
    placement = Placement()

    def work(index: int) -> None:
        try:
            if threads > 1:
                placement.settle()
            # NumPy scalars warn where unsigned kernel arithmetic wraps around on purpose; that is
            # only met with JIT off.
            with np.errstate(over="ignore"):
                call(*arguments(index, Team(sync, own[index])))
        except BaseException as error:
            sync[STOP] = 1
            failures.append(error)

    helpers = [
        threading.Thread(target=work, args=(index,), name=f"fastlm-{index}", daemon=True)
        for index in range(1, threads)
    ]
    try:
        for helper in helpers:
            helper.start()
        work(0)
    finally:
        # Whatever interrupts this must not leave threads behind that write to arrays.
        for helper in helpers:
            if helper.ident is not None:
                helper.join()
    if failures:
        raise failures[0]
