"""A file that is followed: what is added, rotated away, cut short and made anew."""

from __future__ import annotations

import os
import sys

import pytest

from fastlm.errors import CorpusError
from fastlm.text.decoding import Reading
from fastlm.text.following import FollowedInput

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="open files cannot be renamed")


class End(Exception):
    pass


def follow(path, *steps, history=1 << 20):
    """The lines that come, with what was told, while steps are done one after the other."""
    left = list(steps)
    told: list[str] = []

    def sleep(seconds: float) -> None:
        if not left:
            raise End
        left.pop(0)()

    source = FollowedInput(path, Reading(), told.append, history=history, sleep=sleep)
    found: list[tuple[bytes, bool]] = []
    try:
        for chunk in source.chunks():
            found += [(line, source.caught_up) for line in chunk.splitlines(keepends=True)]
    except End:
        pass
    return found, told


def lines(found):
    return [line for line, _ in found]


def add(path, data):
    def step():
        with path.open("ab") as file:
            file.write(data)

    return step


def test_what_is_added_comes_by_whole_lines(tmp_path):
    log = tmp_path / "log"
    log.write_bytes(b"old\nbeg")
    found, told = follow(log, add(log, b"un\nne"), add(log, b""), add(log, b"w\n\r\nlast"))
    assert found == [
        (b"old\n", False), (b"begun\n", True), (b"new\n", True), (b"\r\n", True),
    ]  # fmt: skip
    assert told == []


def test_rotation_loses_nothing(tmp_path):
    """The old file's last lines come, also those that are written after the rename."""
    log, old = tmp_path / "log", tmp_path / "log.1"
    log.write_bytes(b"a\n")

    def rotate():
        add(log, b"b\npart")()
        log.rename(old)

    found, told = follow(
        log,
        rotate,
        add(old, b"ial\n"),
        lambda: log.write_bytes(b"c\n"),
        add(old, b"late\n"),
        add(log, b"d\n"),
    )
    assert sorted(lines(found)) == sorted([b"a\n", b"b\n", b"partial\n", b"c\n", b"late\n", b"d\n"])
    assert told == [f"{log} was replaced; following the new file"]


def test_a_rotated_file_ends_with_a_line_that_has_no_end(tmp_path, monkeypatch):
    monkeypatch.setattr("fastlm.text.following._LINGER_SECONDS", -1)
    log = tmp_path / "log"
    log.write_bytes(b"a\nopen")

    def rotate():
        log.rename(tmp_path / "log.1")
        log.write_bytes(b"c\n")

    assert lines(follow(log, rotate)[0]) == [b"a\n", b"c\n", b"open\n"]


@pytest.mark.parametrize("new", [b"c\n", b"another text, longer than before\n"])
def test_a_file_that_was_cut_short_is_read_from_its_beginning(tmp_path, new):
    log = tmp_path / "log"
    log.write_bytes(b"a\nfirst\nopen")
    found, told = follow(log, lambda: log.write_bytes(new), add(log, b"d\n"))
    assert lines(found) == [b"a\n", b"first\n", b"open\n", new, b"d\n"]
    assert told == [f"{log} was cut short; reading it from its beginning"]


def test_a_file_may_come_later_and_go_for_a_while(tmp_path):
    log = tmp_path / "log"
    found, told = follow(
        log, lambda: None, lambda: log.write_bytes(b"a\n"), log.unlink,
        lambda: log.write_bytes(b"b\n"),
    )  # fmt: skip
    assert found == [(b"a\n", True), (b"b\n", True)]
    assert told == [
        f"{log} is not there yet; waiting for it",
        f"{log} is there now",
        f"{log} was replaced; following the new file",
    ]


@pytest.mark.parametrize("history", [0, 1, 5, 6, 7, 100])
def test_of_a_long_file_the_last_lines_are_read(tmp_path, history):
    log = tmp_path / "log"
    log.write_bytes(b"one\ntwo\nthree\n")
    expected = {0: [], 1: [], 5: [], 6: [b"three\n"], 7: [b"three\n"]}
    whole = [b"one\n", b"two\n", b"three\n"]
    found, told = follow(log, add(log, b"four\n"), history=history)
    assert lines(found) == [*expected.get(history, whole), b"four\n"]
    assert told == []


def test_a_long_line_is_not_held_back(tmp_path, monkeypatch):
    monkeypatch.setattr("fastlm.text.following._MOST_HELD", 4)
    log = tmp_path / "log"
    log.write_bytes(b"a" * 10)
    assert lines(follow(log)[0]) == [b"a" * 10]


def test_what_cannot_be_followed_is_refused(tmp_path):
    log = tmp_path / "log"
    log.write_bytes(b"a\n")
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path, encoding, why in (
        ("-", "utf-8", "standard input"),
        (tmp_path, "utf-8", "not a regular file"),
        (pipe, "utf-8", "not a regular file"),
        (tmp_path / "a.gz", "utf-8", "plain text and JSON lines"),
        (tmp_path / "a.parquet", "utf-8", "plain text and JSON lines"),
        (tmp_path / "none" / "log", "utf-8", "no such folder"),
        (log, "utf-16", "cannot read utf-16"),
        ("a\0b", "utf-8", "cannot be followed"),
    ):
        with pytest.raises(CorpusError, match=why) as caught:
            FollowedInput(path, Reading(encoding=encoding))
        assert len(str(caught.value)) < 200
