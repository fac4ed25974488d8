"""Configurations and parameters from files: checked against the layout, copied only if need be."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from fastlm.config import ModelConfig, TrainingConfig
from fastlm.errors import ConfigError, ModelFileError
from fastlm.model.layout import Layout
from fastlm.model.saved_model import config_from_json, params_from_tensors

CONFIG = ModelConfig(vocab=7, context=2, embed=3, hidden=(4,), boundary=0)
LAYOUT = Layout(CONFIG)


def tensors() -> tuple[np.ndarray, dict[str, np.ndarray]]:
    """A flat array, and its tensors as views of it."""
    flat = np.arange(LAYOUT.size, dtype=np.float32)
    return flat, LAYOUT.views(flat)


@pytest.mark.parametrize("config", [CONFIG, TrainingConfig(lr=0.1, steps=3)])
def test_a_configuration_comes_back(config):
    assert config_from_json(type(config), config.to_dict(), "model") == config


def test_missing_fields_have_their_default():
    assert config_from_json(ModelConfig, {"vocab": 7}, "model") == ModelConfig(vocab=7)


@pytest.mark.parametrize(
    ("form", "error", "message"),
    [
        ([], ModelFileError, "its model configuration is not a JSON object"),
        ({}, ModelFileError, "its model configuration lacks 'vocab'"),
        ({"vocab": 7, "gates": 1}, ModelFileError, "'gates' that this version"),
        ({"vocab": 0}, ConfigError, "vocab is 0"),
    ],
)
def test_an_unsound_configuration_is_refused(form, error, message):
    with pytest.raises(error, match=message):
        config_from_json(ModelConfig, form, "model")


def test_tensors_in_the_order_of_the_layout_are_not_copied():
    flat, views = tensors()
    found = params_from_tensors(LAYOUT, views)
    assert np.shares_memory(found, flat)
    np.testing.assert_array_equal(found, flat)


def test_tensors_from_elsewhere_are_copied_and_those_of_a_run_left_out():
    flat, views = tensors()
    apart = {name: view.copy() for name, view in reversed(views.items())}
    apart |= {"momentum.embeddings": np.ones(3, dtype=np.float32), "state.rates": np.ones(2)}
    found = params_from_tensors(LAYOUT, apart)
    np.testing.assert_array_equal(found, flat)
    assert not any(np.shares_memory(found, tensor) for tensor in apart.values())


def test_views_in_another_order_are_copied_into_place():
    config = dataclasses.replace(CONFIG, hidden=(3, 3), context=1)  # two layers of one shape
    layout = Layout(config)
    flat = np.arange(layout.size, dtype=np.float32)
    views = layout.views(flat)
    first, second = "hidden.1.weight", "hidden.2.weight"
    swapped = views | {first: views[second], second: views[first]}
    found = layout.views(params_from_tensors(layout, swapped))
    np.testing.assert_array_equal(found[first], views[second])
    np.testing.assert_array_equal(found[second], views[first])


@pytest.mark.parametrize(
    ("name", "tensor", "message"),
    [
        ("gate", np.zeros(2, dtype=np.float32), "tensor gate has no place in a model"),
        ("output.bias", None, r"tensor output\.bias of shape \(7,\) is missing"),
        ("output.bias", np.zeros(7), "is float64 of shape"),
        ("output.bias", np.zeros((7, 1), np.float32), r"of shape \(7, 1\), but .* needs float32"),
        ("output.bias", np.full(7, np.inf, np.float32), "numbers that are not finite"),
    ],
)
def test_tensors_that_do_not_fit_are_refused(name, tensor, message):
    given = tensors()[1] | {name: tensor}
    if tensor is None:
        del given[name]
    with pytest.raises(ModelFileError, match=message):
        params_from_tensors(LAYOUT, given)
