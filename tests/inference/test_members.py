"""The members of a model: each by itself."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from fastlm.engine.tokens import token_array
from fastlm.inference.members import CountMember
from tests.counts.models import tiny_model
from tests.inference.mixtures import make_mixture


@pytest.mark.parametrize("kind", ["counts", "two networks and counts"])
def test_each_member_gives_its_losses_and_its_distribution(kind):
    lm = make_mixture(kind)
    ids = lm.tokenizer.encode("the dog").tolist()
    tokens = token_array(np.array(ids), lm.tokenizer.vocab_size)
    for member in lm.text_model.members:
        losses = member.losses(tokens, 0, len(ids))
        for at, id in enumerate(ids):
            p = member.distribution(ids[:at])
            assert abs(p.sum() - 1) < 1e-6
            assert -np.log(p[id]) == pytest.approx(losses[at], abs=1e-5)


def test_a_count_member_survives_pickling():
    member = CountMember(tiny_model())
    assert member.buckets == 12
    again = pickle.loads(pickle.dumps(member))
    np.testing.assert_array_equal(again.distribution([2, 3]), member.distribution([2, 3]))
