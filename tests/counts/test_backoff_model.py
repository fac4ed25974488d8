from __future__ import annotations

import dataclasses
import itertools
import math
from typing import Any

import numpy as np
import pytest

from fastlm.counts.backoff_model import BackoffModel, token_type
from fastlm.errors import ModelFileError
from tests.counts.models import log_prob, model_of, ngrams_of, tiny_model


def test_the_trie_has_the_n_grams_that_were_put_into_it() -> None:
    model = tiny_model()
    model.check()
    assert model.counts == (5, 9, 9)
    again = model_of(ngrams_of(model), 5, 0)
    for name in ("tokens", "children", "log_probs", "log_backoffs", "suffixes"):
        for ours, theirs in zip(getattr(model, name), getattr(again, name), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_a_suffix_is_the_n_gram_without_its_first_token() -> None:
    model = tiny_model()
    levels = [[g for g in ngrams_of(model) if len(g) == k + 1] for k in range(3)]
    for k in (1, 2):
        for i, gram in enumerate(levels[k]):
            assert levels[k - 1][model.suffixes[k][i]] == gram[1:]


@pytest.mark.parametrize("name", ["tiny", "doubled"])
def test_probabilities_sum_to_one(name: str) -> None:
    model = tiny_model(name)
    for context in itertools.product(range(5), repeat=2):
        total = sum(math.exp(log_prob(model, context, token)) for token in range(5))
        assert total == pytest.approx(1, abs=1e-6)


def test_a_vocabulary_of_16_bits_takes_16_bits() -> None:
    assert token_type(65536) is np.uint16
    assert token_type(65537) is np.uint32


def changed(model: BackoffModel, name: str, level: int, index: int, value: Any) -> BackoffModel:
    arrays = list(getattr(model, name))
    arrays[level] = arrays[level].copy()
    arrays[level][index] = value
    return dataclasses.replace(model, **{name: tuple(arrays)})


@pytest.mark.parametrize(
    ("name", "level", "index", "value", "message"),
    [
        ("tokens", 0, 1, 2, "not the vocabulary in order"),
        ("tokens", 1, 0, 5, "out of the vocabulary"),
        ("tokens", 1, 0, 3, "out of order"),
        ("children", 0, 0, 1, "out of order"),
        ("children", 0, 5, 10, "out of order"),
        ("children", 1, 3, 2, "out of order"),
        ("suffixes", 1, 0, 5, "lead elsewhere"),
        ("suffixes", 1, 0, 0, "lead elsewhere"),
        ("suffixes", 2, 0, 9, "lead elsewhere"),
        ("log_probs", 1, 0, 0.01, "probability over 1"),
        ("log_probs", 1, 0, math.nan, "probability over 1"),
        ("log_probs", 1, 0, -math.inf, "probability of 0"),
        ("log_backoffs", 1, 0, math.inf, "not finite"),
    ],
)
def test_damage_is_found(name: str, level: int, index: int, value: Any, message: str) -> None:
    with pytest.raises(ModelFileError, match=message):
        changed(tiny_model(), name, level, index, value).check()


@pytest.mark.parametrize(
    "change",
    [
        {"order": 0},
        {"order": 2},
        {"order": 13},
        {"vocab": 6},
        {"vocab": 0},
        {"boundary": 5},
        {"tokens": ()},
        {"suffixes": (np.zeros(0, np.uint32),)},
    ],
)
def test_other_shapes_are_refused(change: dict[str, Any]) -> None:
    with pytest.raises(ModelFileError):
        dataclasses.replace(tiny_model(), **change).check()


@pytest.mark.parametrize("name", ["tokens", "children", "log_probs", "log_backoffs", "suffixes"])
def test_other_types_are_refused(name: str) -> None:
    model = tiny_model()
    wider = tuple(array.astype(np.float64) for array in getattr(model, name))
    with pytest.raises(ModelFileError, match=f"the {name} of its counts"):
        dataclasses.replace(model, **{name: wider}).check()


def test_every_single_change_of_the_structure_is_found_or_harmless() -> None:
    """What passes has all its indices in range, so that no kernel reads outside an array."""
    model = tiny_model()
    for name in ("tokens", "children", "suffixes"):
        for level, array in enumerate(getattr(model, name)):
            for index, value in itertools.product(range(len(array)), range(12)):
                if value == array[index]:
                    continue
                damaged = changed(model, name, level, index, value)
                try:
                    damaged.check()
                except ModelFileError:
                    continue
                assert ngrams_of(damaged).keys() != ngrams_of(model).keys()
                for context in itertools.product(range(5), repeat=2):
                    log_prob(damaged, context, 1)
