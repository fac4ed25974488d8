"""What frequencies alone predict, and a run that learns no more than that."""

from __future__ import annotations

import math

import numpy as np
import pytest

from fastlm.callbacks import Callback
from fastlm.config import Config, ModelConfig, TrainingConfig
from fastlm.model.initialization import log_unigram
from fastlm.training.trainer import Trainer
from fastlm.training.validation import unigram_loss


def test_log_unigram():
    logs = log_unigram(np.array([3, 0, 1]))
    assert logs.dtype == np.float32
    np.testing.assert_allclose(np.exp(logs), np.array([3.5, 0.5, 1.5]) / 5.5, rtol=1e-6)


def test_log_unigram_of_nothing_seen_is_even():
    np.testing.assert_allclose(np.exp(log_unigram(np.zeros(4))), 0.25)


def test_the_loss_of_frequencies_is_a_cross_entropy():
    assert unigram_loss(np.array([999_999, 999_999]), np.array([7, 3])) == pytest.approx(
        math.log(2), rel=1e-6
    )
    even, uneven = np.array([50, 50]), np.array([90, 10])
    assert unigram_loss(uneven, uneven) < unigram_loss(even, uneven) < unigram_loss(uneven, even)


class _Notices(Callback):
    def __init__(self):
        self.kinds = []

    def on_notice(self, notice):
        self.kinds.append(notice.kind)
        self.message = notice.message


def train(tokens, documents="file", boundary=None, **settings):
    notices = _Notices()
    model = ModelConfig(vocab=8, context=2, embed=4, hidden=(8,), boundary=boundary)
    training = TrainingConfig(**{"batch": 32, "epochs": 3, "lr": 0.3, **settings})
    config = Config(model=model, training=training, documents=documents)
    Trainer(config, tokens[:-500], tokens[-500:], callbacks=[notices]).fit()
    return notices


def test_a_text_with_nothing_to_learn_is_noticed():
    found = train(np.random.default_rng(3).choice(8, 4000, p=[0.3] + [0.1] * 7))
    assert found.kinds == ["no gain"]
    numbers = [float(word.strip(",:")) for word in found.message.split() if "." in word]
    expected = unigram_loss(np.array([30] + [10] * 7), np.array([30] + [10] * 7))
    assert numbers == pytest.approx([expected, expected], abs=0.1)


def test_documents_ends_that_are_not_measured_are_left_out():
    tokens = np.random.default_rng(3).integers(0, 7, 4000)
    tokens[::10] = 7
    assert train(tokens, boundary=7).kinds == ["no gain"]


@pytest.mark.parametrize("settings", [{}, {"epochs": None, "steps": 20}])
def test_a_text_with_something_to_learn_or_a_run_too_short_to_tell_is_not(settings):
    orderly = np.tile([1, 2, 3, 4, 0, 7, 6, 5], 500)
    assert (
        train(
            orderly if not settings else np.random.default_rng(3).integers(0, 8, 4000), **settings
        ).kinds
        == []
    )
