"""The window within which the tokens of a store larger than the memory are shuffled."""

from __future__ import annotations

from typing import Any

from fastlm.data.scan import format_bytes
from fastlm.system.resources import usable_memory

__all__ = ["automatic_window"]

# Fractions of the memory. The pages of the ids that a window is put together from have to stay in
# it, beside the model and what other processes need.
_LARGE_STORE = 1 / 2
_WINDOW = 1 / 4


def automatic_window(ids: Any) -> tuple[int | None, str]:
    """Return (``shuffle_window`` for these ids, why); (None, "") where they fit into memory.

    Ids in memory, and those that take up to half of it, are shuffled as a whole: read in random
    order, a larger file would be brought from the disk page by page, for a token each.

    Parameters
    ----------
    ids : uint16[T] or uint32[T]
        Mapped (``fastlm.data.token_store``) or not.
    """
    memory = usable_memory()
    if memory is None or not hasattr(ids, "ids_below") or ids.nbytes <= _LARGE_STORE * memory:
        return None, ""
    window = max(1, int(_WINDOW * memory) // ids.itemsize)
    return window, (
        f"the tokens ({format_bytes(ids.nbytes)}) take more than half of the memory "
        f"({format_bytes(memory)}): shuffled within {window:,} at a time, from all over the text"
    )
