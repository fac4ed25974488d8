from __future__ import annotations

import contextlib
import gzip
import math
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastlm.counts import arpa_reader
from fastlm.counts.arpa_reader import arpa_tokens, read_arpa
from fastlm.counts.arpa_writer import write_arpa
from fastlm.counts.estimate import estimate
from fastlm.errors import CorpusError
from fastlm.tokenizers.vocabulary import Vocabulary
from tests.counts.models import FOLDER, log_prob, ngrams_of, tiny_model
from tests.counts.test_arpa_writer import WORDS
from tests.counts.texts import skewed_text

TINY = (FOLDER / "tiny.3.arpa").read_text(encoding="ascii")


def read(text: str | bytes, vocabulary: Vocabulary = WORDS, name: str = "x.arpa") -> Any:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return read_arpa(path, vocabulary)


def assert_same(one: Any, other: Any, tolerance: float = 0) -> None:
    one.check()
    ours, theirs = ngrams_of(one), ngrams_of(other)
    assert ours.keys() == theirs.keys()
    for gram, logs in theirs.items():
        assert ours[gram] == pytest.approx(logs, abs=tolerance), gram


@pytest.mark.parametrize("name", ["tiny", "doubled"])
def test_kenlms_files_are_read(name: str) -> None:
    model = read_arpa(FOLDER / f"{name}.3.arpa", WORDS)
    assert (model.order, model.vocab, model.boundary) == (3, 5, 0)
    assert_same(model, tiny_model(name), 1e-6)
    assert model.metadata == {"arpa": f"{name}.3.arpa"}
    assert arpa_tokens(FOLDER / f"{name}.3.arpa") == ["a", "b", "c"]


@given(st.integers(0, 1000), st.integers(2, 6), st.integers(1, 400), st.booleans())
@settings(deadline=None, max_examples=15)
def test_what_is_written_comes_back(seed: int, order: int, size: int, unknown: bool) -> None:
    """However little is parsed at a time."""
    tokens = [" ", "\n", "\\", "<s>", "a b", "ü", "cat" * 20]
    vocabulary = Vocabulary.from_ordered(["<end>", *["<unk>"] * unknown, *tokens])
    vocab = len(vocabulary.symbols)
    model = estimate(skewed_text(seed, 300, vocab), order, vocab, 0)
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setattr(arpa_reader, "_READ", size)
        path = Path(folder, "counts.arpa")
        write_arpa(model, path, vocabulary)
        again = read_arpa(path, vocabulary)
        assert arpa_tokens(path) == tokens
    assert_same(again, model, 3e-7)


def test_n_grams_may_come_in_any_order_with_any_spaces(tmp_path: Path) -> None:
    head, *levels, _ = TINY.split("\n\n")
    mixed = [head]
    for level in levels:
        title, *lines = level.splitlines()
        words = (" \t".join(reversed(line.split("\t")[:0])) + line for line in sorted(lines))
        mixed.append(
            "\n".join([title, *(w.replace("\t", "  ").replace(" ", "\t ") for w in words)])
        )
    text = "\r\n\r\n".join([*mixed, "\\end\\"]).replace("<unk>", "<UNK>")
    assert_same(read("\n \n" + text), tiny_model(), 1e-6)


def test_compressed_files_are_read() -> None:
    data = gzip.compress(TINY.encode())
    assert_same(read(data, name="x.arpa.gz"), tiny_model(), 1e-6)
    with pytest.raises(CorpusError, match="ends early"):
        read(data[:200], name="x.arpa.gz")


def test_tokens_that_the_file_lacks_share_what_is_unknown() -> None:
    """So that everything sums to 1 as before."""
    more = Vocabulary.from_symbols(["a", "b", "c", "d", "e"], boundary=True, unk=True)
    model = read(TINY, more)
    model.check()
    p_unknown = 10**-0.85158014
    shares = np.exp(model.log_probs[0][[1, 5, 6]])
    assert shares == pytest.approx([p_unknown / 3] * 3, rel=1e-5)
    for context in ((0,), (2, 3), (5, 6)):
        total = math.fsum(math.exp(log_prob(model, context, token)) for token in range(7))
        assert total == pytest.approx(1, abs=1e-6)


