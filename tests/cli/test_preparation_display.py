"""How preparing text looks on the console."""

from __future__ import annotations

import io

from fastlm.callbacks import Preparing
from fastlm.cli.preparation_display import PreparationProgress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_line_for_each_long_phase() -> None:
    stream = io.StringIO()
    progress = PreparationProgress(stream)
    progress.on_prepare(Preparing("reading", 10, 100, 0.5))
    progress.on_prepare(Preparing("reading", 100, 100, 0.6, True))
    progress.on_prepare(Preparing("counting", 90_000_000, 90_000_000, 2.0, True))
    progress.on_prepare(Preparing("encoding", 3_000_000_000, None, 60.0, True, ("2 lines",)))
    assert stream.getvalue() == (
        "counting    90.0 MB in 0:02, 45 MB/s\n"
        "encoding    3.00 GB in 1:00, 50 MB/s\n"
        "left out    2 lines\n"
    )


def test_a_line_that_is_rewritten_on_a_terminal(monkeypatch) -> None:
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    progress = PreparationProgress(stream)
    progress.on_prepare(Preparing("encoding", 25_000_000, 100_000_000, 1.0))
    progress.on_prepare(Preparing("reading", 25_000_000, None, 1.0))
    progress.on_prepare(Preparing("reading", 25_000_000, 25_000_000, 0.1, True))
    first, second, cleared = stream.getvalue().split("\r")[1:4]
    assert first == "encoding     25% of 100.0 MB, 25 MB/s, 0:03 left"
    assert second.rstrip() == "reading     25.0 MB, 25 MB/s"
    assert len(second) == len(first)
    assert cleared.strip() == ""


def test_a_stream_that_fails_ends_the_display_only() -> None:
    stream = io.StringIO()
    progress = PreparationProgress(stream)
    stream.close()
    for _ in range(2):
        progress.on_prepare(Preparing("counting", 1, 1, 2.0, True))
