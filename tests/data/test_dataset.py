"""What a run trains on: text in memory, a store of one's own, a store in the cache."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path

import numpy as np
import pytest

import fastlm
from fastlm.data.dataset import Dataset, build_dataset, dataset_from_texts
from fastlm.data.token_store import StoreWriter
from fastlm.errors import ConfigError, CorpusError, StoreError
from fastlm.tokenizers import build_tokenizer
from fastlm.tokenizers.spec import TokenizerSpec
from fastlm.types import DOCUMENT_MODES

SMALL = {"context": 3, "embed": 4, "hidden": (8,), "batch": 8, "steps": 5, "threads": 1}
TEXT = "\n".join(f"line {n} says that {n * n} is a square\n" for n in range(400))


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    path = tmp_path / "corpus.txt"
    path.write_text(TEXT, encoding="utf-8", newline="")
    return path


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of its own, and texts of 1,000 bytes are large."""
    monkeypatch.setenv("FASTLM_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("fastlm.data.dataset.IN_MEMORY", 1000)
    return tmp_path / "cache"


def tokens(corpus=None, tokenizer=None, **settings) -> Dataset:
    return build_dataset(corpus, TokenizerSpec.of(tokenizer), **settings)


def same(a: Dataset, b: Dataset) -> bool:
    return (
        a.tokenizer == b.tokenizer
        and np.array_equal(a.train, b.train)
        and (a.valid is None) == (b.valid is None)
        and (a.valid is None or np.array_equal(a.valid, b.valid))
    )


# ---------------------------------------------------------------------------- large text


@pytest.mark.parametrize("valid", [None, 0, 0.2])
@pytest.mark.parametrize("documents", DOCUMENT_MODES)
@pytest.mark.parametrize("kind", ["char", "word"])
def test_a_store_in_the_cache_gives_what_memory_gives(
    corpus, cache, monkeypatch, kind, documents, valid
):
    # Blank lines and letters of several bytes, unevenly: where documents were cut by their own
    # characters in memory, and by the bytes of the text in a store, the two differed.
    uneven = "\n" * 3000 + TEXT.replace("\nline 3", "\n\n\n\n\nzeile 3").replace("says", "säße")
    corpus.write_text(uneven, encoding="utf-8", newline="")
    settings = {"documents": documents, "valid": valid}
    large = tokens(corpus, kind, **settings)
    assert len(list(cache.glob("*.tokens"))) == 1
    held = tokens(corpus, kind, **settings, cache=False)
    monkeypatch.setattr("fastlm.data.dataset.IN_MEMORY", 10**6)
    small = tokens(corpus, kind, **settings)
    assert same(large, small)
    assert same(held, small)
    assert large.description == small.description == held.description
    assert large.fingerprint == small.fingerprint == held.fingerprint
    assert (small.valid is None) == (valid == 0)


def test_a_model_from_a_store_is_that_from_memory(corpus, cache, monkeypatch):
    large = fastlm.train(corpus, **SMALL)
    monkeypatch.setattr("fastlm.data.dataset.IN_MEMORY", 10**6)
    small = fastlm.train(corpus, **SMALL)
    assert large.params.tobytes() == small.params.tobytes()
    store = fastlm.prepare(corpus, corpus.with_name("s"))
    own = fastlm.train(store.path, **SMALL)
    assert own.params.tobytes() == small.params.tobytes()
    assert own.tokenizer == small.tokenizer
    assert own.details["valid_loss"] == small.details["valid_loss"]


def test_the_store_is_used_again_until_text_or_settings_change(corpus, cache, monkeypatch):
    first = tokens(corpus)

    def fail(*arguments, **settings):
        raise AssertionError("it was made once more")

    with monkeypatch.context() as patched:
        patched.setattr(StoreWriter, "__enter__", fail)
        patched.setattr("fastlm.data.dataset.scan_corpus", fail)
        assert same(tokens(corpus), first)
        assert tokens(corpus).fingerprint == first.fingerprint
    for change in (
        {"tokenizer": "word"},
        {"documents": "lines"},
        {"valid": 0.3},
        {"reading": fastlm.text.decoding.Reading(errors="replace")},
    ):
        assert not same(tokens(corpus, **change), first) or "reading" in change
    assert len(list(cache.glob("*.tokens"))) == 5
    corpus.write_text(TEXT.replace("says", "said"), encoding="utf-8", newline="")
    assert not same(tokens(corpus), first)
    assert len(list(cache.glob("*.tokens"))) == 6


def test_a_damaged_store_in_the_cache_is_made_again(corpus, cache):
    first = tokens(corpus)
    (path,) = cache.glob("*.tokens")
    data = bytearray(path.read_bytes())
    del first
    data[100] ^= 1
    path.write_bytes(data)
    again = tokens(corpus)
    assert same(again, tokens(corpus, cache=False))


def test_nothing_is_kept_without_a_cache(corpus, cache):
    tokens(corpus, cache=False)
    assert not cache.exists()


def test_small_text_makes_no_store(corpus, cache, monkeypatch):
    monkeypatch.setattr("fastlm.data.dataset.IN_MEMORY", 10**6)
    tokens(corpus)
    assert not cache.exists()


def test_a_large_generator_and_large_standard_input(corpus, cache, monkeypatch):
    lines = TEXT.splitlines()
    first = tokens(texts=iter(lines))
    # Known by what they are, not by where they come from.
    assert same(first, tokens(texts=lines))
    assert same(first, tokens(texts=iter(lines)))
    assert len(list(cache.glob("*.tokens"))) == 1
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(TEXT.encode())))
    assert same(tokens("-"), tokens(corpus))


