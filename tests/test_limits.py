"""The table of limits: every number of the configurations is in it, and what it lets through."""

import numpy as np
import pytest

from fastlm.checks import is_number
from fastlm.config import ModelConfig, TrainingConfig
from fastlm.errors import ConfigError, TokenizerError
from fastlm.limits import LIMITS, check_setting

# Not numbers, or with a check of their own.
OTHERS = {"combine", "bias", "schedule", "shuffle", "init", "seed"}


def test_every_number_of_the_configurations_is_in_the_table():
    fields = {*ModelConfig.__dataclass_fields__, *TrainingConfig.__dataclass_fields__}
    assert fields - OTHERS <= LIMITS.keys()


@pytest.mark.parametrize("name", LIMITS)
def test_no_setting_is_unbounded(name):
    limit = LIMITS[name]
    assert limit.most is not None or limit.below is not None
    for value in (10**4000, -(10**4000), 1e308, float("inf"), float("nan"), "1", True, b"", []):
        with pytest.raises(ConfigError, match=f"^{name} is "):
            check_setting(name, value)


@pytest.mark.parametrize("name", LIMITS)
def test_the_ends_are_allowed_and_become_numbers_of_python(name):
    limit = LIMITS[name]
    for end in (limit.least, limit.most):
        if end is not None:
            value = np.int64(end) if limit.whole else np.float64(end)
            found = check_setting(name, value)
            assert is_number(found)
            assert (type(found) in (int, float), found) == (True, end)
    if limit.or_none:
        assert check_setting(name, None) is None


def test_the_error_is_of_the_kind_that_is_asked_for():
    with pytest.raises(TokenizerError, match="max_vocab is 0; give a whole number of at least 1"):
        check_setting("max_vocab", 0, error=TokenizerError)
    with pytest.raises(TokenizerError, match=r"max_vocab is .*; give a whole number of at most"):
        check_setting("max_vocab", 2**31, error=TokenizerError)
