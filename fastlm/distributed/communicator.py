"""What ranks need from each other. MPI is one way to have it (``distributed.mpi``)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

__all__ = ["Communicator", "Pending"]

Arrays = Sequence[Sequence[NDArray[np.float32]]]


class Pending(Protocol):
    """Arrays on their way."""

    def wait(self) -> None:
        """Wait until all have arrived, and those sent may be written to again."""


class Communicator(Protocol):
    """The ranks of a run: processes 0 to ``size`` - 1, of which this is ``rank``.

    All ranks make the same calls in the same order.
    """

    @property
    def rank(self) -> int:
        """The number of this rank; rank 0 leads."""

    @property
    def size(self) -> int:
        """The number of ranks."""

    def swap(self, outgoing: Arrays, incoming: Arrays) -> Pending:
        """Start to send outgoing[i] to rank i and to receive incoming[i] from it.

        outgoing, incoming : float32[any] each, contiguous, of equal sizes at both ends; none for
            this rank itself
        """

    def gather(self, value: Any) -> list[Any]:
        """Return the values of all ranks, by rank; they can be pickled."""

    def watched(self) -> AbstractContextManager[None]:
        """Watch the other ranks within the context; what this one fails at alone ends all."""

    def close(self) -> None:
        """Wait for all ranks; from then on each may end, or take long, by itself."""

    def lead(self, value: Any) -> Any:
        """Return the value of rank 0; those of the others are ignored."""