def test_a_disk_that_fills(corpus, cache, monkeypatch):
    def fail(self, data):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(StoreWriter, "_write", fail)
    with pytest.raises(
        StoreError, match=r"No space left on device; free some .* set FASTLM_CACHE .* cache=False"
    ):
        tokens(corpus)
    assert os.listdir(cache) == []


def test_large_text_to_validate_on(corpus, cache, tmp_path):
    (tmp_path / "v.txt").write_text(TEXT[:5000])
    (tmp_path / "small.txt").write_text("line 3")
    large = tokens(corpus, valid=tmp_path / "v.txt")
    assert large.tokenizer.decode(large.valid) == TEXT[:5000]
    assert large.tokenizer.decode(large.train) == TEXT
    assert "validation: v.txt (5.0 kB)" in large.description
    small = tokens(corpus, valid=tmp_path / "small.txt")
    assert small.tokenizer.decode(small.valid) == "line 3"


# ---------------------------------------------------------------------------- a store


@pytest.fixture
def store(corpus: Path) -> fastlm.TokenStore:
    return fastlm.prepare(corpus, corpus.with_name("s.tokens"), valid=0.2)


def test_a_store_brings_its_tokenizer_and_its_validation_part(store):
    found = tokens(store.path)
    assert found.tokenizer == store.tokenizer
    assert np.array_equal(found.train, store.train_ids)
    assert np.array_equal(found.valid, store.valid_ids)
    assert found.description.startswith("s.tokens: corpus.txt (")
    assert found.description.endswith("the last 0.2 for validation")
    assert same(tokens([str(store.path)], valid=0.2, documents="file", tokenizer="char"), found)


def test_another_share_is_cut_at_a_line_end(store):
    for fraction in (0.1, 0.5):
        found = tokens(store.path, valid=fraction)
        assert found.valid.size / store.count == pytest.approx(fraction, abs=0.01)
        assert found.tokenizer.decode(found.train)[-1] == "\n"
        assert np.array_equal(np.concatenate((found.train, found.valid)), store.ids)
    assert tokens(store.path, valid=0).valid is None
    assert tokens(store.path, valid=0).train.size == store.count


def test_another_share_is_cut_between_documents(corpus):
    for mode in ("lines", "paragraphs"):
        store = fastlm.prepare(
            corpus, corpus.with_name(mode), tokenizer="word", documents=mode, valid=0
        )
        found = tokens(store.path)
        assert found.train[-1] == store.tokenizer.boundary_id
        assert found.valid.size / store.count == pytest.approx(0.05, abs=0.01)
        assert found.documents == mode


