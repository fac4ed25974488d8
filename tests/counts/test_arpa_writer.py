from __future__ import annotations

import gzip
import math
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastlm.counts import arpa_writer
from fastlm.counts.arpa_words import words_of
from fastlm.counts.arpa_writer import write_arpa
from fastlm.counts.estimate import estimate
from fastlm.errors import ExportError
from fastlm.tokenizers.vocabulary import Vocabulary
from tests.counts.models import TINY_IDS, log_prob, ngrams_of, read_arpa_slowly, tiny_model
from tests.counts.texts import skewed_text

WORDS = Vocabulary.from_symbols(["a", "b", "c"], boundary=True, unk=True)


def test_kenlms_n_grams_are_written_again(tmp_path: Path) -> None:
    model = tiny_model()
    write_arpa(model, tmp_path / "tiny.arpa", WORDS)
    text = (tmp_path / "tiny.arpa").read_text(encoding="utf-8")
    assert text.startswith("\\data\\\nngram 1=6\nngram 2=9\nngram 3=9\n\n\\1-grams:\n")
    assert text.endswith("\n\n\\end\\\n")
    lines = text.splitlines()
    assert "-99\t<s>\t-0.2403322" in lines
    assert "-0.5143837\t<s> a\t-0.30103" in lines
    assert "-0.7028477\ta </s>\t0" in lines
    assert "-0.3952941\tb a b" in lines
    ours = read_arpa_slowly(text, TINY_IDS)
    for gram, logs in ngrams_of(model).items():
        assert ours[gram] == pytest.approx(logs, abs=2e-7 * math.log(10))


@given(st.integers(0, 1000), st.integers(2, 6), st.integers(1, 40))
@settings(deadline=None, max_examples=10)
def test_every_n_gram_has_its_line(seed: int, order: int, rows: int) -> None:
    """However many are written at a time."""
    ids = skewed_text(seed, 200, 5)
    model = estimate(ids, order, 5, 0)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(arpa_writer, "_ROWS", rows)
        path = Path(folder, "counts.arpa")
        write_arpa(model, path, WORDS)
        ours = read_arpa_slowly(path.read_text(encoding="utf-8"), TINY_IDS)
    expected = ngrams_of(model)
    assert ours.keys() == expected.keys()
    for gram, logs in expected.items():
        assert ours[gram] == pytest.approx(logs, abs=1e-6)


def test_compressed_files_hold_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arpa_writer, "_ROWS", 3)
    write_arpa(tiny_model(), tmp_path / "a.arpa", WORDS)
    write_arpa(tiny_model(), tmp_path / "a.arpa.gz", WORDS, threads=1)
    write_arpa(tiny_model(), tmp_path / "b.arpa.gz", WORDS, threads=3)
    compressed = (tmp_path / "a.arpa.gz").read_bytes()
    assert gzip.decompress(compressed) == (tmp_path / "a.arpa").read_bytes()
    assert compressed == (tmp_path / "b.arpa.gz").read_bytes()


def test_special_words_are_there_without_the_tokens(tmp_path: Path) -> None:
    model = estimate(np.array([0, 1, 0, 1, 1]), 2, 2)
    write_arpa(model, tmp_path / "x.arpa", Vocabulary.from_ordered([" ", "<s>"]))
    lines = (tmp_path / "x.arpa").read_text(encoding="utf-8").splitlines()
    assert lines[1] == "ngram 1=5"
    assert lines[5:8] == ["-99\t<unk>\t0", "-99\t<s>\t0", "-99\t</s>\t0"]
    assert [line.split("\t")[1] for line in lines[8:10]] == [r"\s", r"\<s>"]


def test_what_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="order 1"):
        write_arpa(estimate(np.array([2, 0]), 1, 5, 0), tmp_path / "a.arpa", WORDS)
    with pytest.raises(ExportError, match="5 tokens do not fit a vocabulary of 2"):
        write_arpa(tiny_model(), tmp_path / "a.arpa", Vocabulary.from_ordered(["a", "b"]))
    with pytest.raises(ExportError, match="cannot write the ARPA file"):
        write_arpa(tiny_model(), tmp_path / "missing" / "a.arpa", WORDS)
    assert list(tmp_path.iterdir()) == []


def test_kenlm_gives_the_same_scores(tmp_path: Path) -> None:
    """Words with the beginning and the end of a sentence, log10 of each."""
    kenlm = pytest.importorskip("kenlm", reason="KenLM's module is not installed")
    tokens = ["a", "b", " ", "\\", "<s>", "ü"]
    vocabulary = Vocabulary.from_symbols(tokens, boundary=True, unk=True)
    words = words_of(vocabulary, 0)
    ids = skewed_text(7, 4000, 8)
    model = estimate(ids, 5, 8, 0)
    write_arpa(model, tmp_path / "counts.arpa", vocabulary)
    write_arpa(model, tmp_path / "counts.arpa.gz", vocabulary)
    for name in ("counts.arpa", "counts.arpa.gz"):
        theirs = kenlm.Model(str(tmp_path / name))
        assert theirs.order == 5
        for seed in range(40):
            text = [0, *np.random.default_rng(seed).integers(1, 8, 9).tolist(), 0]
            scores = theirs.full_scores(" ".join(words[id] for id in text[1:-1]))
            ours = [log_prob(model, text[:i], text[i]) / math.log(10) for i in range(1, len(text))]
            assert ours == pytest.approx([score for score, *_ in scores], abs=1e-4)
