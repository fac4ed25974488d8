"""A model that is trained further learns the new text, and stays whole when that fails."""

from __future__ import annotations

import numpy as np
import pytest

import fastlm
from fastlm.api.finetuning import LR_FACTOR, finetuning_config
from fastlm.config import TrainingConfig
from fastlm.errors import ConfigError, CorpusError, TokenizerError, TrainingError
from fastlm.tokenizers import build_tokenizer
from tests.inference.mixtures import make_mixture

OLD = "the cat sat on the mat. " * 20
NEW = "a dog ran in a fog. " * 20
TOKENIZER = build_tokenizer("char", [OLD, NEW])
SETTINGS = {"context": 4, "embed": 6, "hidden": (12,), "batch": 16, "valid": 0, "threads": 1}


def trained(**settings):
    how = SETTINGS | {"tokenizer": TOKENIZER, "epochs": 3} | settings
    return fastlm.train(texts=[OLD], **how)


def test_it_learns_the_new_text_in_place():
    model = trained()
    before, step, old = model.perplexity(NEW), model.details["step"], model.params
    copy = old.copy()
    assert model.train_more([NEW], epochs=3) is model
    assert model.perplexity(NEW) < before / 2
    assert model.details["step"] == step + model.result.step
    assert model.params is not old
    np.testing.assert_array_equal(old, copy)  # who holds it keeps it as it was


def test_a_string_is_one_text_and_calls_add_up():
    one, two = trained(), trained()
    one.train_more(NEW)
    two.train_more(iter([NEW]))
    np.testing.assert_array_equal(one.params, two.params)
    one.train_more(NEW)
    assert one.details["step"] == two.details["step"] + one.result.step
    assert not np.array_equal(one.params, two.params)


def test_settings_are_those_of_before_but_for_rate_and_length():
    before = TrainingConfig(
        batch=32, lr=2.0, momentum=0.5, dropout=0.1, epochs=30, seed=7, patience=3
    )
    found = finetuning_config(before, {})
    assert found == TrainingConfig(
        batch=32, lr=2.0 * LR_FACTOR, momentum=0.5, dropout=0.1, epochs=1
    )
    found = finetuning_config(before, {"steps": 5, "lr": 0.3, "seed": None, "schedule": "constant"})
    assert (found.epochs, found.steps, found.lr, found.seed) == (None, 5, 0.3, 0)
    assert found.schedule == "constant"
    # Another batch scales the rate, as where a model is trained from the start.
    assert finetuning_config(before, {"batch": 64}).lr == 2 * 2.0 * LR_FACTOR
    assert finetuning_config(None, {}).lr == TrainingConfig().base_lr * LR_FACTOR


def test_validation_keeps_the_best_and_tells_the_callbacks():
    class Seen(fastlm.Callback):
        def __init__(self):
            self.losses = []

        def on_validation(self, validation):
            self.losses.append(validation.loss)

    seen = Seen()
    model = trained().train_more([NEW], valid=NEW, epochs=4, valid_every=1, callbacks=[seen])
    assert len(seen.losses) >= 4
    assert model.details["valid_loss"] == model.result.best.loss == min(seen.losses)
    model.train_more([NEW], valid=0.2)
    assert model.result.best is not None
    model.train_more([NEW], valid=0)
    assert model.result.best is None
    assert "valid_loss" not in model.details


def test_lines_are_documents_as_in_training():
    model = fastlm.train(texts=["anna\nberta\n" * 30], documents="lines", epochs=2, **SETTINGS)
    seen = []

    class Sizes(fastlm.Callback):
        def on_start(self, start):
            seen.append(start.train_tokens)

    model.train_more(["anna\nberta\n", "anna"], callbacks=[Sizes()])
    assert seen == [4 + 5 + 4 + 3]  # with the end of each


def test_it_comes_back_from_its_file(tmp_path):
    model = trained().train_more([NEW])
    model.save(tmp_path / "m.safetensors")
    again = fastlm.load(tmp_path / "m.safetensors")
    assert again.params.tobytes() == model.params.tobytes()
    assert (again.training, again.details) == (model.training, model.details)


@pytest.mark.parametrize(
    ("texts", "settings", "error", "message"),
    [
        ([NEW], {"hidden": (3,)}, ConfigError, "hidden is a part of the model"),
        ([NEW], {"speed": 3}, ConfigError, "unknown setting 'speed'; did you mean 'seed'"),
        ([NEW], {"init": "tiny"}, ConfigError, "unknown setting 'init'"),
        ([NEW], {"lr": -1}, ConfigError, "lr is -1; give"),
        ([NEW], {"epochs": 1, "steps": 2}, ConfigError, "epochs and steps are both given"),
        ([NEW], {"valid": 1.5}, CorpusError, "must be above 0 and below 1, got 1.5"),
        ([], {}, CorpusError, "no document"),
        ([NEW, 3], {}, CorpusError, "text 1 is int, not str"),
        (3, {}, CorpusError, "expected an iterable of str, got int"),
        (["猫は魚を見た"], {}, CorpusError, "86% of the text is unknown to the model's vocab"),
        (["\ud800"], {}, CorpusError, "lone surrogate"),
        ([NEW], {"lr": 1e30}, TrainingError, "learning rate"),
    ],
)
@pytest.mark.filterwarnings("ignore")
def test_after_an_error_the_model_is_what_it_was(texts, settings, error, message):
    model = trained(epochs=1)
    before = model.params.tobytes(), model.training, model.details, model.result
    with pytest.raises(error, match=message) as caught:
        model.train_more(texts, **settings)
    assert "\n" not in str(caught.value)
    assert (model.params.tobytes(), model.training, model.details, model.result) == before


def test_a_vocabulary_without_unk_refuses_what_it_does_not_know():
    tokenizer = build_tokenizer("char", [OLD], unk=False)
    model = trained(tokenizer=tokenizer, epochs=1)
    with pytest.raises(TokenizerError, match=r"the character 'd' .* is not among the"):
        model.train_more([NEW])


def test_what_is_no_text_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "corpus.txt").write_text(NEW)
    model = trained()
    before = model.params
    for wrong in ("corpus.txt", {"text": [NEW]}):
        for arguments in ({"texts": wrong}, {"texts": NEW, "valid": wrong}):
            with pytest.raises(CorpusError, match="expected text"):
                model.train_more(**arguments)
    assert model.params is before


@pytest.mark.parametrize("kind", ["counts", "network and counts"])
def test_counts_of_more_text_are_added(kind):
    lm = make_mixture(kind)
    text = "the dog on the cat on the mat\n"
    before = lm.evaluate(text).log_prob
    ngrams, weights = lm.counts.counts, lm.weights
    lm.train_more(text * 40)
    assert lm.evaluate(text).log_prob > before
    assert lm.counts.counts[1] > ngrams[1]
    assert lm.weights is weights
    assert (lm.result is None) == (kind == "counts")
    assert lm.details["reason"] == "finished"
    assert abs(lm.next_token_distribution("the ").sum() - 1) < 1e-6


def test_what_cannot_be_trained_further_says_so():
    with pytest.raises(ConfigError, match="2 networks"):
        make_mixture("two networks").train_more("the cat")
    with pytest.raises(ConfigError, match="lr is of a network"):
        make_mixture("counts").train_more("the cat", lr=0.1)
