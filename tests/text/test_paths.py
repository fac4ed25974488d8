"""The files that folders and patterns name."""

from __future__ import annotations

import gzip

import pytest

from fastlm.errors import CorpusError
from fastlm.text.decoding import Reading
from fastlm.text.paths import expand, inputs_of

from .conftest import json_lines, read, texts_of, write


def test_a_folder(tmp_path):
    write(tmp_path / "in" / "b.txt", "b")
    write(tmp_path / "in" / "a" / "z.md", "z")
    write(tmp_path / "in" / "a.jsonl", json_lines({"text": "j1"}, {"text": "j2"}))
    write(tmp_path / "in" / "c.py", "print('c')")
    write(tmp_path / "in" / "d.txt.gz", gzip.compress(b"d"))
    write(tmp_path / "in" / "picture.png", b"\x89PNG\r\n\x1a\n\0\0")
    write(tmp_path / "in" / "latin.dat", b"n\xe9 n\xe9 n\xe9 n\xe9")
    write(tmp_path / "in" / ".hidden.txt", "no")
    write(tmp_path / "in" / ".git" / "config", "no")
    write(tmp_path / "in" / "none.txt", "")
    inputs = inputs_of(tmp_path / "in")
    assert texts_of(inputs) == ["z", "j1", "j2", "b", "print('c')", "d"]
    notes = [note for source in inputs for note in source.notes]
    assert notes[0].record == "2 files are not text and were left out: latin.dat and others"
    assert notes[0].text == notes[0].record.replace("latin", f"{tmp_path}/in/latin")
    assert notes[1].record == "none.txt is empty and was left out"


def test_a_character_that_ends_beyond_the_sample(tmp_path):
    write(tmp_path / "long", "a" * 4095 + "é")
    assert len(inputs_of(tmp_path)) == 1


def test_a_text_file_in_a_folder_is_never_left_out_silently(tmp_path):
    write(tmp_path / "good.txt", "text")
    write(tmp_path / "bad.txt", b"n\xe9")
    with pytest.raises(CorpusError, match=r"bad\.txt is not valid UTF-8"):
        texts_of(inputs_of(tmp_path))


def test_a_folder_with_nothing_readable(tmp_path):
    with pytest.raises(CorpusError, match=r"the folder .* holds no file; name one with text"):
        inputs_of(tmp_path)
    write(tmp_path / "a.bin", b"\0")
    with pytest.raises(
        CorpusError, match=r"holds no text file \(but a\.bin and the like\); name one"
    ):
        inputs_of(tmp_path)


def test_a_pattern_across_folders(tmp_path):
    write(tmp_path / "x" / "y" / "a.txt", "a")
    write(tmp_path / "b.txt", "b")
    assert read(tmp_path / "**" / "*.txt") == ["b", "a"]


def test_a_pattern_stands_for_files_by_name(tmp_path):
    for name in ("b.txt", "a.txt", "c.md"):
        write(tmp_path / name, name)
    (tmp_path / "folder.txt").mkdir()
    pattern = str(tmp_path / "*.txt")
    matching = (pattern, [str(tmp_path / "a.txt"), str(tmp_path / "b.txt")])
    assert expand(pattern) == [matching]
    assert expand([pattern, "-", "gone"]) == [matching, ("-", ["-"]), ("gone", ["gone"])]


def test_an_empty_file_of_a_pattern_is_left_out(tmp_path):
    write(tmp_path / "a.txt", "")
    write(tmp_path / "b.txt", "b")
    inputs = inputs_of(str(tmp_path / "*.txt"))
    assert texts_of(inputs) == ["b"]
    assert inputs[0].notes[0].record == "a.txt is empty and was left out"
    with pytest.raises(CorpusError, match=r"a\.txt is empty"):
        texts_of(inputs_of([str(tmp_path / "a.txt"), str(tmp_path / "b.txt")]))


@pytest.mark.parametrize("given", [{"corpus": None}, {"texts": ["a"]}])
def test_a_field_of_what_holds_no_json_lines(given):
    with pytest.raises(CorpusError, match=r"field is 'body', but .* holds no JSON lines; leave it"):
        inputs_of(reading=Reading(field="body"), **given)


def test_a_name_that_looks_like_a_pattern(tmp_path):
    path = write(tmp_path / "[1]", "right")
    write(tmp_path / "1", "wrong")
    assert expand(path) == [(path, [path])]


@pytest.mark.parametrize(
    ("corpus", "message"),
    [
        ([], "the list of corpus files is empty"),
        (3, "a corpus is a path or a list of paths, got int"),
        ([3], "a path is a str or a Path, got int"),
        ("nothing*here", r"no file matches nothing\*here"),
    ],
)
def test_what_names_no_file(corpus, message):
    with pytest.raises(CorpusError, match=message):
        expand(corpus)


def test_the_default_corpus_is_what_is_read_when_nothing_is_named():
    (source,) = inputs_of()
    assert source.name == "Python's documentation, built in"
    assert source.rereadable
