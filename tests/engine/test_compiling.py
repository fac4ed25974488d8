"""Sharing a list of compilations with a second process."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from fastlm.engine import compiling
from fastlm.engine.compiling import SecondProcess, compile_together, share_with

ECHO = "import sys\nfor line in sys.stdin: print(line, end='', flush=True)"


@pytest.fixture(autouse=True)
def fresh(monkeypatch):
    """Know no second process, and nothing that is compiled."""
    monkeypatch.setattr(compiling, "_second", [])
    monkeypatch.setattr(compiling, "_compiled", set())


def compilations(names, done, seconds=0.0):
    def compile(name):
        time.sleep(seconds)
        done.append(name)

    return {name: lambda name=name: compile(name) for name in names}


def end(process):
    process.process.kill()
    process.process.communicate()


def test_alone_in_order_and_once():
    done = []
    compile_together(compilations("abc", done))
    compile_together(compilations("abcd", done))
    assert done == ["a", "b", "c", "d"]


def test_the_second_process_takes_from_the_end_and_all_is_loaded_here_after_it():
    done = []
    second = SecondProcess(ECHO)
    share_with(second)
    names = [f"{number}" for number in range(40)]
    compile_together(compilations(names, done, 0.05))
    taken = second.wait()
    end(second)
    assert 0 < len(taken) < 40
    assert taken == names[::-1][: len(taken)]
    assert done == names[: 40 - len(taken)] + taken


@pytest.mark.parametrize(
    "program",
    ["", "input(); print()", "input(); print(flush=True); input()", "import sys; sys.exit(1)"],
)
def test_a_second_process_that_ends_leaves_nothing_undone(program):
    done = []
    second = SecondProcess(program)
    share_with(second)
    compile_together(compilations("abcdef", done, 0.2))
    end(second)
    assert sorted(done) == list("abcdef")


def test_what_fails_to_compile_is_raised():
    def fail():
        raise MemoryError("no room")

    with pytest.raises(MemoryError, match="no room"):
        compile_together({"a": fail})


def has_ended(number: int) -> bool:
    with contextlib.suppress(OSError):
        # An orphan stays a zombie where nothing collects it.
        return Path(f"/proc/{number}/stat").read_text().rpartition(")")[2].split()[0] in "ZX"
    try:
        os.kill(number, 0)
    except ProcessLookupError:
        return True
    return False


@pytest.mark.skipif(os.name == "nt", reason="os.kill(number, 0) ends a process on Windows")
@pytest.mark.parametrize("end", ["kill", "return"])
def test_a_second_process_ends_with_the_first(end):
    parent = textwrap.dedent(
        """
        import sys
        from fastlm.engine import precompile
        from fastlm.engine.compiling import SecondProcess
        print(SecondProcess(precompile._PROGRAM).process.pid, flush=True)
        sys.stdin.read()
        """
    )
    with subprocess.Popen(
        [sys.executable, "-c", parent], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as first:
        second = int(first.stdout.readline())
        time.sleep(1)
        assert not has_ended(second)
        first.kill() if end == "kill" else first.stdin.close()
    until = time.monotonic() + 10
    while not has_ended(second) and time.monotonic() < until:
        time.sleep(0.05)
    ended = has_ended(second)
    if not ended:
        os.kill(second, signal.SIGKILL)
    assert ended
