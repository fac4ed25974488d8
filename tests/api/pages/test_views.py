"""Views are what the model itself says, in numbers."""

from __future__ import annotations

import numpy as np
import pytest

from fastlm.api.pages.views import (
    caption_of,
    neighbor_bars,
    next_bars,
    place_bars,
    token_map,
)
from fastlm.errors import ConfigError
from fastlm.tokenizers import build_tokenizer
from tests.api.models import TOKENIZERS, make_model
from tests.inference.mixtures import make_mixture

LETTERS = "abcdefghijklmnopqrstuvwxyz"


def lettered():
    """A model that puts vowels to one side and consonants to the other."""
    lm = make_model(build_tokenizer("char", [LETTERS]), embed=6)
    rng = np.random.default_rng(0)
    for letter in LETTERS:
        side = 2.0 if letter in "aeiouy" else -1.0
        vector = rng.normal(0, 0.3, 6).astype(np.float32)
        vector[0] += side
        lm.tensors["embeddings"][lm.tokenizer.id_of(letter)] = vector
    return lm


def test_vowels_and_consonants_are_found():
    found = token_map(lettered())
    assert found.groups == [
        "20 letters, no vowel: b c d f g h j k l m n p q r s t v w x z",
        "6 letters, all vowels: a e i o u y",
    ]
    assert {point.label: point.group for point in found.points}["a"] == 1
    xs = {point.label: point.x for point in found.points}
    assert min(xs[c] for c in "aeiouy") > max(xs[c] for c in LETTERS if c not in "aeiouy")
    assert "26 letters" in found.note


@pytest.mark.parametrize("kind", sorted(TOKENIZERS))
def test_every_tokenizer_has_a_map(kind):
    found = token_map(make_model(kind))
    assert len(found.points) >= 3
    assert max(point.group for point in found.points) == len(found.groups) - 1
    assert not {"<end>", "<unk>"} & {point.label for point in found.points}


def test_neighbours_are_those_of_the_model():
    lm = make_model()
    bars = neighbor_bars(lm, "e", 4)
    assert list(zip(bars.labels, bars.values, strict=True)) == lm.neighbors("e", 4)


def test_next_tokens_at_temperatures():
    lm = make_model()
    cold, plain = next_bars(lm, "The ", [0.5, 1.0], 5)
    assert list(zip(plain.labels, plain.values, strict=True)) == [
        (token, pytest.approx(share)) for token, share in lm.top_k("The ", 5)
    ]
    shares = lm.next_token_distribution("The ") ** 2
    assert cold.values == pytest.approx(np.sort(shares / shares.sum())[::-1][:5].tolist())
    assert cold.title == "temperature 0.5"
    (greedy,) = next_bars(lm, "", [0.0], 2)
    assert greedy.values == [1.0, 0.0]
    with pytest.raises(ConfigError, match="temperature"):
        next_bars(lm, "", [-1.0])


def test_places_from_the_nearest():
    lm = make_model(far=(2,))
    weight = lm.tensors["hidden.1.weight"]
    bars = place_bars(lm)
    assert bars.labels[0] == "1 back"
    assert bars.values[0] == pytest.approx(np.sqrt((weight[9:12] ** 2).mean()))
    assert len(bars.values) == 4
    with pytest.raises(ConfigError, match="combine is 'mean'"):
        place_bars(make_model(combine="mean"))
    assert len(place_bars(make_model(hidden=())).values) == 4


def test_counts_have_no_map():
    lm = make_mixture("counts")
    for view in (token_map, place_bars, lambda lm: neighbor_bars(lm, "t")):
        with pytest.raises(ConfigError, match="counts"):
            view(lm)


def test_a_caption_has_source_and_machine():
    lm = make_model()
    lm.details = {"corpus": "names.txt"}
    assert caption_of(lm, "a/m.safetensors").startswith("m.safetensors, trained on names.txt; ")
    assert "fastlm " in caption_of(lm, "m")
