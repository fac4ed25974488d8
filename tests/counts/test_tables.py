"""The arrays of a back-off model in a row, in memory and in a model file."""

from __future__ import annotations

import numpy as np
import pytest

from fastlm.counts.tables import (
    count_metadata,
    count_tables,
    count_tensors,
    model_from_tensors,
    packed,
)
from fastlm.engine.count_queries import context_distribution, context_state, count_losses
from fastlm.engine.tokens import token_array
from fastlm.errors import ModelFileError
from tests.counts.models import ngrams_of, tiny_model
from tests.counts.naive import random_model


def test_a_packed_model_is_the_same_and_is_not_copied_again():
    model = random_model(0, 6, 4).model()
    again = packed(model)
    assert ngrams_of(again) == ngrams_of(model)
    again.check()
    for name, array in count_tensors(again).items():
        assert np.shares_memory(array, getattr(again, name.removeprefix("counts."))[-1]), name
    tables = count_tables(again)
    assert np.shares_memory(tables.log_probs, again.log_probs[0])
    assert np.shares_memory(tables.tokens, again.tokens[1])


@pytest.mark.parametrize("order", [1, 2, 5])
def test_a_model_comes_back_from_its_tensors(order):
    model = random_model(1, 5, order, boundary=None).model()
    again = model_from_tensors(count_tensors(model), count_metadata(model))
    assert ngrams_of(again) == ngrams_of(model)
    assert (again.vocab, again.boundary, again.metadata) == (5, None, {})


def test_every_changed_tensor_and_fact_is_refused_or_harmless():
    model = tiny_model()
    tensors, form = count_tensors(model), count_metadata(model)
    rng = np.random.default_rng(0)
    refused = 0
    ids = rng.integers(0, 5, 300).astype(np.int32)
    tokens = token_array(ids, 5)
    for _ in range(400):
        changed = {name: array.copy() for name, array in tensors.items()}
        name = rng.choice(sorted(changed))
        data = changed[name].view(np.uint8)
        data[rng.integers(data.size)] = rng.integers(256)
        try:
            found = model_from_tensors(changed, form)
        except ModelFileError:
            refused += 1
        else:  # what is let through can be queried
            tables = count_tables(found)
            losses, _ = count_losses(tables, tokens, 0, 300)
            assert np.isfinite(losses).all()
            context_distribution(tables, context_state(tables, ids[:5]))
    assert refused > 100


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sizes": []}, "sizes"),
        ({"sizes": [5] * 13}, "sizes"),
        ({"sizes": [5, 2**60, 2**60]}, "tokens of its counts have shape"),
        ({"sizes": [5, 8, 2]}, "shape"),
        ({"vocab": 4}, "every token"),
        ({"vocab": True}, "vocab"),
        ({"boundary": 5}, "boundary"),
        ({"estimate": 3}, "estimate"),
    ],
)
def test_wrong_descriptions_are_refused(change, message):
    model = tiny_model()
    with pytest.raises(ModelFileError, match=message):
        model_from_tensors(count_tensors(model), count_metadata(model) | change)


def test_missing_and_unknown_tensors_are_refused():
    model = tiny_model()
    tensors = count_tensors(model)
    for wrong in (tensors | {"counts.more": np.zeros(1)}, dict(list(tensors.items())[1:]), {}):
        with pytest.raises(ModelFileError, match="not those of a back-off model"):
            model_from_tensors(wrong, count_metadata(model))
