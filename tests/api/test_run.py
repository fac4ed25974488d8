"""The run of fastlm.train: text as people give it, settings as they spell them, callbacks."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import fastlm
from fastlm.api.counting import CountSettings
from fastlm.errors import ConfigError, CorpusError
from fastlm.model.model_file import read_metadata

TEXT = "the cat sat on the mat\nand the dog lay down beside it\n" * 30
SETTINGS = {"context": 3, "embed": 3, "hidden": 4, "batch": 16, "valid": 0, "threads": 1}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "corpus.txt").write_text(TEXT)


def test_text_trains_as_the_file_that_holds_it():
    models = [
        fastlm.train(corpus, steps=20, **SETTINGS)
        for corpus in ("corpus.txt", Path("corpus.txt"), TEXT, [Path("corpus.txt")], [TEXT])
    ]
    with open("corpus.txt", encoding="utf-8") as file:
        models.append(fastlm.train(file, steps=20, **SETTINGS))
    models.append(fastlm.train(texts=TEXT, steps=20, **SETTINGS))
    for lm in models[1:]:
        np.testing.assert_array_equal(lm.params, models[0].params)
    # One text in memory runs on, as a file does.
    assert {lm.generate(length=80, seed=1) for lm in models} == {
        models[0].generate(length=80, seed=1)
    }


def test_a_list_of_sentences_is_text_of_several_documents():
    sentences = ["the cat sat on the mat", "the dog lay down"] * 20
    lm = fastlm.train(sentences, steps=20, **SETTINGS)
    again = fastlm.train(texts=sentences, steps=20, **SETTINGS)
    np.testing.assert_array_equal(lm.params, again.params)
    assert lm.seen.ends


@pytest.mark.parametrize(
    ("corpus", "message"),
    [
        ("the cat sat on the mat", "'the cat sat on the mat' names no file; if it is text, give"),
        ("missing.txt", "missing.txt: no such file"),
        (["emma", "olivia"], "'emma' and 1 more name no files; if they are texts"),
        ("x" * 255, "xxx"),
    ],
)
def test_what_names_no_file(corpus, message):
    with pytest.raises(FileNotFoundError) as caught:
        fastlm.train(corpus, steps=1)
    assert isinstance(caught.value, CorpusError)
    assert str(caught.value).startswith(message)
    assert len(str(caught.value)) < 200


def test_validation_text_is_text_beside_files_too():
    held_out = "the dog sat on the cat\n" * 20
    settings = SETTINGS | {"steps": 10}
    del settings["valid"]
    losses = {
        fastlm.train("corpus.txt", **{name: held_out}, **settings).details["valid_loss"]
        for name in ("valid", "valid_texts")
    }
    Path("valid.txt").write_text(held_out)
    losses.add(fastlm.train(TEXT, valid="valid.txt", **settings).details["valid_loss"])
    assert len(losses) == 1


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("learning_rate", "lr"),
        ("batch_size", "batch"),
        ("max_steps", "steps"),
        ("verbose", "progress"),
        ("n_epochs", "epochs"),
        ("embedding_dim", "embed"),
        ("hiden", "hidden"),
        ("tokeniser", "tokenizer"),
        ("callback", "callbacks"),
        ("validation_split", "valid"),
    ],
)
def test_a_misspelt_setting_gets_the_one_that_is_meant(name, meant):
    with pytest.raises(ConfigError) as caught:
        fastlm.train(TEXT, **{name: 3})
    assert str(caught.value) == f"unknown setting {name!r}; did you mean {meant!r}?"


def test_the_model_of_a_callback_is_the_one_that_is_trained():
    models, starts = [], []

    class Look(fastlm.Callback):
        def on_start(self, start):
            starts.append(self.model.params)

        def on_progress(self, progress):
            models.append(self.model)

    look = Look()
    lm = fastlm.train(TEXT, steps=20, callbacks=look, **SETTINGS)
    plain = fastlm.train(TEXT, steps=20, **SETTINGS)
    np.testing.assert_array_equal(lm.params, plain.params)
    np.testing.assert_array_equal(models[-1].params, lm.params)
    assert (starts[0] != lm.params).any()
    assert models[-1].generate("the", length=5, greedy=True).startswith("the")
    assert look.model is None


def test_a_function_is_a_callback():
    losses = []
    fastlm.train(TEXT, steps=20, callbacks=lambda now: losses.append(now.loss), **SETTINGS)
    assert losses


def test_progress_is_shown_where_it_is_asked_for(capsys):
    fastlm.train(TEXT, steps=20, progress=True, **SETTINGS)
    shown = capsys.readouterr()
    assert "finished" in shown.err
    assert "step/total" in shown.err
    assert shown.out == ""
    fastlm.train(TEXT, steps=20, **SETTINGS)
    fastlm.train(TEXT, steps=20, progress=False, **SETTINGS)
    assert capsys.readouterr() == ("", "")


def test_elsewhere_a_run_is_logged(caplog):
    caplog.set_level("INFO", "fastlm")
    fastlm.train(TEXT, steps=20, **SETTINGS).train_more(TEXT, steps=2)
    messages = [message for message in caplog.messages if "compiling" not in message]
    assert messages[0].startswith("training ")
    assert messages[1].startswith("finished after 20 steps")
    assert messages[-1].startswith("finished after 2 steps")


def test_counts_are_in_the_recipe_of_a_checkpoint(tmp_path):
    with_counts = {"counts": 3, "checkpoint": tmp_path / "c", "valid": 0.2}
    lm = fastlm.train("corpus.txt", steps=4, **SETTINGS | with_counts)
    recipe = read_metadata(tmp_path / "c")["corpus"]["recipe"]
    assert CountSettings.from_dict(recipe["counts"]) == CountSettings.of(3)
    plain = fastlm.train("corpus.txt", steps=4, counts="none", **SETTINGS | {"valid": 0.2})
    assert plain.params.tobytes() == lm.params.tobytes()
    assert plain.counts is None


def test_auto_counts_need_text_to_weigh_them_on():
    assert fastlm.train("corpus.txt", steps=2, counts="auto", **SETTINGS).counts is None


def test_the_softmax_of_a_checkpoint_may_be_named_again(tmp_path):
    """A command is repeated with resume: what agrees with the checkpoint is no change."""
    run = SETTINGS | {"checkpoint": tmp_path / "c", "schedule": "constant"}
    fastlm.train("corpus.txt", softmax="full", steps=2, **run)
    resumed = {"checkpoint": tmp_path / "c", "resume": True}
    for steps, again in ((3, "full"), (4, "auto"), (5, None)):
        lm = fastlm.train("corpus.txt", softmax=again, steps=steps, **resumed)
        assert lm.result.step == steps
    with pytest.raises(ConfigError, match="softmax='adaptive' is given, but a checkpoint"):
        fastlm.train("corpus.txt", softmax="adaptive", steps=6, **resumed)
