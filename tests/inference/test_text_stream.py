"""The text of new tokens is the same however they come, and stops where it should."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastlm.errors import ConfigError
from fastlm.inference.text_stream import TextStream, parse_stops
from fastlm.tokenizers import build_tokenizer

TOKENIZER = build_tokenizer("char", ["abcd\n"])


def write(text, stops, cuts=(), documents="file"):
    """The text when the ids of ``text`` come cut at these places; ``|`` is a boundary."""
    ids = [
        TOKENIZER.boundary_id if character == "|" else TOKENIZER.id_of(character)
        for character in text
    ]
    generated = TextStream(TOKENIZER, documents, "", [], parse_stops(stops))
    parts = []
    for start, stop in zip([0, *cuts], [*cuts, len(ids)], strict=True):
        parts += generated.push(ids[start:stop])
    parts += generated.finish()
    assert "" not in parts
    return "".join(parts), generated.stopped


def naive_stop(text, stops):
    """Character by character: what stands before the first stop string that is complete."""
    for end in range(1, len(text) + 1):
        found = [stop for stop in stops if text[:end].endswith(stop)]
        if found:
            return text[: end - max(map(len, found))], True
    return text, False


TEXTS = st.text(alphabet="abc\n", max_size=30)


@settings(deadline=None, max_examples=300)
@given(text=TEXTS, stops=st.lists(st.text("abc\n", min_size=1, max_size=4)), data=st.data())
def test_a_text_ends_before_the_stop_string_that_is_complete_first(text, stops, data):
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=5)))
    assert write(text, stops, cuts) == naive_stop(text, stops)


@pytest.mark.parametrize(
    ("text", "stops", "expected"),
    [
        ("abcd", "c", "ab"),
        ("abcd", ["bcd", "c"], "ab"),  # c is complete before bcd
        ("abcd", ["bc", "c"], "a"),  # at the same character: the longest
        ("aab", "ab", "a"),
        ("abab", "abc", "abab"),
        ("a|b", "\n", "a"),  # a boundary writes a line end
    ],
)
def test_stop_strings(text, stops, expected):
    found, stopped = write(text, stops, range(1, len(text)), documents="lines")
    assert found == expected
    assert stopped == (expected != text)


def test_nothing_written_holds_a_part_of_a_stop_string():
    generated = TextStream(TOKENIZER, "file", "", [], ("bcd",))
    ids = [TOKENIZER.id_of(character) for character in "abcabcd"]
    assert [generated.push([id]) for id in ids] == [["a"], [], [], ["bca"], [], [], []]
    assert generated.stopped
    assert generated.push(ids) == generated.finish() == []


@pytest.mark.parametrize("stop", ["", [""], ["a", ""], 3, [3], b"a", [b"a"], [None]])
def test_what_is_no_stop_string_is_refused(stop):
    with pytest.raises(ConfigError, match=r"stop is .*; give a text that is not empty, or several"):
        parse_stops(stop)


def test_stop_strings_may_come_in_any_form():
    assert parse_stops(None) == parse_stops([]) == ()
    assert parse_stops("ab") == parse_stops(("ab",)) == parse_stops(iter(["ab"])) == ("ab",)
