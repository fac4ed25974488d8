"""The weights that a run starts from."""

from __future__ import annotations

import numpy as np
import pytest

from fastlm.config import Config, ModelConfig, TrainingConfig
from fastlm.model.initialization import scaled_params
from fastlm.model.reference_weights import reference_params
from fastlm.training.first_weights import initial_params

MODEL = ModelConfig(vocab=5, context=2, embed=3, hidden=(4,))
TOKENS = np.array([0, 1, 1, 4, 4, 4], dtype=np.uint16)


@pytest.mark.parametrize("counts", [None, np.array([1, 2, 0, 0, 3])])
def test_scaled_weights_go_by_how_often_tokens_occur(counts):
    config = Config(model=MODEL, training=TrainingConfig(seed=3))
    expected = scaled_params(MODEL, 3, np.array([1, 2, 0, 0, 3]))
    np.testing.assert_array_equal(initial_params(config, TOKENS, counts), expected)


def test_the_reference_systems_have_their_own():
    config = Config(model=MODEL, training=TrainingConfig(init="mini", seed=3))
    np.testing.assert_array_equal(
        initial_params(config, TOKENS, None), reference_params(MODEL, "mini", 3)
    )
