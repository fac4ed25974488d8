"""The metrics file: every row is there once, and no other file is overwritten."""

from __future__ import annotations

import errno
import json
import math
import os

import pytest

from fastlm.errors import ConfigError
from fastlm.training.metrics import MetricsFile, read_rows


def row(step, **values):
    return {"event": "progress", "step": step, "seconds": step / 10} | values


@pytest.fixture
def path(tmp_path):
    return tmp_path / "m.jsonl"


def steps(path):
    return [row["step"] for row in read_rows(path)]


def test_rows_are_json_lines(path):
    metrics = MetricsFile(path)
    metrics.start()
    metrics.append(row(1, loss=0.5))
    metrics.append(row(2, loss=math.nan))
    metrics.sync()
    lines = path.read_text().splitlines()
    assert [json.loads(line) for line in lines] == [row(1, loss=0.5), row(2, loss=None)]
    assert metrics.rows == 2


def test_rows_after_a_checkpoint_are_dropped(path):
    metrics = MetricsFile(path)
    metrics.start()
    for step in range(5):
        metrics.append(row(step))
    again = MetricsFile(path)
    again.start(3)
    again.append(row(30))
    assert steps(path) == [0, 1, 2, 30]
    assert again.rows == 4


@pytest.mark.parametrize("torn", [b'{"event": "prog', b"{", b'{"event"'])
def test_a_row_that_was_cut_short_is_dropped(path, torn):
    metrics = MetricsFile(path)
    metrics.start()
    metrics.append(row(1))
    path.write_bytes(path.read_bytes() + torn)
    assert steps(path) == [1]
    again = MetricsFile(path)
    again.start(5)
    again.append(row(2))
    assert steps(path) == [1, 2]
    path.write_bytes(torn)
    MetricsFile(path).start(5)
    assert path.read_bytes() == b""


def test_a_new_run_begins_a_new_file(path):
    path.write_text(json.dumps(row(1)) + "\n")
    metrics = MetricsFile(path)
    metrics.start()
    metrics.append(row(2))
    assert steps(path) == [2]


@pytest.mark.parametrize("content", ["notes of mine\n", '{"text": "a"}\n', "[1]\n", "1\n"])
def test_another_file_is_not_overwritten(path, content):
    path.write_text(content)
    with pytest.raises(ConfigError, match="not overwritten"):
        MetricsFile(path)
    assert path.read_text() == content


def test_no_file_to_write_to(tmp_path):
    with pytest.raises(ConfigError, match="cannot write metrics"):
        MetricsFile(tmp_path)


def test_a_full_disk_loses_no_row(path, monkeypatch):
    metrics = MetricsFile(path)
    metrics.start()
    metrics.append(row(1))
    opened = type(path).open
    full = True

    class Full:
        """Takes half of what is written."""

        def __init__(self, file):
            self.file = file

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self.file.close()

        def write(self, content):
            self.file.write(content[: len(content) // 2])
            self.file.flush()
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(
        type(path), "open", lambda self, mode: (Full if full else lambda f: f)(opened(self, mode))
    )
    for step in (2, 3):
        with pytest.raises(OSError, match="space"):
            metrics.append(row(step))
    full = False
    assert steps(path) == [1]
    assert path.read_bytes().endswith(b"\n")
    metrics.append(row(4))
    assert steps(path) == [1, 2, 3, 4]
    assert metrics.rows == 4


def test_a_device_takes_rows_and_keeps_none():
    metrics = MetricsFile("/dev/null")
    metrics.start(3)
    metrics.append(row(1))
    metrics.sync()
    assert metrics.rows == 4


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_is_refused_and_not_waited_for(path):
    os.mkfifo(path)
    with pytest.raises(ConfigError, match=r"it is a pipe .* name a file$"):
        MetricsFile(path)


@pytest.mark.parametrize("number", [errno.EINVAL, errno.ENOTSUP])
def test_a_file_system_without_sync_is_good_enough(path, number, monkeypatch):
    def cannot(descriptor):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "fsync", cannot)
    metrics = MetricsFile(path)
    metrics.start()
    metrics.append(row(1))
    metrics.sync()
    assert steps(path) == [1]
