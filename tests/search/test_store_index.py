"""The longest parts of a text in a store, against a search through all of its documents."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastlm.api.prepare import prepare
from fastlm.errors import ConfigError, StoreError, TextError, TokenizerError
from fastlm.search import store_index
from fastlm.search.index_file import index_path
from fastlm.search.store_index import StoreIndex

LINES = [
    "the cat sat on the mat", "the dog sat on the log", "a naïve cat", "aaaaaaaaaaaa",
    "abababababab", "the cat sat on the mat",
]  # fmt: skip


@pytest.fixture(scope="module", params=["char", "byte", "word"])
def index(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("index")
    source = folder / "a.txt"
    source.write_text("\n".join(LINES) + "\n", encoding="utf-8")
    settings = {"tokenizer": request.param, "documents": "lines", "valid": 0.2}
    prepare(source, folder / "a.tokens", **settings)
    return StoreIndex.build(folder / "a.tokens")


def longest(index, text: str) -> int:
    """The most tokens of a text that some document has in a row."""
    tokenizer = index.store.tokenizer
    documents = [tokenizer.encode(line).tolist() for line in LINES]
    found = 0
    for line in text.split("\n"):
        query = tokenizer.encode(line).tolist()
        for first in range(len(query)):
            for last in range(first + found + 1, len(query) + 1):
                part = query[first:last]
                inside = tokenizer.unk_id not in part and any(
                    part == document[at : at + len(part)]
                    for document in documents
                    for at in range(len(document))
                )
                if not inside:
                    break
                found = len(part)
    return found


PIECES = ["the cat", " sat", "on the", "log", " ", "aaa", "abab", "z", "\n", "naïve", "é", "mat"]


@given(st.lists(st.sampled_from(PIECES), max_size=8).map("".join))
@settings(deadline=None, max_examples=60)
def test_the_longest_part_is_that_of_a_search_through_all(index, text):
    match = index.find(text, most_places=100)
    expected = longest(index, text)
    assert (match.tokens if match else 0) == expected
    if match is None:
        return
    assert text[match.start : match.stop] == match.text
    ids = np.asarray(index.store.ids)
    part = index.store.tokenizer.encode(match.text)
    if index.store.tokenizer.kind == "byte" and len(part) != match.tokens:
        return  # it begins or ends within a character
    standing = [at for at in range(ids.size) if ids[at : at + part.size].tolist() == part.tolist()]
    assert match.count == len(standing)
    assert [place.position for place in match.places] == standing
    for place in match.places:
        line = LINES[place.document - 1]
        assert place.found in line
        assert (place.before + place.found + place.after).strip() == line
        known = index.store.metadata["train"]["tokens"]
        assert place.part == ("train" if place.position < known else "valid")
        before = index.store.tokenizer.encode(line)[: place.offset]
        assert ids[place.position - place.offset : place.position].tolist() == before.tolist()


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join), st.integers(1, 4))
@settings(deadline=None, max_examples=40)
def test_passages_are_apart_and_the_limit_changes_nothing_short(index, text, most):
    found = index.passages(text, most)
    assert len(found) <= most
    assert [match.tokens for match in found] == sorted((m.tokens for m in found), reverse=True)
    if index.store.tokenizer.kind != "byte":  # bytes of one character may be in two parts
        spans = sorted((match.start, match.stop) for match in found)
        assert all(stop <= start for (_, stop), (start, _) in pairwise(spans))
    for match in found:
        assert index.find(match.text).tokens >= match.tokens


@pytest.mark.parametrize("most", [1, 2, 5])
def test_long_matches_are_found_beyond_the_limit(index, monkeypatch, most):
    monkeypatch.setattr(store_index, "_MOST", most)
    text = "z the cat sat on the mat z aaaaaaaa the dog sat on the log"
    first = index.find(text)
    assert first.text.strip() in ("the cat sat on the mat", "the dog sat on the log")
    assert first.tokens == longest(index, text)


def test_what_is_covered(index):
    assert index.covered("the cat sat", 5) == 1
    assert index.covered("", 5) == 0
    assert 0 < index.covered("the cat sat zqzq zqzq zqzq", 9) < 0.6
    assert index.covered("the cat sat", 200) == 0


def test_around_stays_in_the_document(index):
    (place,) = index.find("naïve", most_places=1).places
    assert (place.before.strip(), place.found, place.after.strip()) == ("a", "naïve", "cat")
    assert index.find("naïve", around=0, most_places=1).places[0].before == ""
    assert index.find("naïve", most_places=0).places == []
    assert index.find("QQQ") is None


def test_what_cannot_be_searched_is_refused(index):
    with pytest.raises(TokenizerError, match="int, not str"):
        index.find(3)
    for wrong in ({"most": 0}, {"around": -1}, {"most_places": -1}, {"least_chars": 0}):
        with pytest.raises(ConfigError):
            index.passages("the", **wrong)


def test_a_text_that_cannot_be_encoded(tmp_path):
    source = tmp_path / "b.txt"
    source.write_text("abc\n", encoding="utf-8")
    prepare(source, tmp_path / "b.tokens", tokenizer="byte", valid=0)
    with pytest.raises(TextError):
        StoreIndex.build(tmp_path / "b.tokens").find("a\ud800")


def test_an_index_is_opened_and_one_with_wild_positions_refused(index):
    opened = StoreIndex.open(index.store.path)
    assert opened.find("the cat").tokens == index.find("the cat").tokens
    assert repr(opened).startswith("StoreIndex(")
    wild = np.full(index.store.count, index.store.count, dtype=np.uint32)
    with pytest.raises(StoreError, match="is damaged"):
        StoreIndex(index.store, wild).find("the cat")


def test_a_store_that_the_memory_cannot_index_is_refused(index, monkeypatch):
    monkeypatch.setattr(store_index, "usable_memory", lambda: 100)
    with pytest.raises(ConfigError, match="MB of memory"):
        StoreIndex.build(index.store)
    monkeypatch.setattr(store_index, "MOST_TOKENS", 5)
    with pytest.raises(ConfigError, match="at most 5"):
        StoreIndex.build(index.store)
    assert index_path(index.store.path).exists()


@pytest.mark.thorough
def test_a_text_that_repeats_itself_takes_no_longer(tmp_path):
    """A million equal characters, searched for more of them: minutes, if each were compared."""
    source = tmp_path / "a.txt"
    source.write_text("a" * 300_000 + "b\n", encoding="utf-8")
    prepare(source, tmp_path / "a.tokens", documents="lines", valid=0)
    found = StoreIndex.build(tmp_path / "a.tokens").find("a" * 400_000 + "b")
    assert (found.tokens, found.start) in ((300_000, 0), (300_001, 100_000))
