"""A configuration that exists is a valid one; what is refused is refused in one clear line."""

from __future__ import annotations

import dataclasses
import json
import math

import numpy as np
import pytest

from fastlm.config import ModelConfig, TrainingConfig
from fastlm.errors import ConfigError, FastlmError
from fastlm.limits import LIMITS, MOST_WIDTHS
from fastlm.training.run_state import RunState
from fastlm.training.schedule import RunPlan


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"vocab": 1}, "vocab is 1; give a whole number of at least 2"),
        ({"vocab": "many"}, "vocab is 'many'; give a whole number of at least 2"),
        ({"context": 0}, "context is 0; give a whole number of at least 1"),
        ({"context": True}, "context is True; give a whole number of at least 1"),
        ({"context": 2.0}, "context is 2.0; give a whole number of at least 1"),
        ({"embed": -1}, "embed is -1; give a whole number of at least 1"),
        ({"hidden": (-1,)}, "hidden is -1; give a whole number of at least 1"),
        ({"hidden": (8, 0)}, "hidden is 0; give a whole number of at least 1"),
        ({"hidden": 2.5}, "hidden is 2.5; give a tuple of widths such as (256, 128)"),
        ({"hidden": "256"}, "hidden is '256'; give a tuple of widths such as (256, 128)"),
        ({"combine": "sum"}, "combine is 'sum'; choose one of concat, mean"),
        ({"boundary": -1}, "boundary is -1; give a whole number of at least 0"),
        ({"boundary": 10}, "boundary is 10; give an id below the vocabulary's 10"),
        (
            {"embed": 2**30, "context": 2},
            "a layer is wider than 2,147,483,647; make it narrower",
        ),
    ],
)
def test_bad_models(setting, message):
    with pytest.raises(ConfigError) as caught:
        ModelConfig(**{"vocab": 10} | setting)
    assert str(caught.value) == message
    assert isinstance(caught.value, FastlmError)
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ({"batch": 0}, "batch is 0; give a whole number of at least 1"),
        ({"lr": 0}, "lr is 0; give a number above 0"),
        ({"lr": -0.5}, "lr is -0.5; give a number above 0"),
        ({"lr": math.nan}, "lr is nan; give a number above 0"),
        ({"lr": math.inf}, "lr is inf; give a number above 0"),
        ({"lr": "fast"}, "lr is 'fast'; give a number above 0"),
        ({"embed_lr_scale": -1}, "embed_lr_scale is -1; give a number of at least 0"),
        ({"momentum": 1.0}, "momentum is 1.0; give a number of at least 0 and below 1"),
        ({"momentum": -0.1}, "momentum is -0.1; give a number of at least 0 and below 1"),
        ({"schedule": "step"}, "schedule is 'step'; choose one of constant, linear, cosine"),
        ({"warmup": -1}, "warmup is -1; give a whole number of at least 0"),
        ({"epochs": 0}, "epochs is 0; give a number above 0"),
        ({"steps": 0}, "steps is 0; give a whole number of at least 1"),
        ({"steps": 1.5}, "steps is 1.5; give a whole number of at least 1"),
        ({"minutes": 0}, "minutes is 0; give a number above 0"),
        ({"epochs": 1, "steps": 2}, "epochs and steps are both given; choose one of them"),
        ({"dropout": 1.0}, "dropout is 1.0; give a number of at least 0 and below 1"),
        ({"dropout": True}, "dropout is True; give a number of at least 0 and below 1"),
        ({"embed_dropout": -0.1}, "embed_dropout is -0.1; give a number of at least 0 and below 1"),
        ({"patience": 0}, "patience is 0; give a whole number of at least 1"),
        ({"valid_every": 0}, "valid_every is 0; give a number above 0"),
        ({"seed": -1}, "seed is -1; give a whole number of at least 0 and below 2**63"),
        ({"seed": 2**63}, f"seed is {2**63}; give a whole number of at least 0 and below 2**63"),
        ({"threads": 0}, "threads is 0; give a whole number of at least 1"),
        ({"init": "zeros"}, "init is 'zeros'; choose one of scaled, tiny, mini"),
    ],
)
def test_bad_training(setting, message):
    with pytest.raises(ConfigError) as caught:
        TrainingConfig(**setting)
    assert str(caught.value) == message


def test_the_edges_of_the_ranges_are_allowed():
    ModelConfig(vocab=2, context=1, embed=1, hidden=(1,), boundary=1)
    TrainingConfig(
        batch=1, lr=1e-9, embed_lr_scale=0, momentum=0, epochs=0.01, dropout=0, patience=1,
        seed=2**63 - 1, threads=1,
    )  # fmt: skip


def test_hidden_becomes_a_tuple():
    assert ModelConfig(vocab=5, hidden=[8, 4]).hidden == (8, 4)
    assert ModelConfig(vocab=5, hidden=iter((8,))).hidden == (8,)
    assert ModelConfig(vocab=5, hidden=()).hidden == ()


def test_input_width():
    assert ModelConfig(vocab=5, context=3, embed=4).input_width == 12
    assert ModelConfig(vocab=5, context=3, embed=4, combine="mean").input_width == 4


