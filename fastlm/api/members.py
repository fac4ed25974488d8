"""The members of a language model in its file, and their checks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm.config import ModelConfig
from fastlm.counts.backoff_model import BackoffModel
from fastlm.counts.tables import PREFIX, count_metadata, count_tensors, model_from_tensors
from fastlm.errors import ConfigError, ModelFileError
from fastlm.inference.members import CountMember, NetworkMember
from fastlm.model.layout import Layout
from fastlm.model.saved_model import config_from_json, params_from_tensors
from fastlm.tokenizers import Tokenizer

__all__ = [
    "checked_network",
    "make_members",
    "member_metadata",
    "member_tensors",
    "read_members",
]

_WEIGHTS = "mixture.weights"
_MOST_MEMBERS = 16
# Rows of weights add up to 1 but for rounding.
_ROUNDING = 1e-6


def _check_sizes(vocab: int, boundary: int | None, tokenizer: Tokenizer, what: str) -> None:
    """Raise ConfigError where a member was made for another tokenizer; ``what`` names it."""
    if tokenizer.vocab_size != vocab:
        raise ConfigError(
            f"the tokenizer has {tokenizer.vocab_size} tokens, but the {what} vocab is {vocab}; "
            "use the tokenizer that the model was made for"
        )
    if tokenizer.boundary_id != boundary:
        raise ConfigError(
            f"the tokenizer's boundary token has id {tokenizer.boundary_id}, but the {what} "
            f"boundary is {boundary}; use the tokenizer that the model was made for"
        )


def checked_network(
    config: ModelConfig, params: NDArray[np.float32], tokenizer: Tokenizer
) -> NetworkMember:
    """Return a network; raise ConfigError where its parameters do not fit together."""
    _check_sizes(config.vocab, config.boundary, tokenizer, "model's")
    size = Layout(config).size
    if params.dtype != np.float32 or params.shape != (size,):
        raise ConfigError(
            f"params are {params.dtype} of shape {params.shape}; give float32 of shape ({size},)"
        )
    # Kernels are compiled for writable, contiguous arrays only.
    return NetworkMember(config, np.require(params, requirements=["C", "W"]))


def _checked_weights(
    weights: NDArray[np.float64] | None, classes: int, members: int
) -> NDArray[np.float64] | None:
    """Return the weights of a mixture, None for a single member; raise ConfigError for others."""
    if members == 1 and weights is None:
        return None
    shape = (classes, members)
    if weights is None or weights.dtype != np.float64 or weights.shape != shape:
        found = "missing" if weights is None else f"{weights.dtype} of shape {weights.shape}"
        raise ConfigError(f"the mixture's weights are {found}; give float64 of shape {shape}")
    sums = weights.sum(axis=1)
    if not ((weights >= 0).all() and (np.abs(sums - 1) <= _ROUNDING).all()):
        raise ConfigError("the mixture's weights are not shares of 1 in each row; fit them again")
    return np.require(weights, requirements=["C", "W"])


def member_tensors(
    networks: tuple[NetworkMember, ...],
    counts: BackoffModel | None,
    weights: NDArray[np.float64] | None,
) -> dict[str, NDArray[Any]]:
    """Return the tensors of a model file (``fastlm.model.model_file``)."""
    tensors: dict[str, NDArray[Any]] = {}
    for number, network in enumerate(networks, start=1):
        views = Layout(network.config).views(network.params)
        tensors |= {_prefix(number) + name: view for name, view in views.items()}
    if counts is not None:
        tensors |= count_tensors(counts)
    if weights is not None:
        tensors[_WEIGHTS] = weights
    return tensors


def member_metadata(
    networks: tuple[NetworkMember, ...], counts: BackoffModel | None
) -> dict[str, Any]:
    """Return the keys of a file's metadata on the members."""
    form: dict[str, Any] = {"model": networks[0].config.to_dict() if networks else None}
    if len(networks) > 1:
        form["others"] = [network.config.to_dict() for network in networks[1:]]
    if counts is not None:
        form["counts"] = count_metadata(counts)
    return form


def read_members(
    tensors: Mapping[str, NDArray[Any]], metadata: Mapping[str, Any], tokenizer: Tokenizer
) -> tuple[
    list[tuple[ModelConfig, NDArray[np.float32]]], BackoffModel | None, NDArray[np.float64] | None
]:
    """Return the networks, the counts and the weights of a file, each checked by itself.

    Raises
    ------
    ModelFileError, ConfigError
        For what ``member_tensors`` and ``member_metadata`` do not give.
    """
    forms = metadata.get("others", [])
    if not isinstance(forms, list) or len(forms) >= _MOST_MEMBERS:
        raise ModelFileError(f"its others are not a list of at most {_MOST_MEMBERS} configurations")
    has_counts = "counts" in metadata
    if not (has_counts and metadata.get("model") is None):
        forms = [metadata.get("model"), *forms]
    rest = dict(tensors)
    weights = rest.pop(_WEIGHTS, None)
    grams = {name: rest.pop(name) for name in tensors if has_counts and name.startswith(PREFIX)}
    networks = []
    for number in range(len(forms), 0, -1):
        config: ModelConfig = config_from_json(ModelConfig, forms[number - 1], "model")
        # Checked before memory is taken for the weights: a wrong size shows here.
        _check_sizes(config.vocab, config.boundary, tokenizer, "model's")
        prefix = _prefix(number)
        own = {name: rest.pop(name) for name in list(rest) if name.startswith(prefix)}
        named = {name.removeprefix(prefix): tensor for name, tensor in own.items()}
        networks.append((config, params_from_tensors(Layout(config), named)))
    if rest:
        raise ModelFileError(f"tensor {min(rest)} has no place in a model of its configuration")
    counts = model_from_tensors(grams, metadata["counts"]) if has_counts else None
    return networks[::-1], counts, weights


def _prefix(number: int) -> str:
    return f"network.{number}." if number > 1 else ""


def make_members(
    networks: list[tuple[ModelConfig, NDArray[np.float32]]],
    counts: BackoffModel | None,
    weights: NDArray[np.float64] | None,
    tokenizer: Tokenizer,
) -> tuple[tuple[NetworkMember, ...], CountMember | None, NDArray[np.float64] | None]:
    """Return the members of a model, checked together; raise ConfigError."""
    checked = tuple(checked_network(*network, tokenizer) for network in networks)
    member = None
    if counts is not None:
        _check_sizes(counts.vocab, counts.boundary, tokenizer, "counts'")
        member = CountMember(counts)
    size = len(checked) + (member is not None)
    if size == 0:
        raise ConfigError("a model needs a network or counts; give one of them")
    classes = 1 if member is None else member.buckets
    return checked, member, _checked_weights(weights, classes, size)