def test_a_vocabulary_may_lack_the_unknown_token() -> None:
    text = TINY.replace("ngram 2=9", "ngram 2=10").replace(
        "-0.70284766\ta </s>", "-3\ta <unk>\n-0.70284766\ta </s>"
    )
    characters = Vocabulary.from_ordered(["<end>", "a", "b", "c"])
    assert read(text, characters).counts == (4, 9, 9)
    assert read(text).counts == (5, 10, 9)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (TINY, "", r"is no ARPA file: it is empty"),
        (TINY, "the cat", r"begins with 'the cat', not with \\data\\"),
        ("ngram 3=9\n", "ngram 4=9\n", r"where the 3-grams have to be counted"),
        ("ngram 2=9\nngram 3=9\n", "", "is of order 1; give one of order 2 to 12"),
        ("\\1-grams:", "\\2-grams:", r"'\\\\2-grams:' stands where \\1-grams:"),
        ("ngram 1=6", "ngram 1=7", "6 1-grams where its head says 7; it may be cut short"),
        ("ngram 2=9", "ngram 2=8", "9 2-grams where its head says 8$"),
        ("\n\\end\\\n", "", r"is cut short: \\end\\ is missing"),
        (TINY[300:], "", "is cut short|has a 2-gram that is none|where its head says"),
        ("-0.85158014\t<unk>\t0\n", "", "where its head says 6"),
        ("<unk>", "x", "has the word 'x', which the vocabulary does not have|has no <unk>"),
        ("-0.85158014\t</s>", "-0.85158014\t<end>", "has no </s>"),
        ("0\t<s>\t", "0\t<t>\t", "has no <s>"),
        ("-0.44013768\tb", "0.44\tb", "probability over 1: '0.44"),
        ("-0.44013768\tb", "b", "1-gram that is none"),
        ("-0.44013768\tb", "nan\tb", "1-gram that is none"),
        ("-0.44013768\tb", "-0.44013768\ta", "has the 1-gram 'a' twice"),
        ("-0.70284766\ta a", "0.7\ta a", "2-gram that is none.*its probability is over 1"),
        ("-0.70284766\ta a", "-0.7.1\ta a", "2-gram that is none"),
        ("-0.70284766\ta a", "-0.7\ta d", "2-gram that is none"),
        ("-0.70284766\ta a", "-0.7\ta", "2-gram that is none"),
        ("-0.70284766\ta a", "-0.7\ta <s>", "2-gram that is none"),
        ("-0.70284766\ta a", "-0.7\t</s> a", "2-gram that is none"),
        ("-0.70284766\ta a\t-0.30103", "-0.7\ta a\t-0.3\tx", "2-gram that is none"),
        ("-0.70284766\ta a\t-0.30103", "-0.7\ta a\tx", "2-gram that is none"),
        ("-0.70284766\ta a", "-0.7\ta b", "has one of its 2-grams twice"),
        ("-0.18545648\ta a b", "-0.2\tc a b", "first 2 words are no 2-gram"),
        ("-0.18545648\ta a b", "-0.2\ta a c", "last 2 words are no 2-gram"),
        ("-0.18545648\ta a b", "-0.2\ta a b\t-1", "3-gram that is none"),
        ("-0.18545648\ta a b", "-0.2\ta zz b", "its word 'zz' is no 1-gram"),
    ],
)
def test_bad_files_are_refused_in_one_line(old: str, new: str, message: str) -> None:
    assert old in TINY
    with pytest.raises(CorpusError, match=message) as caught:
        read(TINY.replace(old, new))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) <= 200


def test_a_vocabulary_without_ends_is_refused() -> None:
    with pytest.raises(CorpusError, match="has no <end>"):
        read(TINY, Vocabulary.from_ordered(["a", "b", "c"]))


def test_a_missing_file_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"cannot read .*missing"):
        read_arpa(tmp_path / "missing", WORDS)


@given(st.integers(0, len(TINY) - 1), st.sampled_from("x\n\t -\\0"))
@settings(deadline=None, max_examples=100)
def test_mutated_files_are_read_or_refused(place: int, character: str) -> None:
    with contextlib.suppress(CorpusError):
        read(TINY[:place] + character + TINY[place + 1 :]).check()


@given(st.integers(0, len(TINY) - 8))
@settings(deadline=None, max_examples=50)
def test_files_that_are_cut_short_are_refused(size: int) -> None:
    with pytest.raises(CorpusError):
        read(TINY[:size])


FOLDER_OF_KENLM = os.environ.get("FASTLM_KENLM", "")


@pytest.mark.slow
@pytest.mark.skipif(not FOLDER_OF_KENLM, reason="FASTLM_KENLM names no folder with KenLM's files")
def test_a_large_file_of_kenlm_comes_back(tmp_path: Path) -> None:
    path = Path(FOLDER_OF_KENLM, "counts", "brown200k.5.arpa.gz")
    vocabulary = Vocabulary.from_symbols(arpa_tokens(path), boundary=True, unk=True)
    model = read_arpa(path, vocabulary)
    model.check()
    write_arpa(model, tmp_path / "again.arpa.gz", vocabulary)
    again = read_arpa(tmp_path / "again.arpa.gz", vocabulary)
    for name in ("tokens", "children", "suffixes"):
        for ours, theirs in zip(getattr(again, name), getattr(model, name), strict=True):
            np.testing.assert_array_equal(ours, theirs)
    for ours, theirs in zip(again.log_probs, model.log_probs, strict=True):
        np.testing.assert_allclose(ours, theirs, atol=1e-6)
