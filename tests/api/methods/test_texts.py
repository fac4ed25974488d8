"""Texts for the methods of a model: a str is text, a path object a file."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

import fastlm
from fastlm.api.methods.texts import texts_of
from fastlm.errors import CorpusError, MissingFileError, TokenizerError
from tests.api.models import make_model


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.txt").write_text("to be\r\nor not", newline="")
    (tmp_path / "b.txt.gz").write_bytes(gzip.compress(b"that is"))
    lines = [json.dumps({"text": text}) for text in ("to", "be", "or")]
    (tmp_path / "c.jsonl").write_text("\n".join(lines) + "\n")
    return tmp_path


def test_what_texts_are():
    assert list(texts_of("to be", CorpusError)) == ["to be"]
    assert list(texts_of(["to", "be"], CorpusError)) == ["to", "be"]
    assert list(texts_of(Path("a.txt"), CorpusError)) == ["to be\nor not"]
    assert list(texts_of([Path("a.txt"), Path("b.txt.gz")], CorpusError)) == [
        "to be\nor not", "that is",
    ]  # fmt: skip
    assert list(texts_of(Path("c.jsonl"), CorpusError)) == ["to", "be", "or"]
    with pytest.raises(TokenizerError, match=r"name of a file, 'a\.txt'; .* give Path\('a\.txt'\)"):
        texts_of("a.txt", TokenizerError)
    with pytest.raises(MissingFileError, match="no such file"):
        list(texts_of(Path("d.txt"), CorpusError))
    with pytest.raises(FileNotFoundError):
        list(texts_of(Path("d.txt"), CorpusError))


def test_every_method_takes_a_file(tmp_path):
    lm = make_model("char")
    text = "to be\nor not"
    assert lm.perplexity(Path("a.txt")) == lm.perplexity(text)
    assert lm.evaluate(Path("a.txt")) == lm.evaluate(text)
    assert list(lm.score(Path("a.txt"))) == list(lm.score([text]))
    assert list(lm.score(text)) == list(lm.score([text]))
    assert lm.score_arrays(Path("c.jsonl")).tokens.tolist() == [2, 2, 2]
    fastlm.prepare(Path("a.txt"), "a.tokens", tokenizer=lm.tokenizer, valid=0)
    assert lm.evaluate(Path("a.tokens")).log_prob == pytest.approx(lm.evaluate(text).log_prob)
    before = lm.params
    lm.train_more(Path("a.txt"), steps=1, valid=Path("b.txt.gz"))
    assert (lm.params != before).any()
    assert len(lm.history) == 1


@pytest.mark.parametrize(
    "method", ["perplexity", "evaluate", "score", "score_arrays", "train_more"]
)
def test_the_name_of_a_file_is_not_taken_for_text(method):
    lm = make_model("char")
    with pytest.raises((TokenizerError, CorpusError), match=r"give Path\('a\.txt'\)"):
        getattr(lm, method)("a.txt")
