"""The shape of a network, as the kernels take it."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastlm.config import ModelConfig
from fastlm.model.layout import Layout
from fastlm_kernels.runtime.arguments import Network

__all__ = ["first_target", "network_of"]


def network_of(model: ModelConfig) -> Network:
    """Return the kernels' description of a model."""
    layout = Layout(model)
    return Network(
        vocab=model.vocab,
        context=model.context,
        embed=model.embed,
        mean=int(model.combine == "mean"),
        boundary=-1 if model.boundary is None else model.boundary,
        layers=layout.kernel_table,
        depth=len(model.hidden) + 1,
        far=np.array(model.far, dtype=np.int64),
        span=model.span,
        cutoffs=np.array([*model.cutoffs, model.vocab], dtype=np.int64),
        widths=layout.widths,
        position_offsets=_position_offsets(model),
    )


def first_target(model: ModelConfig) -> int:
    """Return the first position that can be predicted.

    With a boundary token that is position 0: what lies before the start reads as boundary tokens.
    """
    return model.span if model.boundary is None else 0


def _position_offsets(model: ModelConfig) -> NDArray[np.int64]:
    """Return ``Network.position_offsets``: the input has near tokens, then the nearest pool."""
    offsets = np.empty((model.span, 2), dtype=np.int64)
    near = model.span - model.context
    offsets[near:, 0] = np.arange(model.context) * model.embed * (model.combine == "concat")
    offsets[near:, 1] = -1
    stop, weight = near, 0
    source = model.input_width - len(model.far) * model.embed
    for size in model.far:
        offsets[stop - size : stop, 0] = source
        offsets[stop - size : stop, 1] = weight + np.arange(size) * model.embed
        stop -= size
        weight += size * model.embed
        source += model.embed
    return offsets
