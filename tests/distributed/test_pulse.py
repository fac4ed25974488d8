"""A rank that says nothing is named, once; one that tells is not."""

from __future__ import annotations

import threading
import time

from fastlm.distributed.pulse import Pulse


class Beats:
    """Beats of ranks that answer as long as they are in ``there``."""

    def __init__(self, there):
        self.there, self.sent = set(there), []

    def send(self, rank):
        self.sent.append(rank)

    def received(self):
        return set(self.there)


def test_a_silent_rank_is_named():
    said, done = [], threading.Event()
    beats = Beats([0, 2])
    pulse = Pulse(beats, 1, 4, lambda text: (said.append(text), done.set()), 0.2, 0.01)
    pulse.start()
    assert done.wait(10)
    pulse.stop()
    assert len(said) == 1
    assert said[0].startswith("rank 3 has not answered for 0.2 s; resume from the checkpoint")
    assert set(beats.sent) == {0, 2, 3}


def test_ranks_that_tell_are_left_alone():
    said = []
    pulse = Pulse(Beats([0, 2]), 1, 3, said.append, 0.05, 0.01)
    pulse.start()
    time.sleep(0.3)
    pulse.stop()
    assert said == []
