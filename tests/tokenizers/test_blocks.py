"""A stream in blocks gives what the whole text gives."""

from __future__ import annotations

import pickle
from collections import Counter
from copy import deepcopy

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numba import config

from fastlm.errors import CorpusError, TokenizerError
from fastlm.text.documents import split_documents
from fastlm.tokenizers import Tokenizer, build_tokenizer
from fastlm.tokenizers.blocks import (
    block_encoder,
    build_tokenizer_from_counts,
    safe_cut,
    symbol_counter,
)

from .samples import SAMPLES, STREAM_TEXTS

SETTINGS = [
    ("char", {}),
    ("char", {"lowercase": True}),
    ("word", {}),
    ("word", {"lowercase": True}),
    ("word", {"pattern": "mini"}),
    ("word", {"pattern": "mini", "lowercase": True}),
    ("whitespace", {}),
    ("whitespace", {"lowercase": True}),
    ("byte", {}),
]

some_setting = st.sampled_from(SETTINGS)
some_documents = st.sampled_from(["file", "lines", "paragraphs"])
block_sizes = st.lists(st.integers(1, 40), min_size=1, max_size=8)

SAMPLE_LINES = "\n".join(SAMPLES.values()).replace("\r", "")
EVERYTHING = " a b\n\n" + SAMPLE_LINES + "\nΟΔΟΣ ΌΔΟΣ. İSTANBUL Σ\n \u00a0\nÉÑ ñ"


@pytest.fixture(params=["python", "kernels"], autouse=True)
def road(request, monkeypatch):
    """Every test takes both roads; without JIT the kernels run as Python too."""
    pays = request.param == "kernels"
    for name in ("compiled_pays", "compiled_pays_beside_numpy"):
        monkeypatch.setattr(f"fastlm.tokenizers.backend.{name}", lambda *of: pays)


def cut_blocks(source: Tokenizer | str, documents: str, text: str, sizes: list[int]) -> list[bytes]:
    """Read a stream in pieces of these sizes, over and over, and cut it where it may be cut."""
    data = text.encode()
    blocks: list[bytes] = []
    carried = b""
    at = turn = 0
    while at < len(data):
        size = sizes[turn % len(sizes)]
        turn += 1
        carried += data[at : at + size]
        at += size
        cut = safe_cut(source, documents, carried, final=at >= len(data))
        if cut:
            blocks.append(carried[:cut])
            carried = carried[cut:]
    assert carried == b""
    assert b"".join(blocks) == data
    return blocks


def expected_ids(tokenizer: Tokenizer, documents: str, text: str) -> list[int]:
    if documents == "file":
        return tokenizer.encode(text).tolist()
    return tokenizer.encode_documents(split_documents(text, documents)).tolist()


@given(STREAM_TEXTS, some_setting, some_documents, block_sizes, st.integers(1, 3))
@settings(
    deadline=None,
    max_examples=30 if config.DISABLE_JIT else 300,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
def test_any_blocks_and_workers_give_the_whole(text, setting, documents, sizes, workers) -> None:
    kind, options = setting
    whole = list(split_documents(text, documents))
    expected = build_tokenizer(kind, [*whole, "two words a"], **options)
    tokenizer = expected
    if kind != "byte":
        counters = [symbol_counter(kind, documents=documents, **options) for _ in range(workers)]
        for number, block in enumerate(cut_blocks(kind, documents, text, sizes)):
            counters[number % workers].add(block)
        counters[0].add(b"two words a\n\n" if documents != "file" else b"two words a")
        for counter in counters[1:]:
            counters[0].merge(counter)
        tokenizer = build_tokenizer_from_counts(kind, counters[0].counts(), **options)
        assert tokenizer.to_dict() == expected.to_dict()
    encoders = [block_encoder(tokenizer, documents) for _ in range(workers)]
    ids = [
        encoders[number % workers].encode(block)
        for number, block in enumerate(cut_blocks(tokenizer, documents, text, sizes))
    ]
    assert {part.dtype for part in ids} <= {tokenizer.dtype}
    assert [i for part in ids for i in part.tolist()] == expected_ids(tokenizer, documents, text)


@pytest.mark.parametrize("documents", ["file", "lines", "paragraphs"])
@pytest.mark.parametrize(("kind", "options"), SETTINGS)
def test_cut_at_every_safe_place(kind: str, options: dict, documents: str) -> None:
    tokenizer = build_tokenizer(kind, [EVERYTHING], **options)
    data = EVERYTHING.encode()
    encoder = block_encoder(tokenizer, documents)
    whole = expected_ids(tokenizer, documents, EVERYTHING)
    assert encoder.encode(data).tolist() == whole
    cuts = {
        safe_cut(source, documents, data[:size], final=False)
        for source in (tokenizer, kind)
        for size in range(1, len(data))
    }
    assert len(cuts) > 1
    for cut in sorted(cuts)[:: 40 if config.DISABLE_JIT else 1]:
        halves = encoder.encode(data[:cut]).tolist() + encoder.encode(data[cut:]).tolist()
        assert halves == whole, data[:cut]


@pytest.mark.parametrize(
    ("kind", "options", "text", "cut"),
    [
        ("char", {}, "naïve"[:3], 4),
        ("char", {"lowercase": True}, "ab", 1),
        ("char", {"lowercase": True}, "aΣ", 0),
        ("char", {"lowercase": True}, "a Σ", 2),
        ("word", {}, "one two", 4),
        ("word", {}, "one,", 4),
        ("word", {}, "one", 0),
        ("word", {}, "第三", 3),
        ("word", {}, "第三。", 9),
        ("word", {"pattern": "mini"}, "one_", 0),
        ("word", {"pattern": "mini"}, "第三", 0),
        ("whitespace", {}, "one two,", 4),
        ("byte", {}, "ab", 2),
    ],
)
def test_the_longest_prefix(kind: str, options: dict, text: str, cut: int) -> None:
    tokenizer = build_tokenizer(kind, ["two words"], **options)
    assert safe_cut(tokenizer, "file", text.encode(), final=False) == cut
    assert safe_cut(tokenizer, "file", text.encode(), final=True) == len(text.encode())


def test_half_a_character_is_left_for_the_next_block() -> None:
    tokenizer = build_tokenizer("char", ["ab"])
    for character in "é第😀":
        data = b"ab" + character.encode()
        for size in range(3, len(data)):
            assert safe_cut(tokenizer, "file", data[:size], final=False) == 2
        assert safe_cut(tokenizer, "file", data, final=False) == len(data)


def test_a_word_longer_than_the_search_is_left_whole() -> None:
    tokenizer = build_tokenizer("word", ["two words"])
    data = b"one " + b"x" * 10_000
    assert safe_cut(tokenizer, "file", data, final=False) == 4
    assert safe_cut(tokenizer, "file", data[4:], final=False) == 0


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("a\n\nb\n", 3),
        ("a\n \t\n\u3000\u0085\n\x1c\nb\nc", 13),
        ("a\n\n\n", 4),
        ("a\n\nb\n \nc", 7),
        ("\n", 1),
        (" \nb\n", 2),
        ("\u00a0\n", 3),
        ("a\n", 0),
        ("a\n \u200b\n", 0),
        ("", 0),
    ],
)
def test_the_last_blank_line(text: str, cut: int) -> None:
    assert safe_cut("word", "paragraphs", text.encode(), final=False) == cut


