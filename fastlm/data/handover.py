"""A dataset as one process hands it to another: ids in memory go along, a store by its name."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from fastlm.data.dataset import Dataset
from fastlm.data.stored_ids import StoredIds
from fastlm.data.token_store import TokenStore
from fastlm.data.token_store_format import StoreHeader
from fastlm.errors import StoreError

__all__ = ["handed_over", "taken_over"]


@dataclass(frozen=True)
class _Stored:
    """The ids start <= t < stop of a store."""

    path: Path
    header: StoreHeader
    start: int
    stop: int


def handed_over(data: Dataset) -> Dataset:
    """Return the dataset with the names of stores in place of ids that are mapped from them."""
    return dataclasses.replace(data, train=_named(data.train), valid=_named(data.valid))


def taken_over(data: Dataset) -> Dataset:
    """Return the dataset that ``handed_over`` was given, with stores opened here.

    Raises
    ------
    StoreError
        For a store that cannot be opened here, or has another content.
    """
    return dataclasses.replace(data, train=_opened(data.train), valid=_opened(data.valid))


def _named(ids: Any) -> Any:
    store = getattr(getattr(ids, "check_unchanged", None), "__self__", None)
    if not isinstance(store, TokenStore):
        return ids
    start = (ids.ctypes.data - store.ids.ctypes.data) // ids.itemsize
    return _Stored(store.path.absolute(), store.header, start, start + ids.size)


def _opened(ids: Any) -> Any:
    if not isinstance(ids, _Stored):
        return ids
    store = TokenStore.open(ids.path)
    if store.header != ids.header:
        raise StoreError(
            f"{ids.path} is another store here than on rank 0 (checksum "
            f"{store.header.ids_crc:08x}, not {ids.header.ids_crc:08x}); copy that of rank 0 to it"
        )
    whole = store.ids
    part = cast(StoredIds, whole[ids.start : ids.stop])
    part.ids_below = whole.ids_below  # else they would all be read again
    return part
