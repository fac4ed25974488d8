"""The kernels' description of a network, and the first position that can be predicted."""

from __future__ import annotations

import numpy as np

from fastlm.config import ModelConfig
from fastlm.engine.network import first_target, network_of


def test_a_network_with_everything():
    model = ModelConfig(
        vocab=20, context=2, embed=3, hidden=(5,), far=(1, 2), cutoffs=(10,), boundary=4
    )
    network = network_of(model)
    assert (network.span, network.depth, network.boundary, network.mean) == (5, 2, 4, 0)
    assert network.cutoffs.tolist() == [10, 20]
    # Oldest first: two tokens of the second pool, one of the first, two near ones. The input is
    # near, near, first pool, second pool.
    assert network.position_offsets.tolist() == [[9, 3], [9, 6], [6, 0], [0, -1], [3, -1]]


def test_the_mean_lies_where_the_first_token_does():
    model = ModelConfig(vocab=5, context=3, embed=4, hidden=(), combine="mean", far=(2,))
    network = network_of(model)
    assert network.boundary == -1
    assert network.position_offsets.tolist() == [[4, 0], [4, 4], [0, -1], [0, -1], [0, -1]]
    assert all(array.flags.c_contiguous for array in network if isinstance(array, np.ndarray))


def test_the_first_target():
    assert first_target(ModelConfig(vocab=5, context=3, far=(2,))) == 5
    assert first_target(ModelConfig(vocab=5, context=3, boundary=0)) == 0
