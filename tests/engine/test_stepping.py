"""Steps, walks and draws agree with the calls that do many at once."""

from __future__ import annotations

import numpy as np
import pytest

from fastlm.engine.count_queries import context_distribution, context_state
from fastlm.engine.generation import context_logits
from fastlm.engine.stepping import CountStep, Draw, NetworkStep
from fastlm.errors import TrainingError
from fastlm_kernels.passes.sampling import Rules
from tests.inference.mixtures import make_mixture
from tests.inference.models import make_model


def test_a_step_is_the_log_of_the_softmax_of_the_logits():
    lm = make_model()
    step = NetworkStep(lm.params, lm.config)
    for context in np.random.default_rng(0).integers(0, lm.config.vocab, (5, lm.config.span)):
        step.context[:] = context
        z = context_logits(lm.params, lm.config, step.context[None])[0].astype(np.float64)
        expected = z - z.max() - np.log(np.exp(z - z.max()).sum())
        np.testing.assert_allclose(step.log_probs(), expected, rtol=1e-12)


def test_weights_out_of_range_are_an_error():
    lm = make_model()
    lm.params[:] = np.nan
    with pytest.raises(TrainingError, match="not finite"):
        NetworkStep(lm.params, lm.config).log_probs()


def test_a_walk_gives_the_probabilities_of_the_distribution():
    tables = make_mixture("counts").text_model.counts.tables
    step = CountStep(tables)
    level, node = context_state(tables, np.empty(0, dtype=np.int32)).tolist()
    for id in (3, 4, 3, 5, 0, 3):
        state = np.array([level, node], dtype=np.int64)
        expected = np.log(context_distribution(tables, state)[id])
        log_prob, level, node = step.step(level, node, id)
        assert log_prob == pytest.approx(expected, abs=1e-6)


def test_draws_follow_the_distribution_and_the_seed():
    z = np.log(np.array([0.5, 0.3, 0.2], dtype=np.float32))
    rules = Rules(sharpness=1.0, greedy=0, top_k=3, top_p=1.0)
    drawn = [Draw(3, rules, 1).token(z.copy(), 0, position) for position in range(2000)]
    assert np.bincount(drawn) / 2000 == pytest.approx([0.5, 0.3, 0.2], abs=0.04)
    assert drawn[:50] == [Draw(3, rules, 1).token(z.copy(), 0, p) for p in range(50)]
    assert drawn[:50] != [Draw(3, rules, 2).token(z.copy(), 0, p) for p in range(50)]
    greedy = Draw(3, rules._replace(greedy=1), 1)
    assert {greedy.token(z.copy(), 0, position) for position in range(9)} == {0}
