"""Steps from state to state give the scores of the text, for every kind of model."""

from __future__ import annotations

import pickle
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastlm.errors import ConfigError, TokenizerError
from fastlm.inference import states
from fastlm.inference.states import State, Stepper
from tests.inference.mixtures import KINDS, make_mixture
from tests.inference.models import make_model

TEXT = "the cat sat on a mat, and the dog saw it"


def models():
    yield from (make_mixture(kind) for kind in KINDS)
    yield make_mixture(tokenizer="word")
    yield make_model("char", "lines", far=(2, 3))
    yield make_model("word", cutoffs=(4, 9))
    yield make_model("byte", combine="mean")


MODELS = list(models())


@pytest.mark.parametrize("lm", MODELS, ids=repr)
def test_the_steps_over_a_text_have_its_score(lm):
    stepper = Stepper(lm.text_model)
    score = next(lm.score([TEXT], return_tokens=True, count_end=True))
    state = stepper.start()
    for id, expected in zip(score.token_ids.tolist(), score.token_log_probs, strict=True):
        log_prob, after = stepper.step(state, id)
        assert log_prob == pytest.approx(expected, rel=1e-4, abs=1e-5)
        assert log_prob == pytest.approx(stepper.log_probs(state)[id], rel=1e-6, abs=1e-6)
        state = after
    assert state == stepper.start()  # the end of a document is the start of the next


@pytest.mark.parametrize("lm", MODELS, ids=repr)
def test_a_distribution_is_that_of_the_text_before(lm):
    stepper = Stepper(lm.text_model)
    prompts = ["", "the cat", "a", "zz the dog"]
    found = stepper.distributions([stepper.start(lm.tokenizer.encode(p)) for p in prompts])
    expected = [lm.next_token_distribution(prompt) for prompt in prompts]
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-15)
    np.testing.assert_allclose(found.sum(axis=1), 1)


@pytest.mark.parametrize("kind", KINDS)
@given(
    before=st.text("the cadsmwo", max_size=9),
    other=st.text("the cadsmwo", max_size=9),
    after=st.text("the cadsmwo", max_size=4),
)
@settings(max_examples=15, deadline=None)
def test_equal_states_have_equal_futures(kind, before, other, after):
    lm = make_mixture(kind)
    stepper = Stepper(lm.text_model)
    encode = lm.tokenizer.encode
    one, two = (stepper.start(encode(text + after)) for text in (before, other))
    walked = stepper.start()
    for id in encode(before + after).tolist():
        _, walked = stepper.step(walked, id)
    assert walked == one
    if one == two:
        assert hash(one) == hash(two)
        for id in encode("cat").tolist():
            (first, one), (second, two) = stepper.step(one, id), stepper.step(two, id)
            assert (first, one) == (second, two)
    span = max([*(n.span for n in lm.text_model.networks), 2])
    if len(after) >= span:
        assert one == two  # all that the model sees is the same


def test_counts_forget_what_they_never_counted():
    lm = make_mixture("counts")
    start = Stepper(lm.text_model).start
    encode = lm.tokenizer.encode
    assert start(encode("cat qq")) == start(encode("dog qq")) != start(encode("cat"))


def test_states_are_small_and_can_be_pickled():
    lm = make_mixture()
    state = Stepper(lm.text_model).start(lm.tokenizer.encode("the cat"))
    assert pickle.loads(pickle.dumps(state)) == state
    assert len({state, Stepper(lm.text_model).start(lm.tokenizer.encode("the cat"))}) == 1
    assert len(state.context) == 2 * max(n.span for n in lm.text_model.networks)


def test_the_distributions_that_are_kept_are_bounded(monkeypatch):
    lm = make_model(documents="lines")
    monkeypatch.setattr(states, "_KEPT_BYTES", 3 * 8 * lm.tokenizer.vocab_size)
    few, many = Stepper(lm.text_model), Stepper(make_model(documents="lines").text_model)
    monkeypatch.undo()
    for stepper in (few, many):
        stepper.found = []
        state = stepper.start()
        for id in lm.tokenizer.encode(TEXT).tolist():
            log_prob, state = stepper.step(state, id)
            stepper.found.append(log_prob)
    assert few.found == many.found
    assert len(few._rows) <= 3 < len(many._rows) or len(few._rows) <= 3


def test_threads_share_a_stepper():
    lm = make_mixture()
    stepper = Stepper(lm.text_model)
    ids = lm.tokenizer.encode(TEXT).tolist()

    def walk(_):
        state, found = stepper.start(), []
        for id in ids:
            log_prob, state = stepper.step(state, id)
            found.append(log_prob)
        return found

    with ThreadPoolExecutor(4) as pool:
        first, *others = pool.map(walk, range(8))
    assert all(other == first for other in others)


@pytest.mark.parametrize("token", [-1, 10**6, "the cat", 1.5, None, True])
def test_what_is_no_token_is_refused(token):
    stepper = Stepper(make_model().text_model)
    with pytest.raises(TokenizerError):
        stepper.step(stepper.start(), token)


def test_a_token_may_be_named():
    lm = make_model()
    stepper = Stepper(lm.text_model)
    state = stepper.start()
    assert stepper.step(state, "a") == stepper.step(state, lm.tokenizer.id_of("a"))
    assert stepper.step(state, np.int64(3)) == stepper.step(state, 3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "state", [State(b"", 9, 0), State(b"abc", 0, 0), State(b"\0" * 8, 0, 10**9), "x", None, 3]
)
def test_a_state_of_another_model_is_refused(kind, state):
    stepper = Stepper(make_mixture(kind).text_model)
    for wrong in (state, stepper.start()._replace(level=1, node=10**6)):
        for call in (lambda s: stepper.step(s, 1), lambda s: stepper.distributions([s])):
            with pytest.raises(ConfigError, match="no state of this model"):
                call(wrong)
