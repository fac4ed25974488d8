"""A corpus that a caller gives: names of files, or text."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastlm.errors import CorpusError, MissingFileError
from fastlm.text.given import is_text, paths_or_texts


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("a.txt", "word", "two words", "what [now]"):
        (tmp_path / name).write_text("text")
    return tmp_path


class Column:
    """A column of a table: neither a list nor a sequence, and it can be read again."""

    def __init__(self, values):
        self.values = values

    def __iter__(self):
        return iter(self.values)


@pytest.mark.parametrize(
    "text", ["the cat\nsat", "a\r", "x" * 5000, "a" * 256, "folder/" + "ü" * 128, "two words\n"]
)
def test_what_can_be_no_name_is_text(text):
    assert is_text(text)
    assert paths_or_texts(text) == (None, [text])


@pytest.mark.parametrize(
    "given",
    [
        None, "a.txt", "missing.txt", "missing", "-", "", "*.txt", "nothing*.txt", Path("missing"),
        "two words", "what [now]", "my text.txt", "a" * 255, "\0",
        ["a.txt", "missing words here"], ["missing.txt", "other.txt"], [Path("x"), "y"], [],
        ["-", "the cat sat"], b"bytes", 3,
    ],
)  # fmt: skip
def test_what_may_be_a_name_is_one(given):
    assert paths_or_texts(given) == (given, None)


def test_a_sentence_that_names_no_file_is_refused_with_the_remedy():
    for text in ("the cat sat on the mat", "What is this?", "The end."):
        with pytest.raises(MissingFileError, match=r"names no file; .*texts=\[\.\.\.\]"):
            paths_or_texts(text)
    assert paths_or_texts("the cat sat " * 4) == (None, ["the cat sat " * 4])
    name = "one two three four five six seven eight nine ten eleven twelve"
    assert paths_or_texts(name) == (None, [name])
    Path(name).write_text("text")
    assert paths_or_texts(name) == (name, None)
    assert paths_or_texts(f"{name} thirteen.txt") == (f"{name} thirteen.txt", None)


@pytest.mark.parametrize(
    "texts",
    [
        ["the cat sat", "the dog"],
        ("The cat sat.", "Why?", "It was tired."),
        ["one", "two\n"],
        ["a" * 300, "b"],
    ],
)
def test_a_list_of_sentences_is_text(texts):
    assert paths_or_texts(texts) == (None, list(texts))


def test_several_words_that_name_no_files_may_be_texts():
    with pytest.raises(MissingFileError, match=r"'emma' and 2 more name no files; .*texts="):
        paths_or_texts(["emma", "olivia", "ava"])
    for names in (["a.txt", "b"], ["emma"], ["folder/a", "b"]):  # read, they say what is missing
        assert paths_or_texts(names) == (names, None)


def test_beside_texts_what_names_no_file_is_text():
    assert paths_or_texts("adison", beside_texts=True) == (None, ["adison"])
    assert paths_or_texts(["a", "b"], beside_texts=True) == (None, ["a", "b"])
    assert paths_or_texts("a.txt", beside_texts=True) == ("a.txt", None)
    assert paths_or_texts(Path("b"), beside_texts=True) == (Path("b"), None)


def test_a_column_of_arrow_is_text():
    class Arrow(Column):
        def __iter__(self):
            return iter([object()])

        def to_pylist(self):
            return self.values

    assert paths_or_texts(Arrow(["emma", "ann"])) == (None, ["emma", "ann"])


def test_other_iterables():
    column = Column(["emma", "ann"])
    assert paths_or_texts(column) == (None, column)
    paths, texts = paths_or_texts(name for name in ("emma", "ann"))
    assert paths is None
    assert list(texts) == ["emma", "ann"]
    assert paths_or_texts(Path().glob("*.txt")) == ([Path("a.txt")], None)
    with open("a.txt", encoding="utf-8") as file:
        assert paths_or_texts(file) == (None, ["text"])
    with open("a.txt", "rb") as file, pytest.raises(CorpusError, match=r"'a\.txt' is open for"):
        paths_or_texts(file)
