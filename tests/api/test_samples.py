"""Samples during a run: when they are taken, and that they do not change the run."""

from __future__ import annotations

import numpy as np
import pytest

import fastlm
from fastlm.api.samples import SampleEvery
from fastlm.errors import ConfigError

TEXT = "the cat sat on the mat and the dog lay down beside it\n" * 30
SETTINGS = {"context": 3, "embed": 3, "hidden": (4,), "batch": 16, "valid": 0, "threads": 1}


def test_a_sample_after_each_so_many_steps(capsys):
    samples = SampleEvery(steps=20, prompt="the ", length=12)
    plain = fastlm.train(TEXT, steps=100, **SETTINGS)
    sampled = fastlm.train(TEXT, steps=100, callbacks=samples, **SETTINGS)
    np.testing.assert_array_equal(sampled.params, plain.params)
    steps = [step for step, _ in samples.samples]
    assert steps[-1] == 100
    assert steps == sorted(set(steps))
    text = samples.samples[-1][1]
    assert text == plain.generate("the ", 12, seed=0)
    assert capsys.readouterr().err.count("sample      the ") == len(steps)


def test_a_sample_after_each_epoch_of_further_training(capsys):
    samples = SampleEvery(show=False, length=5)
    lm = fastlm.train(TEXT, steps=5, **SETTINGS)
    lm.train_more(TEXT, epochs=2, callbacks=samples)
    assert samples.samples[-1][1] == lm.generate(length=5, seed=0)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"epochs": 1, "steps": 5}, "epochs and steps are both given"),
        ({"epochs": 0}, "epochs is 0; give a number above 0"),
        ({"steps": 0}, "steps is 0; give a whole number of at least 1"),
        ({"max_tokens": 5}, "unknown setting 'max_tokens'; did you mean 'length'?"),
    ],
)
def test_bad_settings(arguments, message):
    with pytest.raises(ConfigError) as caught:
        SampleEvery(**arguments)
    assert str(caught.value).startswith(message)


def test_without_a_model_it_says_where_it_belongs():
    config = fastlm.Config(
        model=fastlm.ModelConfig(vocab=3, context=1, embed=1, hidden=()),
        training=fastlm.TrainingConfig(steps=2, batch=2),
    )
    trainer = fastlm.Trainer(config, [0, 1, 2] * 5, callbacks=SampleEvery())
    with pytest.raises(ConfigError, match=r"has no model; give it to fastlm\.train"):
        trainer.fit()
