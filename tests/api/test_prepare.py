"""fastlm.prepare: a corpus as fastlm.train takes it, to a store."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

import fastlm
from fastlm.api.prepare import PrepareOptions
from fastlm.data import prepare as data_prepare
from fastlm.errors import ConfigError, CorpusError

TEXT = "the cat sat on the mat\nand the dog lay down beside it\n" * 30


def test_text_and_files_give_the_same_store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a.txt").write_text(TEXT)
    stores = [
        fastlm.prepare(corpus, f"{number}.tokens", documents="lines")
        for number, corpus in enumerate(("a.txt", Path("a.txt"), TEXT, ["a.txt"]))
    ]
    stores.append(fastlm.prepare(None, "texts.tokens", texts=TEXT, documents="lines"))
    for store in stores[1:]:
        np.testing.assert_array_equal(store.ids, stores[0].ids)
        assert store.valid_ids.size == stores[0].valid_ids.size


def test_bad_arguments_are_one_line(tmp_path):
    with pytest.raises(ConfigError, match="did you mean 'tokenizer'"):
        fastlm.prepare(TEXT, tmp_path / "s", tokeniser="word")
    with pytest.raises(CorpusError, match="corpus and texts are both given"):
        fastlm.prepare(TEXT, tmp_path / "s", texts=[TEXT])
    with pytest.raises(ConfigError, match="progress is 1"):
        fastlm.prepare(TEXT, tmp_path / "s", progress=1)


def test_the_options_are_those_of_the_function_that_writes(tmp_path):
    import inspect

    parameters = inspect.signature(data_prepare.prepare).parameters
    taken = {"corpus", "path", "texts", "callbacks"}
    assert set(PrepareOptions.__annotations__) == set(parameters) - taken


def test_progress_is_shown(tmp_path, capsys):
    seen = []

    class See(fastlm.Callback):
        def on_prepare(self, preparing):
            seen.append(preparing.phase)

    fastlm.prepare(TEXT, tmp_path / "s", callbacks=See(), progress=True)
    assert {"reading", "encoding"} <= set(seen)
