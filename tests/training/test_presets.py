"""The reference systems as presets of the engine learn what they learn in the original."""

from __future__ import annotations

import contextlib
import io

import numpy as np
import pytest
from numba import config as numba_config

import fastlm
from fastlm.config import ModelConfig, TrainingConfig
from fastlm.errors import ConfigError
from fastlm.reference import tiny
from fastlm.reference.mini import PARAGRAPH, TextPreprocessor
from fastlm.training.metrics import read_rows
from fastlm.training.presets import PRESETS, Preset, preset_named, split_settings

NO_JIT = bool(numba_config.DISABLE_JIT)
LINE = "the cat sat on the mat " * 4


@pytest.mark.parametrize("name", sorted(PRESETS))
def test_settings_are_fields_of_the_configurations(name):
    preset = preset_named(name)
    ModelConfig(vocab=27, **preset.model)
    training = TrainingConfig(**preset.training)
    assert training.batch == 1
    assert training.init == name


def test_no_preset_has_no_settings():
    assert preset_named(None) == Preset()


def test_an_unknown_preset_is_refused():
    with pytest.raises(ConfigError, match="preset is 'huge'; choose one of tiny, mini"):
        preset_named("huge")


@pytest.mark.thorough
def test_tiny_writes_what_the_reference_writes():
    epochs = 2 if NO_JIT else 100
    weights = tiny.initialize_weights(27, 32)
    with contextlib.redirect_stdout(io.StringIO()):
        history = tiny.train(LINE, weights, epochs=epochs)

    lm = fastlm.train(texts=[LINE], preset="tiny", valid=0, epochs=epochs)
    assert lm.generate("sat o", length=18, greedy=True) == tiny.generate_text("sat o", weights, 18)
    assert lm.result.step == epochs * (len(LINE) - 5)
    expected = np.array(weights["output"])
    error = np.abs(lm.tensors["output.weight"] - expected).max()
    assert error < 1e-3 * np.abs(expected).max()
    if not NO_JIT:
        assert lm.generate("sat o", length=1, greedy=True) == "sat on"
        assert history[-1] < history[0] / 5
        assert lm.perplexity(LINE) < np.exp(history[0]) / 5


def test_tiny_has_its_own_vocabulary_and_size():
    lm = fastlm.train(texts=["Aa! the cat"], preset="tiny", steps=1)
    assert lm.tokenizer.vocab_size == 27
    assert lm.params.size == 1728
    assert lm.tokenizer.encode("hello").tolist() == [8, 5, 12, 12, 15]


@pytest.mark.thorough
def test_tiny_side_by_side_writes_what_the_reference_writes():
    epochs = 1 if NO_JIT else 30
    weights = tiny.initialize_weights(27, 32, concat=5)
    tiny.train(LINE, weights, epochs=epochs, print_every=0)
    lm = fastlm.train(texts=[LINE], preset="tiny", combine="concat", epochs=epochs)
    assert lm.params.size == 5184
    expected = np.array(weights["W_output"])
    assert np.abs(lm.tensors["output.weight"] - expected).max() < 1e-3 * np.abs(expected).max()
    written = lm.generate("the c", length=18, greedy=True)
    assert written == tiny.generate_text("the c", weights, 18)
    assert NO_JIT or written == "the cat sat on the mat "


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("preset", "changes"),
    [("tiny", {"hidden": 16}), ("tiny", {"bias": True}), ("mini", {"combine": "mean"})],
    ids=str,
)
def test_a_preset_in_another_form_learns(preset, changes):
    text = LINE if preset == "tiny" else PARAGRAPH
    lm = fastlm.train(texts=[text], preset=preset, epochs=1 if NO_JIT else 60, **changes)
    assert lm.training.init == preset
    assert lm.perplexity(text) < (lm.tokenizer.vocab_size if NO_JIT else 3)


def test_a_preset_reports_every_epoch(tmp_path, capsys):
    metrics = tmp_path / "m.jsonl"
    lm = fastlm.train(texts=[LINE], preset="tiny", epochs=20, metrics=metrics, progress=True)
    rows = read_rows(metrics)
    assert [row["step"] for row in rows] == [(len(LINE) - 5) * n for n in range(1, 21)]
    said = [line for line in capsys.readouterr().err.splitlines() if line.startswith("Epoch")]
    assert said == [f"Epoch {n}/20, Average Loss: {rows[n - 1]['loss']:.4f}" for n in (10, 20)]
    assert lm.result.step == 20 * (len(LINE) - 5)


def test_mini_learns_a_paragraph():
    lm = fastlm.train(texts=[PARAGRAPH], preset="mini", valid=0, epochs=1 if NO_JIT else 60)
    words = TextPreprocessor(PARAGRAPH)
    assert lm.tokenizer.vocab_size == len(words.vocabulary)
    perplexity = lm.perplexity(PARAGRAPH)
    assert perplexity < (len(words.vocabulary) if NO_JIT else 2)
    if not NO_JIT:
        assert "carries snow water" in lm.generate(
            "In spring it", length=6, temperature=0.01, seed=1
        )


def test_mini_has_the_ids_of_the_reference():
    lm = fastlm.train(texts=[PARAGRAPH], preset="mini", steps=1)
    words = TextPreprocessor(PARAGRAPH)
    assert lm.tokenizer.encode(PARAGRAPH).tolist() == words.text_to_indices(PARAGRAPH)


def test_settings_override_a_preset():
    lm = fastlm.train(texts=[LINE], preset="tiny", steps=3, embed=8, lr=0.5)
    assert lm.config.embed == 8
    assert lm.config.combine == "mean"
    assert (lm.training.lr, lm.training.steps, lm.training.epochs) == (0.5, 3, None)
    assert lm.training.batch == 1


def test_settings_of_the_model_and_of_training_given_before_the_presets():
    model, training = split_settings(
        {"embed": 7, "lr": None, "steps": 9, "seed": 3}, preset_named("mini")
    )
    assert (model["embed"], model["context"]) == (7, 4)
    assert (training["lr"], training["steps"], training["seed"]) == (0.1, 9, 3)
    assert "epochs" not in training  # another length replaces the preset's
    with pytest.raises(ConfigError, match="did you mean 'seed'"):
        split_settings({"sede": 1}, preset_named(None))