def test_every_white_space_makes_a_blank_line() -> None:
    for character in map(chr, [*range(1, 0xD800), *range(0xE000, 0x11000)]):
        if character.isspace() and character not in "\n\r":
            block = f"a\n{character}\nb".encode()
            assert safe_cut("word", "paragraphs", block, final=False) == len(block) - 1


def test_documents_end_inside_blocks() -> None:
    tokenizer = build_tokenizer("char", ["ab c"])
    ids = block_encoder(tokenizer, "lines").encode(b"a\n \n\nb c\n")
    assert [tokenizer.token(i) for i in ids] == ["a", "<end>", "b", " ", "c", "<end>"]
    ids = block_encoder(tokenizer, "paragraphs").encode(b"\n \na\nb\n \t\n\nc")
    assert [tokenizer.token(i) for i in ids] == ["a", "<unk>", "b", "<end>", "c", "<end>"]
    ids = block_encoder(tokenizer, "file").encode(b"a")
    assert [tokenizer.token(i) for i in ids] == ["a"]


@pytest.mark.parametrize(
    ("kind", "text"), [("char", "ab?"), ("word", "a bird"), ("whitespace", "a bird")]
)
def test_unknown_without_unk(kind: str, text: str) -> None:
    tokenizer = build_tokenizer(kind, ["a b ab"], unk=False)
    with pytest.raises(TokenizerError, match=r"bird|'\?'"):
        block_encoder(tokenizer).encode(text.encode())


def test_counts_are_a_counter() -> None:
    counter = symbol_counter("word", lowercase=True)
    counter.add("The cat, the cat. ΟΔΟΣ".encode())
    expected = Counter({"the": 2, "cat": 2, ",": 1, ".": 1, "οδος": 1})
    assert counter.counts() == expected
    assert all(type(count) is int for count in counter.counts().values())


def test_merging_leaves_the_other_as_it_is() -> None:
    one, other = symbol_counter("word"), symbol_counter("word")
    one.add(b"a b")
    other.add(b"b c")
    one.merge(other)
    other.add(b"c")
    one.add(b"a")
    assert one.counts() == {"a": 2, "b": 2, "c": 1}
    assert other.counts() == {"b": 1, "c": 2}


def test_bad_settings() -> None:
    with pytest.raises(TokenizerError, match="not for byte; build it without counts"):
        symbol_counter("byte")
    with pytest.raises(TokenizerError, match="got 'byte'; use build_tokenizer"):
        build_tokenizer_from_counts("byte", {})
    with pytest.raises(TokenizerError, match="one of unicode, mini, got 'maxi'"):
        symbol_counter("word", pattern="maxi")
    with pytest.raises(TokenizerError, match="pattern 'mini' is for the word tokenizer"):
        build_tokenizer_from_counts("char", {"a": 1, "b": 1}, pattern="mini")
    for make in (
        lambda: symbol_counter("word", documents="pages"),
        lambda: block_encoder(build_tokenizer("byte"), "pages"),
        lambda: safe_cut("word", "pages", b"a", final=False),
    ):
        with pytest.raises(CorpusError, match="got 'pages'"):
            make()


@pytest.mark.parametrize(("kind", "options"), SETTINGS)
def test_tokenizers_pickle_and_copy(kind: str, options: dict) -> None:
    tokenizer = build_tokenizer(kind, [EVERYTHING], **options)
    expected = tokenizer.encode(EVERYTHING)
    for again in (pickle.loads(pickle.dumps(tokenizer)), deepcopy(tokenizer)):
        assert again == tokenizer
        assert np.array_equal(again.encode(EVERYTHING), expected)
