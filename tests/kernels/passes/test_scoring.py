"""Scores of texts against sums in Python."""

from __future__ import annotations

import numpy as np
import pytest

from fastlm_kernels.passes.scoring import sum_texts
from fastlm_kernels.runtime.arguments import Tokens


@pytest.mark.parametrize("unk", [-1, 2])
@pytest.mark.parametrize("cut", [None, 4, 9])
def test_sums_of_texts(unk, cut):
    """Also where a long text is cut: its next part continues it, to the same bits."""
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 4, 25).astype(np.uint16)
    losses, counted = rng.random(20), rng.random(20) < 0.8
    ends = [6, 6, 13, 20]
    nats, known_nats, counts, oov = (np.zeros(4, dtype) for dtype in (float, float, int, int))
    for low, high in ((0, cut or 0), (cut or 0, 20)):
        sum_texts(
            nats, known_nats, counts, oov, losses[low:high], Tokens(ids, 1), counted[low:high],
            np.clip(ends, low, high) - low, 3 + low, unk,
        )  # fmt: skip
    for text, (start, stop) in enumerate(zip([0, *ends], ends, strict=False)):
        taken = [i for i in range(start, stop) if counted[i]]
        known = [i for i in taken if ids[3 + i] != unk]
        assert nats[text] == sum(losses[i] for i in taken)
        assert known_nats[text] == sum(losses[i] for i in known)
        assert (counts[text], oov[text]) == (len(taken), len(taken) - len(known))
