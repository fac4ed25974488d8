"""The counted trie has every n-gram of a text, with its occurrences and what stands before it."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastlm.counts import trie
from fastlm.counts.array_memory import ArrayMemory
from fastlm.counts.trie import count_ngrams, run_tiles, tiles_of
from fastlm.errors import ConfigError
from tests.counts.texts import TEXTS
from tests.naive_counts import adjusted, documents_of, occurrences


def ngrams(counted: trie.CountedTrie) -> list[list[tuple[int, ...]]]:
    """The n-grams of each level, in the order of the trie."""
    levels = [[(int(token),) for token in counted.tokens[0]]]
    for tokens, starts in zip(counted.tokens[1:], counted.children, strict=True):
        levels.append(
            [
                (*gram, int(token))
                for i, gram in enumerate(levels[-1])
                for token in tokens[starts[i] : starts[i + 1]]
            ]
        )
    return levels


@given(TEXTS, st.integers(1, 5), st.booleans(), st.integers(1, 3), st.integers(1, 30))
@settings(deadline=None, max_examples=60)
def test_dictionaries_agree(
    ids: list[int], order: int, ends: bool, threads: int, block: int
) -> None:
    boundary = 0 if ends else None
    counted = count_ngrams(
        np.array(ids, dtype=np.uint16), order, 6, boundary,
        threads=threads, memory=ArrayMemory(), block=block,
    )  # fmt: skip
    documents = documents_of(ids, boundary)
    raw = occurrences(documents, order)
    if ends:
        raw[0][0,] -= len(documents)
    levels = ngrams(counted)
    assert levels[0] == [(token,) for token in range(6)]
    for level, grams in enumerate(levels):
        if level:
            assert grams == sorted(raw[level])
            suffixes = [levels[level - 1][i] for i in counted.suffixes[level]]
            assert suffixes == [gram[1:] for gram in grams]
        assert counted.occurrences[level].tolist() == [raw[level][gram] for gram in grams]
    for level, counts in enumerate(adjusted(raw, documents, boundary)):
        assert counted.counts[level].tolist() == [counts[gram] for gram in levels[level]]


def test_an_empty_text_and_one_that_is_too_long_are_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ids = np.zeros(9, dtype=np.uint16)
    with pytest.raises(ConfigError, match="no tokens to count"):
        count_ngrams(ids[:0], 2, 1, None, threads=1, memory=ArrayMemory())
    monkeypatch.setattr(trie, "_MOST_TOKENS", 8)
    with pytest.raises(ConfigError, match="9 tokens; counts take at most 8"):
        count_ngrams(ids, 2, 1, None, threads=1, memory=ArrayMemory())


def test_tiles_are_blocks_and_may_be_none() -> None:
    assert tiles_of(7, 3).tolist() == [0, 3, 6, 7]
    assert tiles_of(6, 3).tolist() == [0, 3, 6]
    assert tiles_of(0, 3).tolist() == [0]
    run_tiles(2, lambda *_: pytest.fail("called"), bounds=tiles_of(0, 3))
