"""ARPA files as models."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest

import fastlm
from fastlm.api.arpa import is_arpa
from fastlm.counts.arpa_writer import write_arpa
from fastlm.counts.estimate import estimate
from fastlm.errors import ModelFileError
from fastlm.tokenizers import Vocabulary
from tests.counts.models import FOLDER, log_prob, tiny_model


def write(path: Path, tokens: list[str]) -> None:
    vocabulary = Vocabulary.from_symbols(tokens, boundary=True, unk=True)
    vocab = len(vocabulary.symbols)
    ids = np.random.default_rng(0).integers(2, vocab, 300)
    ids[::7] = 0
    write_arpa(estimate(ids, 3, vocab, 0), path, vocabulary)


@pytest.fixture
def words(tmp_path):
    """KenLM's tiny file with a word of three letters in place of c."""
    text = (FOLDER / "tiny.3.arpa").read_text(encoding="ascii")
    (tmp_path / "tiny.arpa").write_text(re.sub(r"\bc\b", "cat", text), encoding="ascii")
    return tmp_path / "tiny.arpa"


def nats(ids: list[int]) -> float:
    steps = range(1, len(ids))
    return math.fsum(-log_prob(tiny_model(), ids[:i], ids[i]) for i in steps) / len(steps)


def test_an_arpa_file_is_a_model_of_words_and_lines(words):
    lm = fastlm.load(words)
    assert (lm.tokenizer.kind, lm.documents, lm.has_network) == ("whitespace", "lines", False)
    expected = nats([0, 2, 3, 4, 1, 0])
    assert lm.evaluate(["a b cat dog"]).nats_per_token == pytest.approx(expected, abs=1e-5)
    assert lm.next_token_distribution("a b").sum() == pytest.approx(1, abs=1e-6)


def test_single_characters_are_characters(tmp_path):
    lm = fastlm.load(FOLDER / "tiny.3.arpa")
    assert lm.tokenizer.kind == "char"
    expected = nats([0, 2, 3, 4, 1, 0])
    assert lm.evaluate(["abcd"]).nats_per_token == pytest.approx(expected, abs=1e-5)
    write(tmp_path / "c.arpa.gz", ["a", "b", " "])
    lm = fastlm.load(tmp_path / "c.arpa.gz")
    assert lm.tokenizer.decode(lm.tokenizer.encode("a b")) == "a b"


def test_it_may_be_saved_as_a_model(words, tmp_path):
    lm = fastlm.load(words)
    lm.save(tmp_path / "m")
    assert fastlm.load(tmp_path / "m").evaluate(["a b"]) == lm.evaluate(["a b"])


def test_tokens_that_no_tokenizer_makes_are_refused(tmp_path):
    write(tmp_path / "c.arpa", ["a", "b c"])
    with pytest.raises(ModelFileError, match="'b c', which is neither a word nor a character"):
        fastlm.load(tmp_path / "c.arpa")


def test_what_is_no_arpa_file_is_refused(tmp_path):
    (tmp_path / "x.arpa").write_text("the cat\n")
    for name in ("x.arpa", "missing.arpa"):
        with pytest.raises(ModelFileError, match=name):
            fastlm.load(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "expected"), [("x.arpa", True), ("X.ARPA.GZ", True), ("arpa", False), ("x.gz", False)]
)
def test_the_name_says_what_a_file_is(name, expected):
    assert is_arpa(Path(name)) is expected
