"""The snapshot of a model that a call works with."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tests.api.models import make_model


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
