"""Large arrays in memory, or beyond a budget in unnamed temporary files."""

from __future__ import annotations

import tempfile
import weakref
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastlm.errors import CorpusError
from fastlm.system.atomic_file import reason_of
from fastlm.system.resources import usable_memory
from fastlm.types import FilePath

__all__ = ["ArrayMemory"]

_SHARE = 2  # of the machine's memory: 1 / _SHARE
_ZEROS = bytes(1 << 20)


class ArrayMemory:
    """Makes arrays, in memory until a budget is used up.

    A file's space is taken when it is made: a disk that becomes full later would end the process.
    The file goes with its array.

    Parameters
    ----------
    budget : int, optional
        Bytes of the arrays that are in memory at one time; without it half of what is usable.
    folder : path, optional
        Where the files are; the system's folder for temporary files if not given.
    """

    def __init__(self, budget: int | None = None, folder: FilePath | None = None) -> None:
        if budget is None:
            usable = usable_memory()
            budget = None if usable is None else usable // _SHARE
        self._left = budget
        self._folder = folder
        self.on_disk = 0
        """Bytes that went to files so far."""

    def empty(self, size: int, dtype: DTypeLike) -> NDArray[Any]:
        """Return an array of ``size`` elements, not initialised.

        Raises
        ------
        CorpusError
            If there is no room for it on the disk.
        """
        nbytes = size * np.dtype(dtype).itemsize
        if self._left is None or nbytes <= self._left or size == 0:
            array = np.empty(size, dtype)
            if self._left is not None:
                self._left -= nbytes
                weakref.finalize(array, self._give_back, nbytes)
            return array
        self.on_disk += nbytes
        return self._in_file(size, np.dtype(dtype))

    def rows(self, sizes: Sequence[int], dtype: DTypeLike) -> list[NDArray[Any]]:
        """Return arrays of these sizes that lie one after the other, not initialised.

        A model's levels do: what takes them as one array needs no copy.
        """
        whole = self.empty(sum(sizes), dtype)
        ends = np.cumsum(sizes, dtype=np.int64).tolist()
        return [whole[end - size : end] for end, size in zip(ends, sizes, strict=True)]

    def _give_back(self, nbytes: int) -> None:
        if self._left is not None:
            self._left += nbytes

    def _in_file(self, size: int, dtype: np.dtype[Any]) -> NDArray[Any]:
        nbytes = size * dtype.itemsize
        try:
            with tempfile.TemporaryFile(dir=self._folder, prefix="fastlm-counts-") as file:
                for start in range(0, nbytes, len(_ZEROS)):
                    file.write(_ZEROS[: nbytes - start])
                file.flush()
                # As a plain array: a subclass is slower to index, and the same to kernels.
                return np.asarray(np.memmap(file, dtype, "r+", shape=(size,)))
        except OSError as error:
            place = self._folder or tempfile.gettempdir()
            raise CorpusError(
                f"counting needs {nbytes / 1e6:,.0f} MB in {place}: {reason_of(error)}; "
                "set TMPDIR to a folder with more room"
            ) from None
