"""Whole commands on pseudo-terminals: what a person sees fits, and is coloured only if wanted."""

from __future__ import annotations

import os
import re
import struct
import subprocess
import sys

import pytest

from .conftest import SMALL, TEXT, make_model

pytestmark = pytest.mark.skipif(os.name == "nt", reason="Windows has no pseudo-terminals")

_ESCAPE = re.compile(r"\x1b\[[0-9;?]*([A-Za-z])")


def on_terminal(tmp_path, columns, term, *arguments):
    """Run a command on a terminal; returns its exit code and all that it wrote."""
    import fcntl
    import pty
    import termios

    terminal, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
    kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    process = subprocess.Popen(
        [sys.executable, "-m", "fastlm", *map(str, arguments)],
        stdin=theirs, stdout=theirs, stderr=theirs, cwd=tmp_path,
        env=kept | {"TERM": term, "NO_COLOR": "1"},
    )  # fmt: skip
    os.close(theirs)
    shown = b""
    try:
        while data := os.read(terminal, 65536):
            shown += data
    except OSError:  # Linux: the other side is closed
        pass
    finally:
        os.close(terminal)
        code = process.wait(timeout=60)
    return code, shown.decode()


def lines_of(shown):
    """Return the lines without escape sequences; one that is redrawn counts each time."""
    return re.split(r"[\r\n]+", _ESCAPE.sub("", shown))


@pytest.fixture
def files(tmp_path):
    make_model().save(tmp_path / "m.safetensors")
    (tmp_path / "corpus.txt").write_text(TEXT * 9, encoding="utf-8")
    return tmp_path


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("columns", "term"), [(60, "xterm-256color"), (60, "dumb"), (120, "xterm-256color")]
)
def test_commands_fit_the_terminal(files, columns, term):
    train = ("train", "corpus.txt", *SMALL, "--steps", 60, "--valid", "0.2", "-o", "t.safetensors")
    for arguments in (
        (*train, "--sample-every", "20 steps", "--force"),
        ("prepare", "corpus.txt", "-o", "c.tokens"),
        ("inspect", "t.checkpoint.safetensors", "--neighbors", "e"),
        ("inspect", "c.tokens"),
        ("export", "m.safetensors", "--to", "tokenizer", "-o", "t.json"),
    ):
        code, shown = on_terminal(files, columns, term, *arguments)
        assert code == 0, shown
        assert max(map(len, lines_of(shown))) <= columns, arguments
        assert "\x1b" not in shown or term != "dumb", arguments
        assert not re.search(r"\x1b\[[0-9;]*3[0-7](;|m)", shown), arguments


@pytest.mark.parametrize("term", ["xterm", "dumb"])
def test_the_progress_of_a_run_fits_a_narrow_terminal(files, term):
    code, shown = on_terminal(
        files, 60, term, "train", "corpus.txt", *SMALL, "--steps", 60, "-o", "t.safetensors"
    )
    assert code == 0, shown
    lines = lines_of(shown)
    assert max(map(len, lines)) <= 60
    assert any("60/60" in line for line in lines)
    assert any(line.startswith("finished ") for line in lines)
    assert ("\x1b" in shown) == (term == "xterm")
