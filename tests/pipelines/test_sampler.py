"""The sampler's column is what the model writes after each prompt."""

from __future__ import annotations

import pickle

import pytest

import fastlm
from fastlm.errors import ConfigError, CorpusError, TextError
from tests.inference.models import make_model

from .models import saved_model


def test_text_after_each_prompt(tmp_path):
    path = saved_model(tmp_path)
    sampler = fastlm.Sampler(path, length=12, seed=3)
    batch = {"prompt": ["the ", None, "and "]}
    lm = make_model()
    first, second = (lm.generate(prompt, length=12, seed=3) for prompt in ("the ", "and "))
    assert sampler(batch) == {**batch, "generated": [first, None, second]}
    again = pickle.loads(pickle.dumps(sampler))
    assert len(pickle.dumps(sampler)) < 1000
    assert list(again.iter([{"prompt": ["the "]}])) == [{"prompt": ["the "], "generated": [first]}]
    assert fastlm.Sampler(path, "p", "out", length=3)([{"p": "a"}])[0]["out"].startswith("a")
    assert repr(sampler).startswith("Sampler(")


def test_what_cannot_be_used(tmp_path):
    path = saved_model(tmp_path)
    with pytest.raises(ConfigError, match=r"unknown setting 'lenght'.*did you mean 'length'"):
        fastlm.Sampler(path, lenght=3)
    with pytest.raises(ConfigError, match="temperature"):
        fastlm.Sampler(path, temperature=-1)({"prompt": ["a"]})
    with pytest.raises(TextError, match="text 1"):
        fastlm.Sampler(path)({"prompt": ["a", 3]})
    with pytest.raises(CorpusError, match="no column 'prompt'"):
        fastlm.Sampler(path)({"text": ["a"]})
