"""Both communicators have what ranks need from each other."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from fastlm.distributed.communicator import Communicator
from fastlm.distributed.mpi import MpiCommunicator
from tests.distributed.threads import ThreadCommunicator, on_ranks

METHODS = ("swap", "gather", "lead", "watched", "close")


@pytest.mark.parametrize("kind", [MpiCommunicator, ThreadCommunicator])
@pytest.mark.parametrize("name", METHODS)
def test_the_same_methods(kind, name):
    mine, theirs = (inspect.signature(getattr(each, name)) for each in (kind, Communicator))
    assert list(mine.parameters) == list(theirs.parameters)


def test_ranks_as_threads():
    def work(communicator):
        other = 1 - communicator.rank
        arrays = [np.full(3, communicator.rank, dtype=np.float32)]
        into = [np.empty(3, dtype=np.float32)]
        nothing = []
        outgoing = [nothing, arrays] if other else [arrays, nothing]
        incoming = [nothing, into] if other else [into, nothing]
        communicator.swap(outgoing, incoming).wait()
        values = communicator.gather(communicator.rank)
        return into[0].tolist(), values, communicator.lead(communicator.rank)

    assert on_ranks(2, work) == [([1, 1, 1], [0, 1], 0), ([0, 0, 0], [0, 1], 0)]
