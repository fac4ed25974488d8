"""Splitting texts into documents, and documents into training and validation."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastlm.data.split import split_train_valid
from fastlm.errors import CorpusError
from fastlm.text.documents import split_documents
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
    with pytest.raises(CorpusError, match="one of file, paragraphs, lines, got 'words'"):
        split_documents("a", "words")
    with pytest.raises(CorpusError, match="got 'words'"):
        split_train_valid(["a", "b"], 0.5, "words")


@pytest.mark.parametrize(
    ("fraction", "held_out"), [(0.1, 1), (0.26, 3), (0.5, 5), (0.01, 1), (0.99, 9)]
)
def test_several_documents_are_cut_between(fraction: float, held_out: int) -> None:
    documents = [str(n) * 10 for n in range(10)]
    train, valid = split_train_valid(documents, fraction, "lines")
    assert train + valid == documents
    assert len(valid) == held_out


def test_the_cut_between_documents_goes_by_characters() -> None:
    documents = ["a" * 10, "b" * 10, "c" * 80]
    assert split_train_valid(documents, 0.8, "lines") == (documents[:2], documents[2:])
    assert split_train_valid(documents, 0.95, "lines") == (documents[:1], documents[1:])


def test_files_are_cut_inside_the_one_where_the_fraction_falls() -> None:
    first, second = "a b\n" * 100, "c d\n" * 100
    assert split_train_valid([first, second], 0.25, "file") == (
        [first, second[:200]],
        [second[200:]],
    )
    assert split_train_valid([first, second], 0.5, "file") == ([first], [second])
    assert split_train_valid([first, second], 0.75, "file") == (
        [first[:200]],
        [first[200:], second],
    )


def test_one_file_is_cut_behind_the_next_line_end() -> None:
    text = "".join(f"line number {n:02d}\n" for n in range(50))
    train, valid = split_train_valid([text], 0.1, "file")
    assert train[0] + valid[0] == text
    assert train[0].endswith("line number 44\n")
    _, valid = split_train_valid([text], 0.11, "file")
    assert valid[0].startswith("line number 45\n"), "moved forward, not back"


def test_one_file_without_line_ends_is_cut_behind_white_space() -> None:
    text = "word " * 50
    train, valid = split_train_valid([text], 0.13, "file")
    assert train[0] + valid[0] == text
    assert train[0].endswith(" ")
    assert valid[0] == "word " * 6


def test_one_file_of_one_word_is_cut_at_the_fraction() -> None:
    assert split_train_valid(["x" * 80 + "y" * 20], 0.2, "file") == (["x" * 80], ["y" * 20])


def test_moving_the_cut_leaves_at_least_half_of_the_held_out_part() -> None:
    text = "x" * 188 + "\n" + "y" * 11
    _, valid = split_train_valid([text], 0.15, "file")
    assert valid == ["x" * 18 + "\n" + "y" * 11], "the line end is too far behind the cut"


@given(st.text(alphabet="ab \n", max_size=40), st.floats(0.01, 0.99))
@settings(deadline=None)
def test_both_sides_hold_text_or_it_is_an_error(text: str, fraction: float) -> None:
    try:
        (train,), (valid,) = split_train_valid([text], fraction, "file")
    except CorpusError as error:
        assert "too short" in str(error)  # noqa: PT017
        return
    assert train.strip()
    assert valid.strip()
    assert train + valid == text


@pytest.mark.parametrize("fraction", [0, 1, 0.0, 1.0, -0.1, 1.5, float("nan"), True, "0.1", None])
def test_fraction_out_of_range(fraction: object) -> None:
    with pytest.raises(CorpusError, match=r"above 0 and below 1, got"):
        split_train_valid(["a", "b"], fraction, "lines")  # type: ignore[arg-type]


def test_too_short_to_hold_out() -> None:
    with pytest.raises(CorpusError, match="1 characters is too short to hold out"):
        split_train_valid(["x"], 0.1, "file")


def test_one_line_is_not_cut() -> None:
    with pytest.raises(CorpusError, match=r"one document \(documents=lines\)"):
        split_train_valid(["one line"], 0.5, "lines")


def test_no_document() -> None:
    with pytest.raises(CorpusError, match="no document"):
        split_train_valid([], 0.5, "file")
