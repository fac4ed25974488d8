"""Token arrays as the kernels take them: checked, cast and counted."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm.errors import ConfigError
from fastlm_kernels.runtime.arguments import Tokens

__all__ = ["token_array", "token_counts", "tokens_identity"]

# Ids of at most so many bytes are read whole to check them, whoever vouches for them.
_READ_WHOLE = 1 << 28


_SAMPLES, _SAMPLE = 64, 1 << 16


_COUNTED = 1 << 22


def token_array(ids: Any, vocab: int) -> Tokens:
    """Token ids as kernels take them; the one place where ids are checked.

    ids : a 1-D array of integers in 0 .. vocab - 1; uint16 and uint32 arrays are not copied
    """
    array = np.asarray(ids)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ConfigError(
            f"tokens are {array.dtype} of shape {array.shape}; give a 1-D array of integer ids"
        )
    below = getattr(ids, "ids_below", None)
    trusted = below is not None and below <= vocab
    low, high = _extremes(array, trusted)
    if low < 0 or high >= vocab:
        worst = low if low < 0 else high
        raise ConfigError(
            f"token id {worst} is outside 0..{vocab - 1}; "
            "encode the text with the model's tokenizer"
        )
    if array.dtype.itemsize <= 2 and array.dtype != np.uint16:
        array = array.astype(np.uint16)
    elif array.dtype.itemsize > 2 and array.dtype != np.uint32:
        array = array.astype(np.uint16 if vocab <= 2**16 else np.uint32)
    array = np.ascontiguousarray(array)
    if not array.flags.writeable:
        # A read-only array is another type to Numba and would compile every kernel once more.
        array = np.asarray(_Writable(array))
    return Tokens(array.view(np.uint16), array.dtype.itemsize // 2)


def _extremes(array: NDArray[Any], trusted: bool) -> tuple[int, int]:
    """(least, greatest) of the ids; (0, 0) of none.

    trusted : whoever wrote the ids says that they are in range. Where they are too many to read for
        nothing, samples from all over the array are then enough.
    """
    parts = [array]
    if trusted and array.nbytes > _READ_WHOLE:
        starts = np.linspace(0, array.size - _SAMPLE, _SAMPLES, dtype=np.int64)
        parts = [array[start : start + _SAMPLE] for start in starts]
    found = [(int(part.min()), int(part.max())) for part in parts if part.size]
    return min((low for low, _ in found), default=0), max((high for _, high in found), default=0)


class _Writable:
    """The memory of a read-only array, flagged as writable; kernels only read tokens."""

    def __init__(self, array: NDArray[Any]) -> None:
        self._owner = array
        interface = dict(array.__array_interface__)
        interface["data"] = (interface["data"][0], False)
        self.__array_interface__ = interface


def token_counts(ids: Any, vocab: int) -> NDArray[np.int64]:
    """int64[V]: how often each id occurs; checked as ``token_array`` does."""
    known = getattr(ids, "counts", None)
    if known is not None and known.size == vocab:
        return np.asarray(known, dtype=np.int64)
    tokens = ids if isinstance(ids, Tokens) else token_array(ids, vocab)
    flat = tokens.ids if tokens.width == 1 else tokens.ids.view(np.uint32)
    counts = np.zeros(vocab, dtype=np.int64)
    # np.bincount makes a copy of 8 bytes an id.
    for start in range(0, flat.size, _COUNTED):
        counts += np.bincount(flat[start : start + _COUNTED], minlength=vocab)
    return counts


_FINGERPRINT_BYTES = 16


_CHUNK = 1 << 20


def tokens_identity(tokens: Tokens) -> dict[str, Any]:
    """How many tokens, and a fingerprint: BLAKE2b over the ids as 32-bit little-endian numbers.

    The same for 16-bit and 32-bit arrays. About a second per billion bytes.
    """
    ids = tokens.ids if tokens.width == 1 else tokens.ids.view(np.uint32)
    digest = hashlib.blake2b(digest_size=_FINGERPRINT_BYTES)
    for start in range(0, ids.size, _CHUNK):
        digest.update(ids[start : start + _CHUNK].astype("<u4").data)
    return {"tokens": int(ids.size), "fingerprint": digest.hexdigest()}
