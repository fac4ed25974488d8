"""Files written whole or not at all, and the removal of what killed writers left."""

from __future__ import annotations

import errno
import os

import pytest

import fastlm.system.atomic_file
from fastlm.system.atomic_file import NewFile, remove_stale, replace_file, unwritable


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "folder" / "a.bin"
    path.parent.mkdir()
    path.write_bytes(b"old")
    return path


def test_what_is_there_stays_until_the_new_file_is_whole(path):
    with NewFile(path) as new:
        new.write(b"0123")
        new.write(memoryview(b"4567"))
        assert path.read_bytes() == b"old"
        assert len(os.listdir(path.parent)) == 2
        new.seek(1)
        new.write(b"ab")
        new.finish()
    assert path.read_bytes() == b"0ab34567"
    assert os.listdir(path.parent) == ["a.bin"]


def test_what_is_not_finished_goes(path):
    with NewFile(path) as new:
        new.write(b"new")
    assert path.read_bytes() == b"old"
    assert os.listdir(path.parent) == ["a.bin"]


def test_a_file_that_takes_less_than_it_is_given(path):
    """As raw files do on a disk that fills, and above 2 GB."""
    with NewFile(path) as new:
        write = new._file.write

        class Short:
            def write(self, data):
                return write(data[:3])

            def __getattr__(self, name):
                return getattr(file, name)

        file, new._file = new._file, Short()
        new.write(b"0123456789")
        new.finish()
    assert path.read_bytes() == b"0123456789"


@pytest.mark.skipif(os.name == "nt", reason="links need a privilege on Windows")
def test_a_link_stays_a_link(path, tmp_path):
    link = tmp_path / "link"
    link.symlink_to(path)
    replace_file(link, [b"new"])
    assert link.is_symlink()
    assert path.read_bytes() == b"new"


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("folder", "it is a folder; name a file"),
        ("none/a.bin", "; make the folder first or name another one"),
        ("folder/a.bin/b", "; name a folder in place of the file in that path"),
        ("a\0b", "; name another file"),
    ],
)
def test_where_no_file_can_be(path, tmp_path, name, said):
    if os.name == "nt" and name.endswith("/b"):
        pytest.skip("Windows says that there is no such folder")
    target = f"{tmp_path}/{name}"
    with pytest.raises((OSError, ValueError)) as caught:
        replace_file(target, [b"new"])
    line = unwritable("thing", target, caught.value)
    assert line.startswith(f"cannot write the thing to {target}: ")
    assert line.endswith(said)
    assert "\n" not in line


def test_a_remedy_for_what_is_known_and_for_the_rest():
    full = OSError(errno.ENOSPC, "No space left on device")
    assert unwritable("thing", "a", full) == (
        "cannot write the thing to a: No space left on device; free some space or name another disk"
    )
    assert unwritable("thing", "a", OSError("odd")) == (
        "cannot write the thing to a: odd; name another file"
    )


def leave(path, process, host=None, age=0.0):
    """A temporary file as a writer that was killed leaves it."""
    host = fastlm.system.atomic_file._this_host() if host is None else host
    left = path.with_name(f"{path.name}.tmp-{host}-{process}-0123abcd")
    left.write_bytes(b"half")
    os.utime(left, (left.stat().st_mtime - age,) * 2)
    return left


# Linux numbers processes up to 2**22, others less.
DEAD = 2**22 + 1


def test_what_dead_writers_left_is_removed(path):
    left = [leave(path, DEAD), leave(path, os.getpid()), leave(path, 10**30)]
    others = [
        leave(path, 1),  # alive
        leave(path, DEAD, host="00000000"),  # maybe alive there
        leave(path.with_name("another.safetensors"), DEAD),
    ]
    old = leave(path, DEAD, host="00000001", age=100_000)
    if os.name == "nt":
        left.append(others.pop(0))
    assert sorted(remove_stale(path)) == sorted([*left, old])
    assert sorted(path.parent.iterdir()) == sorted([path, *others])
    assert path.read_bytes() == b"old"


def test_what_this_process_is_writing_stays(path, monkeypatch):
    with NewFile(path) as first, NewFile(path) as second:
        for new in (first, second):
            assert remove_stale(path) == []
            new.write(b"new")
        replace = os.replace
        monkeypatch.setattr(os, "replace", lambda *names: (remove_stale(path), replace(*names)))
        first.finish()
        assert path.read_bytes() == b"new"
        second.write(b"er")
        second.finish()
    assert path.read_bytes() == b"newer"
    assert os.listdir(path.parent) == ["a.bin"]


def test_a_folder_that_is_not_there_has_nothing_to_remove(tmp_path):
    assert remove_stale(tmp_path / "nowhere" / "m.safetensors") == []


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
@pytest.mark.parametrize("mode", [0o600, 0o640, 0o664])
def test_a_file_keeps_the_mode_of_the_one_it_replaces(tmp_path, mode):
    """Today 0644 after every save: a private model became readable for everybody."""
    path = tmp_path / "model"
    replace_file(path, [b"1"])
    umask = os.umask(0)
    os.umask(umask)
    assert path.stat().st_mode & 0o777 == 0o666 & ~umask
    path.chmod(mode)
    with NewFile(path) as new:
        (temporary,) = (other for other in tmp_path.iterdir() if other != path)
        assert temporary.stat().st_mode & 0o777 == mode  # while it is written, too
        new.write(b"2")
        new.finish()
    assert path.stat().st_mode & 0o777 == mode
    assert path.read_bytes() == b"2"


def test_a_new_file_removes_what_killed_writers_of_it_left(path):
    leave(path, DEAD)
    with NewFile(path) as new:
        new.write(b"new")
        assert len(os.listdir(path.parent)) == 2
        new.finish()
    assert os.listdir(path.parent) == ["a.bin"]


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such modes")
def test_a_file_may_be_more_private_than_the_one_before(tmp_path):
    path = tmp_path / "a"
    for before, most, after in ((None, 0o600, 0o600), (0o664, 0o640, 0o640), (0o600, 0o666, 0o600)):
        if before is not None:
            path.chmod(before)
        with NewFile(path, most) as file:
            assert file._temporary.stat().st_mode & 0o777 == after
            file.finish()
        assert path.stat().st_mode & 0o777 == after
