"""A model's own states and distributions, before and after it changes."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from fastlm.errors import ConfigError, TextError, TokenizerError
from tests.inference.mixtures import make_mixture
from tests.inference.models import make_model


@pytest.mark.thorough
def test_the_steps_of_a_model():
    lm = make_model(documents="lines")
    state = lm.start("the")
    total = 0.0
    for character in " cat":
        log_prob, state = lm.step(state, character)
        assert isinstance(log_prob, float)
        total += log_prob
    log_prob, state = lm.step(state, lm.tokenizer.boundary_id)
    (score,) = lm.score([" cat"], prefixes="the")
    assert total + log_prob == pytest.approx(score.log_prob, rel=1e-5)
    assert state == lm.start() == lm.start("the cat\n")


def test_several_distributions_at_once():
    for lm in (make_mixture(), make_model("word")):
        prompts = ["the cat", lm.start("the"), ""]
        found = lm.next_token_distributions(prompts)
        for row, prompt in zip(found, ("the cat", "the", ""), strict=True):
            np.testing.assert_allclose(row, lm.next_token_distribution(prompt), rtol=1e-9)
        assert lm.next_token_distributions([]).shape == (0, lm.tokenizer.vocab_size)
    with pytest.raises(TokenizerError, match="put it in a list"):
        lm.next_token_distributions("the")
    with pytest.raises(TextError, match=r"text 1: .*not str"):
        lm.next_token_distributions(["the", 3])
    with pytest.raises(ConfigError, match="no state of this model"):
        lm.next_token_distributions([make_mixture("counts").start()])


def test_new_weights_are_seen():
    lm = make_model()
    before = lm.step(lm.start(), "a")[0]
    assert lm.step(lm.start(), "a")[0] == before
    lm.params = lm.params * np.float32(0.5)
    assert lm.step(lm.start(), "a")[0] != before


def test_models_with_states_are_copied_and_pickled():
    lm = make_mixture()
    state = lm.start("the")
    expected = lm.step(state, "a")
    for other in (copy.deepcopy(lm), pickle.loads(pickle.dumps(lm))):
        assert other.step(state, "a") == expected


def test_the_prompt_is_text():
    with pytest.raises(TokenizerError, match="the prompt is int"):
        make_model().start(3)  # type: ignore[arg-type]
