"""Conversion of weights to and from the two reference systems, Tiny and Mini."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastlm.config import ModelConfig
from fastlm.errors import ConfigError
from fastlm.model.layout import Layout
from fastlm.reference import tiny
from fastlm.reference.mini import MiniNeuralLM

__all__ = ["Reference", "from_reference", "reference_params", "to_mini", "to_tiny"]

Reference: TypeAlias = "dict[str, list[list[float]]] | MiniNeuralLM"
"""The weights of ``fastlm.reference.tiny`` (a dict of lists), or a ``MiniNeuralLM``."""

_TINY = {"embeddings": "embeddings", "output.weight": "output"}


def _mini_names(config: ModelConfig) -> dict[str, str]:
    """Map our tensor names to Mini's, which stores weights as (fan_out, fan_in)."""
    last = "hidden.2" if len(config.hidden) == 2 else None
    names = {"embeddings": "embeddings", "hidden.1.weight": "W1", "hidden.1.bias": "b1"}
    if last:
        names |= {"hidden.2.weight": "W1_5", "hidden.2.bias": "b1_5"}
    return names | {"output.weight": "W2", "output.bias": "b2"}


def from_reference(reference: Reference, config: ModelConfig) -> NDArray[np.float32]:
    """Return a reference system's weights as flat parameters float32[n].

    Raises
    ------
    ConfigError
        For a tensor that the configuration lacks or has in another shape.
    """
    params = np.zeros(Layout(config).size, dtype=np.float32)
    theirs: dict[str, Any]
    if isinstance(reference, MiniNeuralLM):
        theirs, names = reference.params, _mini_names(config)
    else:
        theirs, names = reference, _TINY
    missing = sorted(set(theirs) - set(names.values()))
    if missing:
        raise ConfigError(
            f"the reference has {missing[0]}, which this model has no place for; "
            "build both with the same layers"
        )
    for name, tensor in Layout(config).views(params).items():
        values = np.array(theirs.get(names.get(name, ""), []))
        if isinstance(reference, MiniNeuralLM) and _is_weight(name):
            values = values.T
        if values.shape != tensor.shape:
            raise ConfigError(
                f"{name} is {tensor.shape} here but {values.shape} in the reference; "
                "build both with the same sizes"
            )
        tensor[...] = values
    return params


def reference_params(config: ModelConfig, system: str, seed: int) -> NDArray[np.float32]:
    """Return the weights that ``tiny`` or ``mini`` starts from, float32[n].

    A model of that system's form gets the very numbers of the system. One of another form, say
    Tiny with a hidden layer, gets numbers drawn by the same rule, matrix by matrix:

    - ``tiny``: N(0, 0.3).
    - ``mini``: N(0, sqrt(2 / (fan_in + fan_out))).
    - Biases: 0. Pools of F far tokens: 1 / sqrt(F).
    """
    params = np.zeros(Layout(config).size, dtype=np.float32)
    draw = _tiny_draw(seed) if system == "tiny" else _mini_draw(seed)
    for name, tensor in Layout(config).views(params).items():
        if name.startswith("far."):
            tensor[...] = 1 / math.sqrt(tensor.shape[0])
        elif system == "mini" and _is_weight(name):
            tensor[...] = draw(*tensor.T.shape).T
        elif not name.endswith(".bias"):
            tensor[...] = draw(*tensor.shape)
    return params


def _tiny_draw(seed: int) -> Callable[[int, int], NDArray[Any]]:
    rng = random.Random(seed)

    def draw(rows: int, columns: int) -> NDArray[Any]:
        numbers = [rng.gauss(0.0, tiny.INITIAL_SPREAD) for _ in range(rows * columns)]
        return np.reshape(numbers, (rows, columns))

    return draw


def _mini_draw(seed: int) -> Callable[[int, int], NDArray[Any]]:
    rng = np.random.default_rng(seed)

    def draw(rows: int, columns: int) -> NDArray[Any]:
        return rng.standard_normal((rows, columns)) * math.sqrt(2.0 / (rows + columns))

    return draw


def _is_weight(name: str) -> bool:
    return name.endswith(".weight")


def to_tiny(params: NDArray[np.float32], config: ModelConfig) -> dict[str, list[list[float]]]:
    """Return the weights as ``fastlm.reference.tiny`` takes them.

    Raises
    ------
    ConfigError
        Unless the model has Tiny's form: mean, no hidden layer, no bias.
    """
    check_tiny(config)
    views = Layout(config).views(params)
    return {theirs: views[ours].astype(float).tolist() for ours, theirs in _TINY.items()}


def to_mini(params: NDArray[np.float32], config: ModelConfig, **settings: Any) -> MiniNeuralLM:
    """Return a MiniNeuralLM with these weights.

    Parameters
    ----------
    params : float32[n]
    config : ModelConfig
    **settings
        Mini's learning_rate, momentum, dropout, seed, dtype.

    Raises
    ------
    ConfigError
        Unless the model has Mini's form: concatenation, one or two hidden layers, biases.
    """
    mini = _empty_mini(config, **settings)
    views = Layout(config).views(params)
    for ours, theirs in _mini_names(config).items():
        mini.params[theirs][...] = views[ours].T if _is_weight(ours) else views[ours]
    return mini


def check_tiny(config: ModelConfig) -> None:
    """Raise ConfigError unless the model has Tiny's form."""
    if config.combine != "mean" or config.hidden or config.bias:
        raise ConfigError(
            f"tiny has combine='mean', no hidden layer and no bias; this model has "
            f"combine={config.combine!r}, hidden={config.hidden}, bias={config.bias}"
        )


def _empty_mini(config: ModelConfig, **settings: Any) -> MiniNeuralLM:
    """Return a MiniNeuralLM of this shape; ConfigError unless the model has Mini's form."""
    if config.combine != "concat" or len(config.hidden) not in (1, 2) or not config.bias:
        raise ConfigError(
            f"mini has combine='concat', one or two hidden layers and biases; this model has "
            f"combine={config.combine!r}, hidden={config.hidden}, bias={config.bias}"
        )
    return MiniNeuralLM(
        config.vocab,
        config.embed,
        config.context,
        config.hidden[0],
        config.hidden[1] if len(config.hidden) == 2 else None,
        **settings,
    )
