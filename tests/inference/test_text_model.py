"""The snapshot of a model that a call works with."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from fastlm.config import ModelConfig
from fastlm.engine.tokens import token_array
from fastlm.inference.members import NetworkMember
from fastlm.model.layout import Layout
from tests.api.models import make_model
from tests.counts.naive import random_model
from tests.inference.mixtures import KINDS, make_mixture


def test_a_snapshot_cannot_be_changed():
    model = make_model().text_model
    with pytest.raises(dataclasses.FrozenInstanceError):
        model.documents = "lines"


def test_a_call_keeps_the_model_that_it_began_with():
    lm = make_model()
    texts = ["to be", "or not", "to be"]
    expected = list(lm.score(texts))
    scores = lm.score(texts, batch_chars=1)
    stream = lm.stream("to", length=30, seed=1)
    whole = lm.generate("to", length=30, seed=1)
    found = [next(scores)]
    before = lm.params.copy()
    lm.train_more("to be or not to be " * 20, lr=0.5)
    assert not np.array_equal(lm.params, before)
    assert found + list(scores) == expected
    assert "to" + "".join(stream) == whole


@pytest.mark.parametrize("kind", KINDS)
def test_a_mixture_adds_weighted_probabilities_by_the_class_of_the_context(kind):
    model = make_mixture(kind).text_model
    ids = model.tokenizer.encode("the cat and the dog").tolist()
    ids.insert(7, model.tokenizer.boundary_id)
    tokens = token_array(np.array(ids), model.tokenizer.vocab_size)
    losses = model.losses(tokens, 0, len(ids))
    for at, id in enumerate(ids):
        before = ids[8:at] if at > 7 else ids[:at]
        p = model.distribution(before)
        assert abs(p.sum() - 1) < 1e-6
        assert -np.log(p[id]) == pytest.approx(losses[at], abs=1e-5)
    parts = [model.losses(tokens, low, low + 1) for low in range(len(ids))]
    assert np.concatenate(parts).tobytes() == losses.tobytes()


def test_no_weight_depends_on_the_target():
    model = make_mixture("two networks and counts").text_model
    rng = np.random.default_rng(0)
    ids = rng.integers(0, model.tokenizer.vocab_size, 60)
    for at in range(1, 60, 7):
        classes = set()
        for target in range(model.tokenizer.vocab_size):
            changed = np.concatenate((ids[:at], [target], rng.permutation(ids[at + 1 :])))
            tokens = token_array(changed, model.tokenizer.vocab_size)
            classes.add(int(model.member_losses(tokens, 0, 60)[1][at]))
        assert len(classes) == 1


def test_a_mixture_sees_what_its_members_see():
    model = make_mixture("two networks and counts", order=9).text_model
    assert model.span == 8
    assert model.first_target == 0
    assert make_mixture("two networks").text_model.span == 4


@pytest.mark.thorough
@pytest.mark.parametrize("kind", ["counts", "network and counts"])
@pytest.mark.parametrize("vocab", [3, 100, 30_000])
def test_a_thousand_distributions_sum_to_one(kind, vocab):
    """Over random contexts: seen and unseen ones, and those at the start of a document."""
    rng = np.random.default_rng(vocab)
    counts = random_model(1, vocab, 5, kept=2, tokens=3000).model()
    config = ModelConfig(vocab=vocab, boundary=0, context=3, embed=2, hidden=(4,))
    params = rng.standard_normal(Layout(config).size).astype(np.float32)
    model = make_mixture("counts").text_model
    model = dataclasses.replace(
        model, networks=(NetworkMember(config, params),) if kind != "counts" else (), counts=None
    ).with_counts(counts)
    if model.weights is not None:
        weights = rng.dirichlet([1, 1], model.counts.buckets)
        model = dataclasses.replace(model, weights=weights)
    worst = 0.0
    for _ in range(1000 if vocab < 30_000 else 200):
        ids = (vocab * rng.random(rng.integers(0, 9)) ** 3).astype(int).tolist()
        p = model.distribution(ids)
        parts = [member.distribution(ids).sum() for member in model.members]
        worst = max(worst, abs(p.sum() - 1), *(abs(total - 1) for total in parts))
    assert worst < 1e-6
