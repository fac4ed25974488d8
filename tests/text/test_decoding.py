"""Decoding: chunks cut anywhere, line ends, byte order marks, bytes that do not decode."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastlm.errors import ConfigError, CorpusError
from fastlm.text.decoding import (
    Reading,
    count_characters,
    count_lines,
    normalize_line_ends,
    text_blocks,
    whole_characters,
)


def chunks(data: bytes, sizes: list[int]) -> list[bytes]:
    parts = []
    at = turn = 0
    while at < len(data):
        parts.append(data[at : at + sizes[turn % len(sizes)]])
        at += sizes[turn % len(sizes)]
        turn += 1
    return parts


@given(
    st.text(st.sampled_from("a\r\nb é猫\U0001f600\ufeff"), max_size=30),
    st.lists(st.integers(1, 5), min_size=1, max_size=4),
    st.sampled_from(["utf-8", "utf-16", "utf-16-le", "utf-32", "gb18030", "utf-8-sig"]),
    st.booleans(),
)
@settings(deadline=None, max_examples=200)
def test_chunks_cut_anywhere_give_the_same_text(text, sizes, encoding, trusted):
    data = text.encode(encoding)
    blocks = list(
        text_blocks(chunks(data, sizes), "a", Reading(encoding=encoding), trusted=trusted)
    )
    expected = data.decode(encoding).removeprefix("\ufeff")
    expected = expected.replace("\r\n", "\n").replace("\r", "\n")
    assert b"".join(blocks).decode() == expected
    for block in blocks:
        assert block.decode()  # whole characters, and no empty block
    assert sum(map(count_characters, blocks)) == len(expected)


@given(st.binary(max_size=20), st.lists(st.integers(1, 5), min_size=1, max_size=4), st.booleans())
@settings(deadline=None, max_examples=200)
def test_bytes_that_cannot_be_decoded_are_replaced_wherever_chunks_are_cut(data, sizes, trusted):
    reading = Reading(errors="replace")
    blocks = text_blocks(chunks(data, sizes), "a", reading, trusted=trusted)
    expected = data.decode("utf-8", "replace").removeprefix("\ufeff")
    expected = expected.replace("\r\n", "\n").replace("\r", "\n")
    assert b"".join(blocks).decode() == expected


@pytest.mark.parametrize("size", [1, 2, 3, 7, 100])
@pytest.mark.parametrize(
    ("data", "encoding", "where"),
    [
        (b"one\r\ntwo\rthree\nfo\xe9r", "utf-8", "byte 0xE9 at offset 17, line 4"),
        (b"one\r\n\r\xff", "utf-8", "byte 0xFF at offset 6, line 3"),
        (b"cut short \xe2\x82", "utf-8", "byte 0xE2 at offset 10, line 1"),
        ("é\né".encode("utf-16-le") + b"\x00\xdcaa", "utf-16-le", "offset 6, line 2"),
        (b"a\nb\x81", "cp1252", "byte 0x81 at offset 3, line 2"),
    ],
)
def test_where_bytes_cannot_be_decoded(data, encoding, where, size):
    with pytest.raises(CorpusError, match=where):
        list(text_blocks(chunks(data, [size]), "a", Reading(encoding=encoding)))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"encoding": "klingon"}, "unknown encoding: klingon; name one that Python knows"),
        ({"encoding": "rot13"}, "'rot13' is not a text encoding"),
        ({"errors": "ignore"}, "errors is 'ignore'; choose one of strict, replace"),
        ({"field": 3}, "field is 3; give the name of a key"),
    ],
)
def test_settings_that_do_not_exist(settings, message):
    with pytest.raises((CorpusError, ConfigError), match=message):
        Reading(**settings)


@given(st.text(st.sampled_from("aé猫\U0001f600\n\r")))
def test_what_is_counted_and_cut(text):
    data = text.encode()
    assert count_characters(data) == len(text)
    assert count_lines(data) == text.count("\n")
    assert whole_characters(data) == len(data)
    for cut in range(len(data)):
        whole = data[: whole_characters(data[:cut])]
        assert text.startswith(whole.decode())
        assert cut - len(whole) < 4
    assert normalize_line_ends(data) == text.replace("\r\n", "\n").replace("\r", "\n").encode()


def test_a_text_that_does_not_begin_here_keeps_its_mark():
    data = "\ufefftext".encode()
    assert list(text_blocks([data], "a", Reading(), at_start=False)) == [data]
