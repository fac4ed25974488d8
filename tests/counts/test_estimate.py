"""Estimates of modified Kneser-Ney: against the oracle, and against KenLM's own files."""

from __future__ import annotations

import gzip
import itertools
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from fastlm.counts.backoff_model import BackoffModel
from fastlm.counts.estimate import estimate, fallback_notice
from fastlm.errors import ConfigError
from tests.counts.models import log_prob, ngrams_of, read_arpa_slowly, tiny_model
from tests.counts.texts import DOUBLED, TEXTS, TINY, skewed_text
from tests.naive_counts import NaiveModel

ARRAYS = ("tokens", "children", "log_probs", "log_backoffs", "suffixes")


def assert_close(model: BackoffModel, expected: dict[Any, tuple[float, float]]) -> None:
    model.check()
    ours = ngrams_of(model)
    assert ours.keys() == expected.keys()
    for gram, logs in expected.items():
        assert ours[gram] == pytest.approx(logs, abs=3e-6), gram


def assert_same_bits(one: BackoffModel, other: BackoffModel) -> None:
    for name in ARRAYS:
        for ours, theirs in zip(getattr(one, name), getattr(other, name), strict=True):
            np.testing.assert_array_equal(ours, theirs)


def sums(model: BackoffModel, contexts: Any) -> list[float]:
    return [
        math.fsum(math.exp(log_prob(model, context, token)) for token in range(model.vocab))
        for context in contexts
    ]


@pytest.mark.parametrize(("name", "ids"), [("tiny", TINY), ("doubled", DOUBLED)])
def test_the_numbers_are_kenlms(name: str, ids: list[int]) -> None:
    model = estimate(ids, 3, 5, 0)
    theirs = ngrams_of(tiny_model(name))
    assert_close(model, theirs)
    assert model.metadata["fallback"] == ([3] if name == "tiny" else [1, 3])


@given(TEXTS, st.integers(1, 5), st.booleans(), st.sampled_from([(), (0, 1), (0, 0, 1), (0, 2, 3)]))
@settings(deadline=None, max_examples=60)
@example([0], 3, True, ())
@example([0, 0, 0], 3, True, ())
@example([1], 4, False, ())
@example([1, 1, 1, 1], 2, False, (0, 1))
def test_the_oracle_agrees(ids: list[int], order: int, ends: bool, prune: tuple[int, ...]) -> None:
    prune = prune[:order]
    boundary = 0 if ends else None
    model = estimate(ids, order, 6, boundary, prune=prune, threads=2, block=7)
    naive = NaiveModel(ids, order, 6, boundary, prune)
    for ours, theirs in zip(model.metadata["discounts"], naive.discounts, strict=True):
        assert ours == pytest.approx(theirs)
    assert_close(model, naive.logs())


@pytest.mark.parametrize("prune", [(), (0, 1, 2)])
@pytest.mark.parametrize(("vocab", "order"), [(3, 4), (40, 3), (300, 12)])
def test_probabilities_sum_to_one(vocab: int, order: int, prune: tuple[int, ...]) -> None:
    ids = skewed_text(order, 3000, vocab)
    model = estimate(ids, order, vocab, 0, prune=prune)
    model.check()
    rng = np.random.default_rng(1)
    seen = [ids[i : i + n] for i, n in rng.integers(0, [2900, order], (20, 2))]
    other = list(rng.integers(0, vocab, (20, order - 1)))
    assert sums(model, [[0], *seen, *other]) == pytest.approx([1] * 41, abs=1e-6)


@given(st.integers(0, 1000), st.sampled_from([1, 2, 3]), st.integers(1, 300), st.booleans())
@settings(deadline=None, max_examples=15)
def test_threads_and_blocks_change_nothing(
    seed: int, threads: int, block: int, documents: bool
) -> None:
    ids = skewed_text(seed, 500, 20, documents)
    boundary = 0 if documents else None
    one = estimate(ids, 4, 20, boundary, threads=1)
    assert_same_bits(one, estimate(ids, 4, 20, boundary, threads=threads, block=block))


def test_what_is_beyond_the_memory_is_on_the_disk(tmp_path: Path) -> None:
    ids = skewed_text(0, 2000, 30)
    one = estimate(ids, 4, 30, 0, prune=(0, 0, 1))
    for memory in (0, 5000, 50_000):
        other = estimate(ids, 4, 30, 0, prune=(0, 0, 1), memory=memory, folder=tmp_path)
        assert_same_bits(one, other)
    del other  # a file goes with its array
    assert list(tmp_path.iterdir()) == []


