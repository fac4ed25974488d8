from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest

from fastlm.counts.array_memory import ArrayMemory
from fastlm.errors import CorpusError


def test_what_fits_is_in_memory(tmp_path: Path) -> None:
    memory = ArrayMemory(1000, tmp_path / "missing")
    array = memory.empty(125, np.float64)
    assert (array.shape, array.dtype) == ((125,), np.float64)
    assert memory.on_disk == 0


def test_what_does_not_is_in_a_file_that_nobody_has_to_remove(tmp_path: Path) -> None:
    memory = ArrayMemory(100, tmp_path)
    array = memory.empty(3_000_000, np.uint32)
    assert type(array) is np.ndarray
    assert not array.any()
    array[:] = np.arange(3_000_000)
    assert array.sum() == 3_000_000 * 2_999_999 // 2
    assert memory.on_disk == 12_000_000
    del array
    assert list(tmp_path.iterdir()) == []


def test_memory_is_given_back() -> None:
    memory = ArrayMemory(100)
    for _ in range(5):
        array = memory.empty(100, np.uint8)
        view = array[::2]
        del array
        assert memory.empty(0, np.uint8).size == 0
        del view
    assert memory.on_disk == 0


def test_an_array_counts_as_long_as_a_view_of_it_lives(tmp_path: Path) -> None:
    memory = ArrayMemory(100, tmp_path)
    view = memory.empty(100, np.uint8).view(np.int8)
    memory.empty(1, np.uint8)
    assert (memory.on_disk, view.size) == (1, 100)


def test_without_a_budget_half_of_the_memory_is_used() -> None:
    assert ArrayMemory().empty(10, np.uint8).size == 10


def test_no_room_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CorpusError, match=r"missing: No such file.*set TMPDIR"):
        ArrayMemory(0, tmp_path / "missing").empty(10, np.uint8)

    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(tempfile, "TemporaryFile", full)
    with pytest.raises(CorpusError, match=r"needs 10 MB in .*: No space left on device"):
        ArrayMemory(0, tmp_path).empty(10_000_000, np.uint8)


def test_rows_lie_one_after_the_other() -> None:
    rows = ArrayMemory().rows([2, 0, 3], np.uint16)
    assert [row.size for row in rows] == [2, 0, 3]
    assert rows[2].ctypes.data == rows[0].ctypes.data + 4
