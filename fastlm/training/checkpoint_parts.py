"""The parts of a checkpoint file, each checked as it is read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm.errors import ModelFileError
from fastlm.model.layout import Layout
from fastlm.system.json_values import OBJECT, TEXT, WHOLE, or_null, read_object
from fastlm.training.divergence import Snapshot
from fastlm.training.run_state import RunState

__all__ = ["check_params", "read_corpus", "read_intervals", "read_snapshot", "with_prefix"]

_CORPUS_KINDS = {
    "train": OBJECT,
    "valid": or_null(OBJECT),
    "description": TEXT,
    "recipe": or_null(OBJECT),
}
_INTERVAL_KINDS = {"every": TEXT, "keep": or_null(WHOLE)}
_PART_KINDS = {"tokens": WHOLE, "fingerprint": TEXT}


def with_prefix(prefix: str, tensors: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Return the tensors whose names have a prefix, under the rest of their names."""
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


def check_params(name: str, params: NDArray[Any] | None, layout: Layout) -> None:
    """Raise ModelFileError unless the tensor ``name`` is finite float32[n] of the layout."""
    if params is None or params.shape != (layout.size,) or params.dtype != np.float32:
        raise ModelFileError(f"{name} is not float32 of shape ({layout.size},)")
    if not np.isfinite(params).all():
        raise ModelFileError(f"{name} holds numbers that are not finite")


def read_snapshot(
    layout: Layout,
    arrays: dict[str, NDArray[Any]],
    form: Any,
    run: RunState,
    params: NDArray[np.float32],
) -> Snapshot | None:
    """Return the snapshot in a file, whose state has ``run`` and ``params``; None for none.

    arrays : those of the snapshot by field of ``State``, and ``best`` if that is not ``params``
    form : the JSON form of the snapshot's run, or None
    """
    if form is None:
        return None
    good = RunState.from_dict(form)
    if good.step >= run.step:
        raise ModelFileError(f"its good state is of step {good.step}, not before {run.step}")
    state = {name: array for name, array in arrays.items() if name != "best"}
    best = arrays.get("best", params)
    check_params("state.good.best", best, layout)
    check_params("state.good.params", state.get("params"), layout)
    return Snapshot(good, state, None if good.best is None else best)


def read_intervals(form: Any) -> dict[str, Any]:
    """Return ``every`` and ``keep``; raise ModelFileError for what no run writes."""
    return read_object(form, "its checkpoints", _INTERVAL_KINDS, ModelFileError)


def read_corpus(form: Any) -> dict[str, Any]:
    """Return the description of the corpus; raise ModelFileError for what no run writes."""
    corpus = read_object(form, "its corpus", _CORPUS_KINDS, ModelFileError)
    for part in ("train", "valid"):
        if corpus[part] is not None:
            read_object(corpus[part], f"its {part} corpus", _PART_KINDS, ModelFileError)
    return corpus