@pytest.mark.parametrize(
    "config",
    [
        ModelConfig(vocab=5, hidden=(8, 4), boundary=2),
        TrainingConfig(lr=0.5, minutes=2.0, patience=3),
    ],
)
def test_json_form_and_back(config):
    form = json.loads(json.dumps(config.to_dict()))
    assert type(config)(**form) == config


def test_configurations_do_not_change():
    config = ModelConfig(vocab=5)
    with pytest.raises(dataclasses.FrozenInstanceError):
        config.vocab = 6


@pytest.mark.parametrize(
    ("cls", "setting", "limit"),
    [
        (ModelConfig, {"context": 10**9, "combine": "mean"}, "context"),
        (ModelConfig, {"tail_divisor": 1e308, "cutoffs": (2, 4)}, "tail_divisor"),
        (ModelConfig, {"far": (10**9,)}, "far"),
        (ModelConfig, {"hidden": (1,) * 10**5}, "hidden"),
        (ModelConfig, {"vocab": 10**4000}, "vocab"),
        (TrainingConfig, {"epochs": 1e308}, "epochs"),
        (TrainingConfig, {"steps": 10**400}, "steps"),
        (TrainingConfig, {"batch": 10**30}, "batch"),
        (TrainingConfig, {"minutes": 1e300}, "minutes"),
        (TrainingConfig, {"warmup": 10**400}, "warmup"),
        (TrainingConfig, {"lr": 1e305}, "lr"),
        (TrainingConfig, {"threads": 10**6}, "threads"),
        (TrainingConfig, {"shuffle_window": 10**30}, "shuffle_window"),
    ],
)
def test_numbers_are_bounded(cls, setting, limit):
    needed = {"vocab": 9} if cls is ModelConfig else {}
    with pytest.raises(ConfigError, match=rf"^{limit} .*at most [\de+,]+$") as caught:
        cls(**needed | setting)
    assert len(str(caught.value)) < 140


def test_the_largest_settings_can_be_computed_with():
    """No power or product of what is allowed overflows."""
    largest = {
        name: limit.most if not limit.whole else int(limit.most)
        for name, limit in LIMITS.items()
        if limit.most is not None and name in TrainingConfig.__dataclass_fields__
    }
    training = TrainingConfig(**{**largest, "steps": None})
    plan = RunPlan(training, 10**12)
    assert plan.rates(RunState(), 3).shape == (3,)
    assert RunPlan(dataclasses.replace(training, batch=1), 10**12).rates(RunState(), 3).size == 3
    wide = ModelConfig(
        vocab=1000, hidden=(8,), cutoffs=tuple(range(1, MOST_WIDTHS + 1)), tail_divisor=1000
    )
    assert {width for _, _, width in wide.clusters} == {1}


def test_numbers_of_numpy_are_taken():
    model = ModelConfig(
        vocab=np.int64(9), context=np.uint8(3), hidden=np.array([8, 4]), tail_divisor=np.float32(2)
    )
    training = TrainingConfig(
        batch=np.int32(16), lr=np.float32(0.5), steps=np.int64(3), seed=np.int64(1),
        threads=np.int16(1),
    )  # fmt: skip
    assert model == ModelConfig(vocab=9, context=3, hidden=(8, 4))
    assert training == TrainingConfig(batch=16, lr=0.5, steps=3, seed=1, threads=1)
    json.dumps([model.to_dict(), training.to_dict()])
    assert type(training.lr) is float


def test_the_default_rate_follows_the_batch():
    assert TrainingConfig(batch=256).base_lr == 4.0
    assert TrainingConfig(batch=1).base_lr == 1 / 64
    assert TrainingConfig(batch=256, lr=0.3).base_lr == 0.3


def test_whole_numbers_of_numpy_are_named_when_refused():
    with pytest.raises(ConfigError, match=r"vocab is np\.float64\(3\.0\)"):
        ModelConfig(vocab=np.float64(3))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"far": "12"}, "far is '12'"),
        ({"far": (0,)}, "far is 0"),
        ({"cutoffs": 5.5}, "cutoffs is 5.5"),
        ({"cutoffs": (5, 5)}, "rising ids below the vocabulary's 9"),
        ({"cutoffs": (9,)}, "rising ids below the vocabulary's 9"),
        ({"tail_divisor": 0.5}, "tail_divisor is 0.5"),
    ],
)
def test_far_context_and_cutoffs_are_checked(settings, message):
    with pytest.raises(ConfigError, match=message):
        ModelConfig(vocab=9, **settings)


def test_what_follows_from_far_context_and_cutoffs():
    model = ModelConfig(
        vocab=90, context=4, embed=5, hidden=(32,), far=[12, 48], cutoffs=[10, 30], combine="mean"
    )
    assert (model.span, model.input_width, model.head) == (64, 15, 12)
    assert model.clusters == ((10, 30, 16), (30, 90, 8))
    assert ModelConfig(**model.to_dict()) == model


def test_a_setting_that_does_not_exist_names_the_one_that_is_meant():
    with pytest.raises(ConfigError, match="unknown setting 'learning_rate'; did you mean 'lr'"):
        TrainingConfig(learning_rate=0.5)
    with pytest.raises(ConfigError, match="unknown setting 'hiden'; did you mean 'hidden'"):
        ModelConfig(vocab=5, hiden=(3,))
