"""The lines of a training text, as hashes: enough to tell a line that is new."""

from __future__ import annotations

import sys
from array import array
from collections.abc import Sequence
from hashlib import blake2b
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm.errors import ModelFileError

__all__ = ["HASH_BYTES", "TENSOR", "Remembered"]

HASH_BYTES = 8
"""Bytes for each line: that one of ten million new lines is taken for one of ten million
remembered ones has a chance of 1 in 180,000."""

TENSOR = "remembered"
"""The name of the hashes in a model file, uint64[lines]."""


class Remembered:
    """The distinct lines of a text, of which only hashes of their ids are kept.

    Parameters
    ----------
    hashes : uint64[lines]
        The first 8 bytes of BLAKE2b of each line's ids (little-endian, in the tokenizer's dtype),
        read as a little-endian number; strictly increasing.
    """

    def __init__(self, hashes: NDArray[np.uint64]) -> None:
        self.hashes = hashes

    def __len__(self) -> int:
        return int(self.hashes.size)

    @classmethod
    def of(cls, arrays: Sequence[NDArray[Any]], ends: Sequence[int]) -> Remembered:
        """Return the lines of token arrays; empty lines are none.

        Parameters
        ----------
        arrays : sequence of uint16[T] or uint32[T]
        ends : sequence of int
            The ids that end a line.
        """
        found = array("Q")
        for ids in arrays:
            stops = [*np.flatnonzero(np.isin(ids, list(ends))).tolist(), ids.size]
            data, width = _bytes(ids), ids.dtype.itemsize
            start = 0
            for stop in stops:
                if stop > start:
                    found.append(_hash(data[start * width : stop * width]))
                start = stop + 1
        return cls(np.unique(np.array(found, dtype=np.uint64)))

    def with_more(self, more: Remembered) -> Remembered:
        """Return the lines of both."""
        return Remembered(np.union1d(self.hashes, more.hashes))

    def holds(self, ids: NDArray[Any]) -> bool:
        """Tell whether a line of these ids, in the tokenizer's dtype, is among them."""
        wanted = np.uint64(_hash(_bytes(ids)))
        at = int(np.searchsorted(self.hashes, wanted))
        return at < len(self) and bool(self.hashes[at] == wanted)

    @classmethod
    def from_tensor(cls, hashes: NDArray[Any]) -> Remembered:
        """Return the lines of a file; a ModelFileError for what is no set of hashes."""
        if hashes.dtype != np.uint64 or hashes.ndim != 1 or (hashes[1:] <= hashes[:-1]).any():
            raise ModelFileError(f"its {TENSOR} lines are not uint64 in increasing order")
        return cls(hashes)


def _bytes(ids: NDArray[Any]) -> memoryview:
    little: NDArray[Any] = ids if sys.byteorder == "little" else ids.byteswap()
    return np.ascontiguousarray(little).view(np.uint8).data


def _hash(data: memoryview) -> int:
    return int.from_bytes(blake2b(data, digest_size=HASH_BYTES).digest(), "little")
