"""Ctrl-C while kernels are compiled: seen by frames, and the end of the process."""

from __future__ import annotations

import gc
import os
import signal
import subprocess
import sys
import threading
import time
import weakref

import pytest

from fastlm.system.interrupts import is_compiling, watch_interrupts

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs SIGINT")

# A module named like Numba's takes the place of the compiler.
_PROGRAM = """
import sys, time
from fastlm.system.interrupts import watch_interrupts
from fastlm.system.signals import signals_stop

def compiler():
    print("ready", flush=True)
    stop = time.monotonic() + 20
    while time.monotonic() < stop:
        try:
            time.sleep(0.01)
        except BaseException:  # as it happens in Numba: the exception is lost
            print("an exception", flush=True)

def command():
    space = {"__name__": "numba.core.compiler" if "compile" in sys.argv else "mine"}
    exec("def work(function): function()", space)
    space["work"](compiler)

losing = "losing" in sys.argv
def told():
    print("compiling", file=sys.stderr, flush=True)

with watch_interrupts(told if "tell" in sys.argv else None), signals_stop(
    lambda reason: print(reason, flush=True), lambda: False, lambda: losing
):
    command()
"""


def start(*words):
    return subprocess.Popen(
        [sys.executable, "-c", _PROGRAM, *words], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def end(process, presses):
    with process:
        assert process.stdout.readline() == b"ready\n"
        begun = time.monotonic()
        for _ in range(presses):
            process.send_signal(signal.SIGINT)
            time.sleep(0.3)
        out, err = process.communicate(timeout=15)
        return process.returncode, out.decode(), err.decode(), time.monotonic() - begun


def test_it_ends_at_once_while_kernels_are_compiled():
    code, out, err, seconds = end(start("compile"), 1)
    assert (code, err) == (130, "")
    assert "an exception" not in out
    assert seconds < 5


def test_work_that_would_be_lost_is_not():
    """The first press asks to stop, the second ends."""
    code, out, err, _ = end(start("compile", "losing"), 2)
    assert (code, err) == (130, "")
    assert out.startswith("interrupted\n")


def test_a_second_press_ends_whatever_is_done():
    assert end(start(), 2)[0] == 130


def test_what_is_waited_for_is_told_once():
    process = start("compile", "tell")
    with process:
        assert process.stdout.readline() == b"ready\n"
        assert process.stderr.readline() == b"compiling\n"
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=15)[1] == b""


def test_the_frames_of_the_compiler():
    seen = []
    space = {"__name__": "numba.core.dispatcher"}
    exec("def work(function): function()", space)
    space["work"](lambda: seen.append(is_compiling(sys._getframe())))
    seen.append(is_compiling(sys._getframe()))
    assert seen == [True, False]


def test_handlers_are_as_before_and_threads_gone():
    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt), watch_interrupts(None):
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is before
    deadline = time.monotonic() + 5
    while "fastlm-interrupts" in [thread.name for thread in threading.enumerate()]:
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_outside_the_main_thread_nothing_changes():
    before, within = signal.getsignal(signal.SIGINT), []

    def work():
        with watch_interrupts(None):
            within.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert within == [before]


def test_no_frame_outlives_its_function():
    class Large:
        pass

    def work():
        large = Large()
        time.sleep(0.6)  # the watcher looks twice
        return weakref.ref(large)

    gc.disable()
    try:
        with watch_interrupts(None):
            assert work()() is None
    finally:
        gc.enable()
