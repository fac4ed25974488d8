"""Whether the other ranks are there: each tells all others every second, in a thread of its own.

A rank that computes or waits for long still tells. One that was killed, is stopped, or cannot be
reached does not, and after some seconds the run ends, with a line that names it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

__all__ = ["SILENCE", "Beats", "Pulse"]

SILENCE = 15.0
"""Seconds after which a rank that says nothing is given up."""

_EVERY = 0.5  # seconds between two beats


class Beats(Protocol):
    """How beats come and go."""

    def send(self, rank: int) -> None:
        """Send one to a rank, without waiting."""

    def received(self) -> set[int]:
        """Return the ranks from which any has come since the last call."""


class Pulse:
    """Watches the other ranks of a run.

    Parameters
    ----------
    beats : Beats
    rank, size : int
        This rank, and the number of ranks.
    lost : callable
        Called, in the thread, with a message that names a silent rank.
    silence : float
        Seconds.
    every : float
        Seconds between two beats.
    """

    def __init__(
        self,
        beats: Beats,
        rank: int,
        size: int,
        lost: Callable[[str], None],
        silence: float = SILENCE,
        every: float = _EVERY,
    ) -> None:
        self._beats = beats
        self._others = [other for other in range(size) if other != rank]
        self._lost = lost
        self._silence = silence
        self._every = every
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="fastlm-pulse", daemon=True)

    def start(self) -> None:
        """Start to tell and to watch."""
        self._thread.start()

    def stop(self) -> None:
        """Stop both; the others have to do so, too."""
        self._stopped.set()
        self._thread.join()

    def _watch(self) -> None:
        heard = dict.fromkeys(self._others, time.monotonic())
        last = time.monotonic()
        while not self._stopped.wait(self._every):
            now = time.monotonic()
            if now - last > self._silence / 2:  # this process itself was stopped
                heard = dict.fromkeys(self._others, now)
            last = now
            for rank in self._others:
                self._beats.send(rank)
            heard |= dict.fromkeys(self._beats.received(), now)
            silent = [rank for rank in self._others if now - heard[rank] > self._silence]
            if silent:
                self._lost(
                    f"rank {silent[0]} has not answered for {self._silence:g} s; resume from the "
                    "checkpoint once it can be reached"
                )
                return
