"""Copies of what can be read only once."""

from __future__ import annotations

import errno
import os
import tempfile

import pytest

from fastlm.data.spool import CorpusCopies, InputCopy
from fastlm.errors import StoreError
from fastlm.text.paths import inputs_of
from fastlm.text.sources import TextPart

PARTS = [TextPart("né".encode(), False), TextPart(b"", True), TextPart(b"d", True)]


@pytest.mark.parametrize("spooled", [False, True])
def test_a_copy_gives_what_was_written_as_often_as_it_is_read(tmp_path, spooled):
    (source,) = inputs_of(texts=["a"])
    copy = InputCopy(source, tmp_path)
    for part in PARTS:
        copy.write(part)
    if spooled:
        copy.spool()
    assert list(copy.parts()) == list(copy.parts()) == PARTS
    assert (copy.name, copy.rereadable) == ("texts", True)
    rest = b"".join(part.data for part in copy.parts_from(1, 4))
    assert rest == "né".encode()[1:] + b"d"
    copy.close()
    assert os.listdir(tmp_path) == []


def test_a_part_longer_than_a_length_can_say(monkeypatch):
    monkeypatch.setattr("fastlm.data.spool._LONGEST", 2)
    copy = InputCopy(inputs_of(texts=["a"])[0])
    copy.spool()
    copy.write(TextPart(b"abcde", True))
    assert list(copy.parts()) == [
        TextPart(b"ab", False), TextPart(b"cd", False), TextPart(b"e", True),
    ]  # fmt: skip
    copy.close()


def test_what_outgrows_memory_goes_to_the_disk_unless_it_can_be_read_again(tmp_path):
    once, again = inputs_of(texts=iter(["a"]))[0], inputs_of(texts=["a"])[0]
    copies = CorpusCopies(4, tmp_path)
    for source in (once, again, once):
        copies.begin(source)
        copies.add(TextPart(b"abc", True))
    first, second, third = copies.inputs
    assert isinstance(first, InputCopy)
    assert second is again
    assert isinstance(third, InputCopy)
    assert list(first.parts()) == list(third.parts()) == [TextPart(b"abc", True)]
    copies.drop()
    assert copies.inputs == [first, second]
    copies.close()
    assert copies.inputs == []
    assert os.listdir(tmp_path) == []


def test_a_disk_without_room(tmp_path, monkeypatch):
    def fail(*arguments, **settings):
        raise OSError(errno.ENOSPC, "No space left on device")

    copies = CorpusCopies(2, tmp_path)
    copies.begin(inputs_of(texts=iter(["a"]))[0])
    copies.add(TextPart(b"a", False))  # in memory
    monkeypatch.setattr(tempfile, "TemporaryFile", fail)
    message = "cannot keep a copy of the text in .*: No space left on device; free some space, or"
    with pytest.raises(StoreError, match=message):
        copies.add(PARTS[0])
