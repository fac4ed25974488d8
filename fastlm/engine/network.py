"""The description of a network that the kernels take."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastlm.config import ModelConfig
from fastlm.model.layout import Layout
from fastlm_kernels.runtime.arguments import Network

__all__ = ["network_of"]


def network_of(config: ModelConfig) -> Network:
    layout = Layout(config)
    return Network(
        vocab=config.vocab,
        context=config.context,
        embed=config.embed,
        mean=int(config.combine == "mean"),
        boundary=-1 if config.boundary is None else config.boundary,
        layers=layout.kernel_table,
        depth=len(config.hidden) + 1,
        far=np.array(config.far, dtype=np.int64),
        span=config.span,
        cutoffs=np.array([*config.cutoffs, config.vocab], dtype=np.int64),
        widths=layout.widths,
        places=_places(config),
    )


def _places(config: ModelConfig) -> NDArray[np.int64]:
    """``Network.places``: the pools lie behind the near tokens in the input, the first nearest."""
    places = np.empty((config.span, 2), dtype=np.int64)
    near = config.span - config.context
    places[near:, 0] = np.arange(config.context) * config.embed * (config.combine == "concat")
    places[near:, 1] = -1
    stop, weight = near, 0
    source = config.input_width - len(config.far) * config.embed
    for size in config.far:
        places[stop - size : stop, 0] = source
        places[stop - size : stop, 1] = weight + np.arange(size) * config.embed
        stop -= size
        weight += size * config.embed
        source += config.embed
    return places


def first_target(model: ModelConfig) -> int:
    """The first position that has a context: with a boundary token the very first has one too."""
    return model.span if model.boundary is None else 0
