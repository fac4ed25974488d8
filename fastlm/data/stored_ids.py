"""Token ids mapped from a store, with what is known of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["StoredIds"]


class StoredIds(np.ndarray[Any, np.dtype[Any]]):
    """Token ids of a store, mapped from the file and not writable.

    ids_below : V; every id was read and is below it. None where none was, and for arrays made from
        these, slices included.
    counts : int64[V], how often each id occurs, counted; None where that is not known
    check_unchanged : see ``TokenStore``; slices have it, too
    """

    ids_below: int | None = None
    counts: NDArray[np.int64] | None = None
    check_unchanged: Callable[[], None] | None = None

    def __array_finalize__(self, source: Any) -> None:
        self.check_unchanged = getattr(source, "check_unchanged", None)
