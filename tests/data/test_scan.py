"""The first pass over a corpus."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import sys
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastlm.callbacks import Callback
from fastlm.data.dataset import build_dataset
from fastlm.data.progress import ProgressReporter
from fastlm.data.scan import format_bytes, read_texts, scan_corpus
from fastlm.data.spool import InputCopy
from fastlm.errors import CorpusError
from fastlm.text.decoding import Reading
from fastlm.text.default_corpus import default_corpus
from fastlm.text.paths import inputs_of
from fastlm.text.sources import FileInput, Note
from fastlm.tokenizers.counting import symbol_counter
from fastlm.tokenizers.spec import TokenizerSpec


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8", newline="")
    return path


def stdin(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="ascii"))


some_text = st.text(st.sampled_from("ab é猫\n"), min_size=1, max_size=30)


@given(st.lists(st.lists(some_text, min_size=1, max_size=4), min_size=1, max_size=3))
@settings(deadline=None, max_examples=50)
def test_what_is_measured(groups):
    groups = [[*group, "text"] for group in groups]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("fastlm.data.scan._SUMMED_BYTES", 5)
        patched.setattr("fastlm.data.scan._SEEK_BYTES", 5)
        scan = scan_corpus([one for group in groups for one in inputs_of(texts=group)])
    encoded = [[text.encode() for text in group] for group in groups]
    ended = b"".join(text + b"\xff" for group in encoded for text in group)
    assert scan.digest == hashlib.sha256(ended).hexdigest()
    assert scan.characters == sum(len(text) for group in groups for text in group)
    assert scan.bytes == sum(len(text) for group in encoded for text in group)
    assert [part.data for part in scan.parts()] == [text for group in encoded for text in group]
    for one, texts in zip(scan.inputs, encoded, strict=True):
        whole = b"".join(texts)
        assert one.texts == len(texts)
        assert one.seek_points[0] == (0, 0)
        assert [part.data for part in one.parts()] == texts
        for offset in range(len(whole)):
            assert b"".join(one.read_from(offset)) == whole[offset:]
        for characters, size in one.seek_points:
            assert len(whole[:size].decode()) == characters


def test_the_digest_sees_where_texts_end():
    digests = {scan_corpus(inputs_of(texts=texts)).digest for texts in (["ab", "c"], ["a", "bc"])}
    assert len(digests) == 2


def test_symbols_are_counted_while_reading():
    counter = symbol_counter("char")
    scan = scan_corpus(inputs_of(texts=["né", "nn"]), counter=counter)
    assert scan.counter is counter
    assert counter.counts() == {"n": 3, "é": 1}


def test_progress_is_reported(tmp_path):
    path = write(tmp_path / "a.txt", "text " * 1000)
    reports = []

    class Told(Callback):
        def on_prepare(self, preparing):
            reports.append(preparing)

    scan_corpus(inputs_of(path), reporter=ProgressReporter([Told()]))
    assert (reports[-1].phase, reports[-1].done, reports[-1].total) == ("reading", 5000, 5000)
    assert reports[-1].ended


# ---------------------------------------------------------------------------- copies


@pytest.mark.parametrize("keep", [0, 3, 5, 100])
def test_what_can_be_read_once_is_copied(tmp_path, monkeypatch, keep):
    stdin(monkeypatch, b"from\r\nstdin")
    path = write(tmp_path / "a.txt", "file")
    inputs = [*inputs_of(texts=iter(["a", "", "b" * 10])), *inputs_of(["-", str(path)])]
    with closing(scan_corpus(inputs, keep=keep, folder=tmp_path)) as scan:
        for _ in range(2):
            parts = [part.data.decode() for part in scan.parts()]
            assert parts == ["a", "b" * 10, "from\nstdin", "file"]
        copied = [isinstance(one.source, InputCopy) for one in scan.inputs]
        assert copied == [True, True, keep == 100]
        assert [one.source.identity() for one in scan.inputs] == [one.identity() for one in inputs]
    assert os.listdir(tmp_path) == ["a.txt"]


def test_what_is_in_memory_is_not_read_again(tmp_path):
    path = write(tmp_path / "a.txt", "some text")
    scan = scan_corpus(inputs_of(path), keep=100)
    path.unlink()
    assert [part.data for part in scan.parts()] == [b"some text"]


def test_a_file_that_changes_between_two_readings(tmp_path):
    path = write(tmp_path / "a.txt", "some text")
    scan = scan_corpus(inputs_of(path))
    path.write_text("same size")
    with pytest.raises(CorpusError, match=r"a\.txt changed while it was read; start again"):
        list(scan.parts())


TEXT = "".join(f"{number} nä и猫\n\n" for number in range(300))
CHANGES = {
    "cut": lambda data: data[: len(data) // 2 + 1],
    "cut at the end": lambda data: data[:-3],
    "longer": lambda data: data + b"x\n",
    "one byte": lambda data: data[:2000] + b"\xff" + data[2001:],
    "other bytes": lambda data: bytes(range(128, 256)) * (len(data) // 128) + b"\xff" * 127,
    "other text": lambda data: b"a" * len(data),
    "blank": lambda data: b"\n" * len(data),
    "empty": lambda data: b"",
}


@pytest.mark.parametrize(
    ("kind", "documents"),
    [("char", "file"), ("word", "lines"), ("byte", "paragraphs"), ("whitespace", "paragraphs")],
)
@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.txt.gz"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_between_two_passes_is_one_error(
    tmp_path, monkeypatch, name, change, kind, documents
):
    """Whenever a file is cut or rewritten, it is a CorpusError, and no reader sees the change."""
    monkeypatch.setattr("fastlm.data.scan._SUMMED_BYTES", 500)
    monkeypatch.setattr("fastlm.data.scan._SEEK_BYTES", 1000)
    monkeypatch.setattr("fastlm.data.dataset.IN_MEMORY", 0)
    monkeypatch.setattr("fastlm.text.compression._CHUNK", 700)
    data = TEXT.encode()
    if name == "a.jsonl":
        data = b"".join(json.dumps({"text": line}).encode() + b"\n" for line in TEXT.splitlines())
    path = tmp_path / name
    opened = FileInput._opened
    readings = 0
    changed_at = 2

    @contextmanager
    def counted(self):
        nonlocal readings
        readings += 1
        if readings == changed_at:
            path.write_bytes(CHANGES[change](path.read_bytes()))
        with opened(self) as file:
            yield file

    monkeypatch.setattr(FileInput, "_opened", counted)
    errors = 0
    while True:
        path.write_bytes(gzip.compress(data) if name.endswith("gz") else data)
        readings = 0
        try:
            build_dataset(
                path, TokenizerSpec(kind=kind), documents=documents, valid=0.3, cache=False
            )
        except CorpusError:
            errors += 1
        if readings < changed_at:
            break
        changed_at += 1
    assert errors >= 2


# ---------------------------------------------------------------------------- what holds no text


def test_a_folder_without_text(tmp_path):
    write(tmp_path / "a.txt", "")
    write(tmp_path / "b.txt", " \n")
    with pytest.raises(CorpusError, match="hold no text; name a folder or files with text in them"):
        scan_corpus(inputs_of(tmp_path))


def test_a_blank_file_in_a_folder_is_left_out(tmp_path):
    write(tmp_path / "a.txt", "text")
    write(tmp_path / "b.txt", " \n")
    scan = scan_corpus(inputs_of(tmp_path), counter=symbol_counter("char"))
    left_out = "b.txt holds only white space and was left out"
    assert scan.notes == [Note(f"{tmp_path / left_out}", left_out)]
    assert scan.description == f"a.txt (4 bytes); {left_out}"
    assert scan.counter is None  # it has counted what is left out


def test_a_blank_file_of_a_pattern_is_left_out(tmp_path):
    write(tmp_path / "a.txt", " \n")
    write(tmp_path / "b.txt", "text")
    scan = scan_corpus(inputs_of(str(tmp_path / "*.txt")))
    assert scan.description == "b.txt (4 bytes); a.txt holds only white space and was left out"


def test_a_description_quotes_nothing(tmp_path):
    secret = '{"patient_name": "Ada", "ssn": 1}\n{"text": "text"}\n'
    scan = scan_corpus(inputs_of(write(tmp_path / "a.jsonl", secret), Reading(skip_bad=True)))
    assert "ssn" in scan.notes[0].text
    assert scan.description == "a.jsonl (4 bytes); 1 line was left out"


@pytest.mark.parametrize("keep", [0, 10**6])
def test_copies_are_removed_after_an_error(tmp_path, keep):
    inputs = [*inputs_of(texts=iter(["text"])), *inputs_of(write(tmp_path / "b.txt", "\n\n"))]
    with pytest.raises(CorpusError, match=r"b\.txt holds only white space; name a file"):
        scan_corpus(inputs, keep=keep, folder=tmp_path)
    assert os.listdir(tmp_path) == ["b.txt"]


# ---------------------------------------------------------------------------- descriptions


@pytest.mark.parametrize("keep", [0, 10**6])
def test_descriptions(tmp_path, monkeypatch, keep):
    def describe(inputs):
        with closing(scan_corpus(inputs, keep=keep)) as scan:
            return scan.description

    path = write(tmp_path / "a.txt", "é" * 600)
    assert describe(inputs_of(path)) == "a.txt (1.2 kB)"
    assert describe(inputs_of([path, path])) == "2 files (2.4 kB)"
    assert describe(inputs_of(texts=["text"])) == "texts (4 bytes)"
    stdin(monkeypatch, b"text")
    assert describe(inputs_of("-")) == "standard input (4 bytes)"


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 bytes"), (999, "999 bytes"), (1000, "1.0 kB"), (1_250_000, "1.2 MB"),
                       (3 * 10**9, "3.0 GB")],
)  # fmt: skip
def test_sizes(size, text):
    assert format_bytes(size) == text


class TestReadTexts:
    def test_one_path(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a", "one\n\ntwo\n")
        assert list(read_texts(path)) == list(read_texts(str(path))) == ["one\n\ntwo\n"]

    def test_several_paths_in_their_order(self, tmp_path: Path) -> None:
        paths = [write(tmp_path / name, name) for name in ("b", "a", "c")]
        assert list(read_texts([paths[0], str(paths[1]), paths[2]])) == ["b", "a", "c"]

    def test_a_pattern_stands_for_the_matching_files_by_name(self, tmp_path: Path) -> None:
        for name in ("b.txt", "a.txt", "c.md"):
            write(tmp_path / name, name)
        (tmp_path / "folder.txt").mkdir()
        assert list(read_texts(str(tmp_path / "*.txt"))) == ["a.txt", "b.txt"]

    def test_a_file_whose_name_looks_like_a_pattern(self, tmp_path: Path) -> None:
        write(tmp_path / "1", "wrong")
        path = write(tmp_path / "[1]", "right")
        assert list(read_texts(str(path))) == ["right"]

    def test_a_pattern_without_match(self, tmp_path: Path) -> None:
        with pytest.raises(CorpusError, match=r"no file matches .*\*\.txt"):
            list(read_texts(str(tmp_path / "*.txt")))

    def test_the_default_corpus(self) -> None:
        assert list(read_texts(None)) == [default_corpus()]

    def test_no_path(self) -> None:
        with pytest.raises(CorpusError, match="list of corpus files is empty"):
            list(read_texts([]))

    def test_an_iterator_of_texts_is_no_corpus(self) -> None:
        with pytest.raises(CorpusError, match="a path or a list of paths, got generator"):
            list(read_texts(t for t in "ab"))  # type: ignore[arg-type]

    def test_one_bad_file_among_good_ones(self, tmp_path: Path) -> None:
        good = write(tmp_path / "good", "text")
        with pytest.raises(CorpusError, match=r"blank\.txt holds only white space"):
            list(read_texts([good, write(tmp_path / "blank.txt", " \n\t")]))