def test_a_store_without_any_place_to_cut(corpus):
    store = fastlm.prepare(None, corpus.with_name("s"), texts=["one line"], documents="lines")
    assert tokens(store.path).valid is None
    with pytest.raises(StoreError, match=r"too few tokens \(9\) or documents to hold out 0.3"):
        tokens(store.path, valid=0.3)


def test_a_store_to_validate_on(store, corpus, tmp_path):
    held_out = fastlm.prepare(
        None, tmp_path / "v", texts=["line 3"], tokenizer=store.tokenizer, valid=0
    )
    found = tokens(store.path, valid=held_out.path)
    assert found.train.size == store.count
    assert found.tokenizer.decode(found.valid) == "line 3"
    other = fastlm.prepare(None, tmp_path / "w", texts=["line 3"], valid=0)
    with pytest.raises(StoreError, match="made with another char tokenizer"):
        tokens(store.path, valid=other.path)
    found = tokens(corpus, tokenizer=other.tokenizer, valid=other.path)
    assert found.tokenizer == other.tokenizer


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tokenizer": "word"}, "was made with the tokenizer char, not word"),
        ({"tokenizer": build_tokenizer("char", ["ab"])}, "made with another char tokenizer"),
        ({"documents": "lines"}, "made with documents='file', not lines"),
        ({"min_count": 2}, "min_count 2 has no effect on .*s.tokens, which holds tokens, not text"),
        ({"max_vocab": 9}, "max_vocab 9 has no effect"),
        ({"vocab": "v.txt"}, "vocab v.txt has no effect"),
        ({"field": "body"}, "field body has no effect"),
        ({"encoding": "latin-1"}, "encoding latin-1 has no effect"),
    ],
)
def test_what_a_store_cannot_be_asked_for(store, settings, message):
    with pytest.raises(StoreError, match=message):
        fastlm.train(store.path, **SMALL, **settings)


def test_a_fraction_out_of_range(store):
    with pytest.raises(CorpusError, match=r"above 0 and below 1, got 1\.5"):
        tokens(store.path, valid=1.5)


def test_a_store_among_files(store, corpus):
    with pytest.raises(StoreError, match="is a token store already; train on it, alone"):
        tokens([corpus, store.path])


def test_a_store_that_is_cut_short(store):
    path = Path(store.path)
    data = path.read_bytes()
    del store
    path.write_bytes(data[:-1])
    with pytest.raises(StoreError, match="is cut short"):
        fastlm.train(path, **SMALL)


def test_files_and_texts(corpus):
    with pytest.raises(ConfigError, match="corpus and texts are both given"):
        tokens(corpus, texts=["a"])


# ---------------------------------------------------------------------------- texts


@pytest.mark.parametrize("documents", DOCUMENT_MODES)
@pytest.mark.parametrize("limit", [100, 10**6])
def test_texts_give_what_their_file_gives(corpus, monkeypatch, documents, limit):
    monkeypatch.setattr("fastlm.data.dataset.IN_MEMORY", limit)
    expected = tokens(corpus, "word", documents=documents, valid=0.1, cache=False)
    for texts in ([TEXT], iter([TEXT])):
        found = dataset_from_texts(texts, expected.tokenizer, documents=documents, valid=0.1)
        assert same(found, expected)
        assert found.fingerprint == expected.fingerprint
    assert found.description == "texts (15.0 kB), the last 0.1 for validation"


@pytest.mark.parametrize(
    ("texts", "settings", "message"),
    [
        (None, {}, "expected an iterable of str, got NoneType"),
        ([""], {}, "hold no document"),
        (["a"], {"valid": 2}, "above 0 and below 1"),
        (["a"], {"documents": "pages"}, "documents is .pages.; choose one of"),
    ],
)
def test_texts_that_cannot_be(texts, settings, message):
    with pytest.raises(CorpusError, match=message):
        dataset_from_texts(texts, build_tokenizer("char", ["ab"]), **settings)


@pytest.mark.parametrize("cache_it", [False, True])
def test_too_little_to_hold_out_is_said(corpus, cache, cache_it):
    corpus.write_text(TEXT[:5000])
    found = tokens(corpus, cache=cache_it)
    assert found.valid is None
    assert found.description == "corpus.txt (5.0 kB), too short to hold out a validation part"
