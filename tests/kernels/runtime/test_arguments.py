"""All models are of one type to Numba, so that every kernel compiles once."""

from __future__ import annotations

import numpy as np
import pytest
from numba import typeof

from fastlm.config import ModelConfig, TrainingConfig
from fastlm.engine.losses import NO_TABLE
from fastlm.engine.training import TrainingEngine
from fastlm.model.initialization import scaled_params
from fastlm_kernels.runtime import arguments

MODELS = [
    ({"hidden": (), "combine": "mean", "bias": False}, {"batch": 1, "momentum": 0.0}),
    ({"hidden": (8, 8), "boundary": 0}, {"batch": 40, "dropout": 0.5, "embed_dropout": 0.1}),
    ({"cutoffs": (3, 6), "far": (2, 3)}, {"batch": 7, "shuffle": False, "shuffle_window": 3}),
]


def types(shape, settings):
    """The Numba types of all that a training kernel is handed."""
    model = ModelConfig(vocab=9, context=3, embed=4, **shape)
    tokens = np.arange(80) % 9
    engine = TrainingEngine(model, TrainingConfig(**settings), tokens, scaled_params(model, 0))
    assert isinstance(engine.scratch, arguments.Scratch)
    handed = (engine.network, engine.plan, engine.state, engine.scratch, engine.tokens)
    return [typeof(each) for each in handed]


@pytest.mark.parametrize(("shape", "settings"), MODELS[1:])
def test_every_model_has_the_types_of_the_first(shape, settings):
    assert types(shape, settings) == types(*MODELS[0])


def test_an_empty_table_has_the_type_of_a_full_one():
    table = arguments.TokenTable(
        np.empty(5, dtype=np.float32), np.empty(3, dtype=np.int32), np.empty(2, dtype=np.int32)
    )
    assert typeof(NO_TABLE) == typeof(table)
