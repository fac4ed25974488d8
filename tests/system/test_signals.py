"""Signals that ask a run to stop, and the second one that does not ask."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from fastlm.system.signals import signals_stop

posix = pytest.mark.skipif(os.name == "nt", reason="Windows ends a process by SIGTERM")


@posix
@pytest.mark.parametrize(
    ("number", "reason"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")]
)
def test_a_signal_asks_to_stop(number, reason):
    before = signal.getsignal(number)
    reasons = []
    with signals_stop(reasons.append, lambda: bool(reasons)):
        os.kill(os.getpid(), number)
        assert reasons == [reason]
    assert signal.getsignal(number) is before


@posix
def test_a_second_interrupt_is_hard():
    before = signal.getsignal(signal.SIGINT)
    reasons = []
    with signals_stop(reasons.append, lambda: bool(reasons)):
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGINT)
    assert reasons == ["terminated"] * 2
    assert signal.getsignal(signal.SIGINT) is before


def test_another_thread_changes_nothing():
    before = signal.getsignal(signal.SIGINT)
    within = []

    def run():
        with signals_stop(lambda reason: None, lambda: False):
            within.append(signal.getsignal(signal.SIGINT))

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    assert within == [before]
