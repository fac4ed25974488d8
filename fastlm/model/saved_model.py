"""The configuration and the parameters in a model file or a checkpoint, validated."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm.errors import ModelFileError
from fastlm.model.layout import Layout
from fastlm.system.json_values import ANY, read_object

__all__ = ["config_from_json", "params_from_tensors"]

# Prefixes of tensors that only a resumed training run needs.
_RUN_PREFIXES = ("momentum.", "state.")


def config_from_json(cls: Any, form: Any, name: str) -> Any:
    """Return a configuration from its JSON form; missing fields have their default.

    Parameters
    ----------
    cls : type
        ModelConfig or TrainingConfig.
    form : Any
    name : str
        What messages call it.

    Raises
    ------
    ModelFileError
        For a form that this version does not know.
    ConfigError
        For a value out of range.
    """
    fields = dataclasses.fields(cls)
    kinds = {field.name: ANY for field in fields}
    optional = {field.name for field in fields if field.default is not dataclasses.MISSING}
    what = f"its {name} configuration"
    return cls(**read_object(form, what, kinds, ModelFileError, optional=optional))


def params_from_tensors(layout: Layout, tensors: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
    """Return the flat array float32[n] of a file's tensors.

    It is a view where they lie in the layout's order in one mapped file, else a copy.

    Raises
    ------
    ModelFileError
        For tensors that are not those of the layout, or that are not finite.
    """
    found = {name for name in tensors if not name.startswith(_RUN_PREFIXES)}
    for name in sorted(found - layout.tensors.keys()):
        raise ModelFileError(f"tensor {name} has no place in a model of its configuration")
    for name, expected in layout.tensors.items():
        if name not in found:
            raise ModelFileError(f"tensor {name} of shape {expected.shape} is missing")
        tensor = tensors[name]
        if tensor.shape != expected.shape or tensor.dtype != np.float32:
            raise ModelFileError(
                f"tensor {name} is {tensor.dtype} of shape {tensor.shape}, but its configuration "
                f"needs float32 of shape {expected.shape}"
            )
        if not np.isfinite(tensor).all():
            raise ModelFileError(f"tensor {name} holds numbers that are not finite")
    if _are_contiguous(layout, tensors):
        first = next(iter(layout.tensors))
        return np.lib.stride_tricks.as_strided(tensors[first], (layout.size,), (4,))
    flat = np.empty(layout.size, dtype=np.float32)
    for name, view in layout.views(flat).items():
        view[...] = tensors[name]
    return flat


def _are_contiguous(layout: Layout, tensors: Mapping[str, NDArray[Any]]) -> bool:
    """Tell whether the tensors, views of one mapped file, are one flat array already."""

    def owner(array: NDArray[Any]) -> int:
        return id(array.base) if isinstance(array.base, np.ndarray) else id(array)

    arrays = [tensors[name] for name in layout.tensors]
    start = arrays[0].ctypes.data
    offsets = [array.ctypes.data - start for array in arrays]
    return (
        len({owner(array) for array in arrays}) == 1
        and all(array.flags.aligned for array in arrays)
        and offsets == [4 * tensor.offset for tensor in layout.tensors.values()]
    )