def test_ids_of_32_bits_give_the_same() -> None:
    ids = skewed_text(0, 2000, 30)
    one = estimate(ids, 4, 30, 0)
    assert_same_bits(one, estimate(ids.astype(np.uint32), 4, 30, 0))
    large = estimate(ids, 4, 70_000, 0)
    large.check()
    assert large.tokens[1].dtype == np.uint32
    assert large.counts[1:] == one.counts[1:]


EDGES: dict[str, NDArray[Any]] = {
    "four lines": np.array(TINY),
    "one symbol": np.array([1]),
    "one symbol, many lines": np.array([1, 0] * 50),
    "every line twice": np.array(DOUBLED),
    "equal characters": np.ones(100_000, dtype=np.uint16),
    "uniform": np.random.default_rng(0).integers(1, 1000, 20_000),
    "two in turn": np.tile([1, 2], 5000),
    "empty documents": np.zeros(20, dtype=np.uint16),
}


@pytest.mark.parametrize("boundary", [0, None])
@pytest.mark.parametrize("text", EDGES)
def test_strange_texts_have_models(text: str, boundary: int | None) -> None:
    ids = EDGES[text]
    vocab = int(ids.max()) + 2
    for order in (1, 2, 5, 12):
        model = estimate(ids, order, vocab, boundary)
        model.check()
    model = estimate(ids, 5, vocab, boundary)
    contexts = [ids[:4], ids[-4:], [0], [vocab - 1, 0], []]
    assert sums(model, contexts) == pytest.approx([1] * 5, abs=1e-6)


def test_what_could_not_be_estimated_is_said() -> None:
    notice = fallback_notice(estimate(DOUBLED, 3, 5, 0))
    assert notice is not None
    assert notice.startswith("order 1, 3:")
    assert fallback_notice(estimate(skewed_text(0, 3000, 300), 2, 300, 0)) is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"ids": np.zeros(0, dtype=np.uint16)}, "no tokens to count"),
        ({"ids": [5]}, "outside 0..4"),
        ({"ids": [0.5]}, "integer ids"),
        ({"order": 0}, "order"),
        ({"order": 13}, "order"),
        ({"boundary": 5}, "boundary"),
        ({"prune": (1,)}, "begin with 0"),
        ({"prune": (0, 2, 1)}, "below the one before"),
        ({"prune": (0, 0, 0, 1)}, "4 numbers"),
        ({"prune": (0, -1)}, "prune"),
    ],
)
def test_bad_arguments_are_one_line(change: dict[str, Any], message: str) -> None:
    arguments: dict[str, Any] = {"ids": TINY, "order": 3, "vocab": 5, "boundary": 0} | change
    with pytest.raises(ConfigError, match=message) as caught:
        estimate(**{k: np.array(v) if k == "ids" else v for k, v in arguments.items()})
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


# A folder with `counts` (ARPA files of KenLM) and `corpora` (the texts).
FOLDER = os.environ.get("FASTLM_KENLM", "")


def encoded(path: Path, lines: int | None = None) -> tuple[NDArray[Any], dict[str, int]]:
    """Return the ids of words, a document a line, and the id of each word."""
    ids, words = {"</s>": 0, "<unk>": 1}, []
    with open(path, encoding="utf-8") as text:
        for line in itertools.islice(text, lines):
            words += [ids.setdefault(word, len(ids)) for word in line.split()] + [0]
    return np.array(words), ids


@pytest.mark.slow
@pytest.mark.skipif(not FOLDER, reason="FASTLM_KENLM names no folder with KenLM's files")
@pytest.mark.parametrize(
    ("name", "text", "lines", "order", "prune"),
    [
        ("names.3", "counts/names.tokens.txt", None, 3, ()),
        ("names.6", "counts/names.tokens.txt", None, 6, ()),
        ("brown200k.5", "corpora/brown/train.txt", 9252, 5, ()),
        ("brown200k.5.pruned", "corpora/brown/train.txt", 9252, 5, (0, 0, 1)),
    ],
)
def test_large_files_of_kenlm_agree(
    name: str, text: str, lines: int | None, order: int, prune: tuple[int, ...]
) -> None:
    ids, words = encoded(Path(FOLDER, text), lines)
    model = estimate(ids, order, len(words), 0, prune=prune)
    model.check()
    with gzip.open(Path(FOLDER, "counts", f"{name}.arpa.gz"), "rt", encoding="utf-8") as file:
        theirs = read_arpa_slowly(file.read(), words)
    ours = ngrams_of(model)
    assert ours.keys() == theirs.keys()
    worst = max(abs(np.subtract(ours[gram], theirs[gram])).max() for gram in theirs)
    assert worst / math.log(10) < 1e-5
