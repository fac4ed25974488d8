"""Samples during a run: when they are taken, and that they do not change the run."""

from __future__ import annotations

import numpy as np
import pytest

import fastlm
from fastlm.api.samples import SampleEvery, read_samples
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


def test_samples_are_written_to_a_file_which_a_resumed_run_continues(tmp_path):
    file, checkpoint = tmp_path / "m.samples.jsonl", tmp_path / "m.checkpoint.safetensors"
    first = SampleEvery(steps=10, show=False, length=5, file=file)
    corpus = tmp_path / "corpus.txt"
    corpus.write_text(TEXT)
    fastlm.train(corpus, steps=20, callbacks=first, checkpoint=checkpoint, **SETTINGS)
    assert read_samples(file) == first.samples
    with file.open("ab") as lines:
        lines.write(b'{"event": "sample", "step": 999, "text": "of a run that was lost"}\n{"ev')
    second = SampleEvery(steps=10, show=False, length=5, file=file)
    trainer = fastlm.Trainer.resume(checkpoint, steps=40, callbacks=second)
    second.model = fastlm.load(checkpoint)
    trainer.fit()
    assert read_samples(file) == first.samples + second.samples
    again = SampleEvery(steps=10, show=False, length=5, file=file)
    fastlm.train(TEXT, steps=10, callbacks=again, **SETTINGS)
    assert read_samples(file) == again.samples


def test_what_holds_no_samples_is_not_overwritten(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(ConfigError, match="does not hold samples of a run, so it is not"):
        SampleEvery(file=tmp_path / "notes.txt")
    with pytest.raises(ConfigError, match="cannot write samples"):
        SampleEvery(file=tmp_path)
    assert read_samples(tmp_path / "absent") == []
    lines = b'[1]\n{"event": "sample", "step": "x", "text": "y"}\n\xff\n'
    (tmp_path / "odd").write_bytes(lines + b'{"event": "sample", "step": 1, "text": "y"}\n')
    assert read_samples(tmp_path / "odd") == [(1, "y")]
