"""Estimated throughput: the fastest part of the trial counts, and a slow part is tried once."""

from __future__ import annotations

import numpy as np
import pytest

from fastlm.config import ModelConfig, TrainingConfig
from fastlm.training import speed_probe as speed

MODEL = ModelConfig(vocab=9, context=2, embed=3, hidden=(4,))
WIDER = ModelConfig(vocab=9, context=2, embed=3, hidden=(8,))
TRAINING = TrainingConfig(batch=16, minutes=3)


@pytest.mark.parametrize(
    ("seconds", "best", "calls"),
    [
        ([0.3, 0.5, 0.2, 0.4], 0.2, 4),  # a second holds three more
        ([0.15, 0.2, 0.2, 0.1, 0.3, 0.01], 0.1, 5),
        ([7.0, 1.0], 7.0, 1),
    ],
)
def test_the_fastest_part_counts(monkeypatch, seconds, best, calls):
    left = list(seconds)
    monkeypatch.setattr(speed, "_seconds", lambda engine, steps: left.pop(0))
    probe = speed.SpeedProbe(np.arange(200) % 9)
    assert probe(MODEL, TRAINING) == pytest.approx(2 * 16 / best)
    assert len(seconds) - len(left) == calls


def test_other_sizes_follow_from_their_operations():
    probe = speed.SpeedProbe(np.arange(200) % 9)
    rate = probe(MODEL, TrainingConfig(batch=16))
    assert rate > 0
    assert probe(WIDER, TrainingConfig(batch=16)) == pytest.approx(rate / 2)
