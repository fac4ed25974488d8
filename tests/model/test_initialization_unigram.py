"""Log-frequencies of tokens."""

from __future__ import annotations

import numpy as np

from fastlm.model.initialization import log_unigram


def test_log_unigram():
    logs = log_unigram(np.array([3, 0, 1]))
    assert logs.dtype == np.float32
    np.testing.assert_allclose(np.exp(logs), np.array([3.5, 0.5, 1.5]) / 5.5, rtol=1e-6)


def test_log_unigram_of_nothing_seen_is_even():
    np.testing.assert_allclose(np.exp(log_unigram(np.zeros(4))), 0.25)
