"""The settings of a request: seeds, and sampling as the kernel takes it."""

from __future__ import annotations

import pytest

from fastlm.errors import ConfigError
from fastlm.inference.generation import kernel_rules, resolve_seed
from fastlm.inference.sampling import Sampling


@pytest.mark.parametrize("seed", [-1, 1.5, "1", True, 2**63])
def test_a_bad_seed_is_refused(seed):
    with pytest.raises(ConfigError, match=f"seed is {seed!r}; give a whole number of at least 0"):
        resolve_seed(seed)


def test_without_a_seed_each_is_new():
    assert resolve_seed(None) != resolve_seed(None)
    assert resolve_seed(0) == 0


def test_kernel_rules_of_settings_left_open_keep_everything():
    assert kernel_rules(Sampling(), 30) == (1.0, 0, 30, 1.0)
    assert kernel_rules(Sampling(temperature=0.5, top_k=40, top_p=0.9), 30) == (2.0, 0, 30, 0.9)
    assert kernel_rules(Sampling(temperature=0), 30).greedy == 1
