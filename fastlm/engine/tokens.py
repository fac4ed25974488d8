"""Arrays from outside, checked once and cast to what the kernels take."""

from __future__ import annotations

import hashlib
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm.config import ModelConfig
from fastlm.engine.network import first_target
from fastlm.errors import ConfigError
from fastlm_kernels.runtime.arguments import Tokens

__all__ = [
    "as_writable",
    "check_params",
    "count_examples",
    "flat_ids",
    "token_array",
    "token_counts",
    "tokens_identity",
]

_COUNT_IDS = 1 << 22  # ids per call of np.bincount, which copies them to 8 bytes each
_FINGERPRINT_BYTES = 16
_FINGERPRINT_IDS = 1 << 20  # ids hashed at a time


def token_array(ids: Any, vocab: int) -> Tokens:
    """Return token ids as the kernels take them, checked.

    Parameters
    ----------
    ids : int[T]
        Ids in 0 .. vocab - 1; uint16 and uint32 arrays are not copied. An attribute ``ids_below``
        says that all were read and are below it (``TokenStore``): of at most ``vocab``, they are
        not read again.
    vocab : int
        The number of ids.

    Raises
    ------
    ConfigError
        If ``ids`` is no 1-D array of integers, or an id is out of range.
    """
    array = np.asarray(ids)
    if array.ndim != 1 or array.dtype.kind not in "iu":
        raise ConfigError(
            f"tokens are {array.dtype} of shape {array.shape}; give a 1-D array of integer ids"
        )
    below = getattr(ids, "ids_below", None)
    low = high = 0
    if array.size and (below is None or below > vocab):
        low, high = int(array.min()), int(array.max())
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
    array = as_writable(array)
    return Tokens(array.view(np.uint16), array.dtype.itemsize // 2)


def flat_ids(tokens: Tokens) -> NDArray[np.uint16] | NDArray[np.uint32]:
    """Return the ids of a token array: uint16[T] or uint32[T], a view."""
    return tokens.ids if tokens.width == 1 else tokens.ids.view(np.uint32)


def as_writable(array: NDArray[Any]) -> NDArray[Any]:
    """Return an array that is flagged as writable, for kernels that only read it.

    A read-only array is another type to Numba and would compile every kernel once more.
    """
    array = np.asarray(array)
    return array if array.flags.writeable else np.asarray(_Writable(array))


class _Writable:
    """The memory of a read-only array, flagged as writable; kernels only read tokens."""

    def __init__(self, array: NDArray[Any]) -> None:
        self._owner = array
        interface = dict(array.__array_interface__)
        interface["data"] = (interface["data"][0], False)
        self.__array_interface__ = interface


def token_counts(ids: Any, vocab: int) -> NDArray[np.int64]:
    """Return how often each id occurs, int64[V].

    Takes and checks what ``token_array`` does, or Tokens. Counts of these very ids that come with
    them (attribute ``counts``) are not counted again: kernels size their tables by them.
    """
    known = getattr(ids, "counts", None)
    if known is not None and known.size == vocab:
        return np.asarray(known, dtype=np.int64)
    flat = flat_ids(ids if isinstance(ids, Tokens) else token_array(ids, vocab))
    counts = np.zeros(vocab, dtype=np.int64)
    for start in range(0, flat.size, _COUNT_IDS):
        counts += np.bincount(flat[start : start + _COUNT_IDS], minlength=vocab)
    return counts


def tokens_identity(tokens: Tokens) -> dict[str, Any]:
    """Return the number of tokens and a fingerprint of them.

    The fingerprint is BLAKE2b over the ids as 32-bit little-endian numbers, the same for 16-bit and
    32-bit arrays. It takes about a second per billion bytes.
    """
    ids = flat_ids(tokens)
    digest = hashlib.blake2b(digest_size=_FINGERPRINT_BYTES)
    for start in range(0, ids.size, _FINGERPRINT_IDS):
        digest.update(ids[start : start + _FINGERPRINT_IDS].astype("<u4").data)
    return {"tokens": int(ids.size), "fingerprint": digest.hexdigest()}


def count_examples(tokens: Tokens, model: ModelConfig) -> int:
    """Return the number of positions that a model can be trained on.

    Raises ConfigError if there are fewer tokens than one example needs.
    """
    count = tokens.ids.size // tokens.width
    needed = first_target(model) + 1
    if count < needed:
        raise ConfigError(
            f"the text has {count} tokens, but a context of {model.span} needs at least "
            f"{needed}; give more text or a smaller context"
        )
    return count - first_target(model)


def check_params(params: NDArray[Any], size: int) -> None:
    """Raise ConfigError unless ``params`` is float32[size]."""
    if params.dtype != np.float32 or params.shape != (size,):
        raise ConfigError(
            f"params are {params.dtype} of shape {params.shape}; give float32 of shape ({size},)"
        )
