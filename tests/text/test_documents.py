"""Splitting texts into documents."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastlm.errors import CorpusError
from fastlm.text.documents import (
    DocumentEndSearch,
    last_document,
    split_documents,
    with_line_feeds,
)
from fastlm.types import DOCUMENT_MODES

LINE_TEXT = st.text(alphabet="ab \t\n\r\u2028é", max_size=60)


def naive_lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def naive_paragraphs(text: str) -> list[str]:
    paragraphs: list[list[str]] = [[]]
    for line in naive_lines(text):
        if line.strip() == "":
            paragraphs.append([])
        else:
            paragraphs[-1].append(line)
    return ["\n".join(lines) for lines in paragraphs if lines]


@pytest.mark.parametrize("text", ["a\r\nb\rc\n\nd", " a ", "\n"])
def test_file_mode_keeps_the_text_as_it_is(text: str) -> None:
    assert list(split_documents(text, "file")) == [text]


@pytest.mark.parametrize(
    ("text", "documents"),
    [("", []), ("a", ["a\n"]), ("a\n", ["a\n"]), ("a\r\n\r\nb", ["a\n\nb\n"]), ("\n", ["\n"])],
)
def test_every_line_of_a_stream_ends(text: str, documents: list[str]) -> None:
    assert list(split_documents(text, "stream")) == documents


@pytest.mark.parametrize("mode", DOCUMENT_MODES)
@pytest.mark.parametrize("end", ["\r\n", "\r"])
def test_a_prompt_has_the_line_ends_of_a_corpus(mode: str, end: str) -> None:
    for prompt in ("a{}b", "a{}", "{}", "a{0}{0}b", "a"):
        other, plain = prompt.format(end), prompt.format("\n")
        assert last_document(other, mode) == last_document(plain, mode)
    assert last_document(f"a{end}b", "file") == "a\nb"


@pytest.mark.parametrize("mode", DOCUMENT_MODES)
def test_empty_text_holds_no_document(mode: str) -> None:
    assert list(split_documents("", mode)) == []


@pytest.mark.parametrize("mode", ["paragraphs", "lines"])
def test_white_space_is_no_document(mode: str) -> None:
    assert list(split_documents(" \n\t\n  \n\n ", mode)) == []


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_with_all_line_ends(end: str) -> None:
    text = end.join(["one", "", " two ", "  ", "three"])
    assert list(split_documents(text, "lines")) == ["one", " two ", "three"]
    assert list(split_documents(text + end, "lines")) == ["one", " two ", "three"]


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_paragraphs_with_all_line_ends(end: str) -> None:
    text = end.join(["", " ", "  one", "still one", "", "\t", "", "two ", "three", ""])
    assert list(split_documents(text, "paragraphs")) == ["  one\nstill one", "two \nthree"]


@given(LINE_TEXT)
@settings(deadline=None)
def test_lines_equal_the_obvious_way(text: str) -> None:
    expected = [line for line in naive_lines(text) if line.strip()]
    assert list(split_documents(text, "lines")) == expected


@given(LINE_TEXT)
@settings(deadline=None)
def test_paragraphs_equal_the_obvious_way(text: str) -> None:
    assert list(split_documents(text, "paragraphs")) == naive_paragraphs(text)


def test_paragraphs_of_a_large_text_take_linear_time() -> None:
    text = (" " * 1000 + "x\n") * 300 + "\n" * 200_000 + "end"
    assert len(list(split_documents(text, "paragraphs"))) == 2


def test_unknown_mode() -> None:
    with pytest.raises(CorpusError, match="is 'words'; choose one of file, paragraphs, lines"):
        split_documents("a", "words")


def first_end(blocks: list[str], mode: str) -> int | None:
    """The characters up to the first end that a search in blocks finds."""
    search = DocumentEndSearch(mode)
    for block in blocks:
        end = search.feed(block.encode())
        if end is not None:
            return len("".join(blocks).encode()[:end].decode())
    return None


@pytest.mark.parametrize("mode", ["lines", "paragraphs"])
@given(blocks=st.lists(LINE_TEXT, max_size=5), more=LINE_TEXT)
def test_where_the_first_document_is_sure_to_end(mode: str, blocks: list[str], more: str) -> None:
    blocks = [with_line_feeds(block) for block in blocks]
    text = "".join(blocks)
    end = first_end(blocks, mode)
    if end is None:
        assert len(list(split_documents(text, mode))) <= 1
        assert first_end([text], mode) is None
        return
    first = list(split_documents(text[:end], mode))
    assert len(first) <= 1
    # Whatever follows, the rest can be split by itself.
    rest = list(split_documents(text[end:] + more, mode))
    assert first + rest == list(split_documents(text + more, mode))


def test_where_no_document_is_sure_to_end() -> None:
    assert first_end(["one line"], "lines") is None
    assert first_end(["one\ntwo\n"], "paragraphs") is None
    assert first_end(["\n\none\n \n\ttwo"], "paragraphs") == 8
    assert first_end(["\n", " \none", "\n\u3000", "\ttwo\n ", " \n"], "paragraphs") == 16


@pytest.mark.parametrize(
    ("mode", "prompt", "seen"),
    [
        ("file", "a\r\n\r\nb", "a\n\nb"),
        ("lines", "a\r\nb", "b"),
        ("lines", "a\n", ""),
        ("paragraphs", "a\n \r\nb\nc", "b\nc"),
        ("paragraphs", "a\nb", "a\nb"),
    ],
)
def test_what_a_model_sees_of_a_prompt(mode: str, prompt: str, seen: str) -> None:
    assert last_document(prompt, mode) == seen
