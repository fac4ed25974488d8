"""Which units a run compiles."""

from __future__ import annotations

import numpy as np
import pytest

from fastlm.config import ModelConfig, TrainingConfig
from fastlm.engine.training import TrainingEngine
from fastlm.model.initialization import scaled_params
from fastlm_kernels.passes.units import UNITS
from fastlm_kernels.runtime.jit import JIT_DISABLED

MODELS = {
    "characters": ({"vocab": 65, "context": 8, "embed": 24, "hidden": (256, 128)}, 256),
    "words": (
        {"vocab": 300, "context": 4, "embed": 8, "hidden": (16,), "cutoffs": (100, 200)},
        64,
    ),
    "large": ({"vocab": 12_000, "context": 2, "embed": 8, "hidden": (64,), "far": (4,)}, 512),
}


def engine(name):
    shape, batch = MODELS[name]
    model = ModelConfig(**shape, boundary=0)
    tokens = np.random.default_rng(0).integers(0, model.vocab, 2_000)
    return TrainingEngine(
        model, TrainingConfig(batch=batch, threads=1), tokens, scaled_params(model, 0)
    )


@pytest.mark.skipif(JIT_DISABLED, reason="takes minutes, compiles nothing")
@pytest.mark.parametrize("name", MODELS)
def test_what_a_run_compiles_is_what_it_calls(name, monkeypatch):
    """A unit that is missing would be a call to address 0."""
    trained = engine(name)
    needed = set(trained.compilations()) - {"train_steps", "product"}
    assert needed < set(UNITS)
    losses = trained.run(np.full(3, 0.01))
    assert np.isfinite(losses).all()


def test_each_unit_is_needed_by_one_of_the_models():
    needed = {unit for name in MODELS for unit in engine(name).compilations()}
    assert set(UNITS) <= needed
