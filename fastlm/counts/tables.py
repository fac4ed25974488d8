"""The arrays of a back-off model as kernels and model files have them: its levels in a row.

A model file holds five tensors: ``counts.tokens``, ``counts.children``, ``counts.log_probs``,
``counts.log_backoffs`` and ``counts.suffixes``, each the arrays of ``BackoffModel``, level 0 first.
Its metadata ``counts`` is an object: ``sizes`` (the n-grams of each order), ``vocab``, ``boundary``
(or null) and ``estimate`` (``BackoffModel.metadata``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm.counts.backoff_model import MAX_ORDER, BackoffModel
from fastlm.errors import ModelFileError
from fastlm.system.json_values import OBJECT, WHOLE, Kind, or_null, read_object
from fastlm_kernels.counts.queries import BACKOFFS, CHILDREN, NODES, SUFFIXES, CountTables

__all__ = [
    "PREFIX",
    "count_metadata",
    "count_tables",
    "count_tensors",
    "model_from_tensors",
    "packed",
]

PREFIX = "counts."
"""The names of the tensors begin with it."""

# Of the arrays, in the order of CountTables, with the dtype of one that is empty.
_NAMES = {
    "tokens": np.uint16,
    "children": np.uint32,
    "log_probs": np.float32,
    "log_backoffs": np.float32,
    "suffixes": np.uint32,
}
_SIZES = Kind(
    f"a list of 1 to {MAX_ORDER} whole numbers",
    lambda value: (
        isinstance(value, list) and 1 <= len(value) <= MAX_ORDER and all(map(WHOLE.holds, value))
    ),
)
_FIELDS = {"sizes": _SIZES, "vocab": WHOLE, "boundary": or_null(WHOLE), "estimate": OBJECT}


def count_tensors(model: BackoffModel) -> dict[str, NDArray[Any]]:
    """Return the tensors of a model file; without a copy if the arrays lie in a row already."""
    return {PREFIX + name: array for name, array in _arrays(model).items()}


def count_metadata(model: BackoffModel) -> dict[str, Any]:
    """Return the metadata of a model file."""
    return {
        "sizes": list(model.counts),
        "vocab": model.vocab,
        "boundary": model.boundary,
        "estimate": model.metadata,
    }


def model_from_tensors(tensors: Mapping[str, NDArray[Any]], form: Any) -> BackoffModel:
    """Return the back-off model of a file's tensors, checked; its arrays are views of them.

    Parameters
    ----------
    tensors : mapping of str to array
        Those whose names begin with ``PREFIX``.
    form : Any
        The metadata.

    Raises
    ------
    ModelFileError
        For what no estimate gives.
    """
    metadata = read_object(form, "the description of its counts", _FIELDS, ModelFileError)
    if tensors.keys() != {PREFIX + name for name in _NAMES}:
        raise ModelFileError("the tensors of its counts are not those of a back-off model")
    sizes = metadata["sizes"]
    parts: dict[str, Any] = {}
    for name, lengths in _lengths(sizes).items():
        flat = tensors[PREFIX + name]
        if flat.shape != (sum(lengths),):
            raise ModelFileError(
                f"the {name} of its counts have shape {flat.shape}, not {(sum(lengths),)}"
            )
        parts[name] = _split(flat, lengths)
    model = BackoffModel(
        order=len(sizes),
        vocab=metadata["vocab"],
        boundary=metadata["boundary"],
        metadata=metadata["estimate"],
        **parts,
    )
    model.check()
    return model


def packed(model: BackoffModel) -> BackoffModel:
    """Return the model with its arrays in a row each, as ``count_tables`` and files have them."""
    lengths = _lengths(model.counts)
    parts: dict[str, Any] = {
        name: _split(array, lengths[name]) for name, array in _arrays(model).items()
    }
    return replace(model, **parts)


def _arrays(model: BackoffModel) -> dict[str, NDArray[Any]]:
    """Return the arrays of all levels in a row each, by name."""
    return {name: _joined(getattr(model, name), dtype) for name, dtype in _NAMES.items()}


def _lengths(sizes: Sequence[int]) -> dict[str, list[int]]:
    """Return the sizes of the arrays of each kind."""
    return {
        "tokens": list(sizes),
        "children": [size + 1 for size in sizes[:-1]],
        "log_probs": list(sizes),
        "log_backoffs": list(sizes[:-1]),
        "suffixes": [0, *sizes[1:]],
    }


def _split(flat: NDArray[Any], lengths: Sequence[int]) -> tuple[NDArray[Any], ...]:
    """Return parts of an array, all views of it."""
    ends = np.cumsum(lengths).tolist()
    return tuple(flat[end - length : end] for end, length in zip(ends, lengths, strict=True))


def count_tables(model: BackoffModel) -> CountTables:
    """Return the arrays as the kernels take them, of a model that is sound (``check``)."""
    tokens, children, log_probs, log_backoffs, suffixes = (
        np.require(array, requirements=["C", "W"]) for array in _arrays(model).values()
    )
    levels = np.zeros((model.order, 4), dtype=np.int64)
    sizes = np.array(model.counts, dtype=np.int64)
    levels[1:, NODES] = levels[1:, BACKOFFS] = np.cumsum(sizes)[:-1]
    levels[1:, CHILDREN] = np.cumsum(sizes + 1)[:-1]
    levels[1:, SUFFIXES] = np.cumsum(sizes)[:-1] - sizes[0]
    return CountTables(
        tokens=tokens.view(np.uint16),
        width=tokens.dtype.itemsize // 2,
        children=children,
        log_probs=log_probs,
        log_backoffs=log_backoffs,
        suffixes=suffixes,
        levels=levels,
        order=model.order,
        boundary=-1 if model.boundary is None else model.boundary,
    )


def _joined(arrays: Sequence[NDArray[Any]], dtype: Any) -> NDArray[Any]:
    """Return arrays in a row: a view if they lie so already, else a copy.

    dtype : of the result where there is no array
    """
    parts = [array for array in arrays if array.size]
    if not parts:
        return np.empty(0, dtype=dtype)
    starts = [part.ctypes.data for part in parts]
    ends = [part.ctypes.data + part.nbytes for part in parts]
    if starts[1:] == ends[:-1] and len({id(_memory(part)) for part in parts}) == 1:
        size = sum(part.size for part in parts)
        return np.lib.stride_tricks.as_strided(parts[0], (size,), parts[0].strides)
    return np.concatenate(parts)


def _memory(array: NDArray[Any]) -> Any:
    return array if array.base is None else array.base
