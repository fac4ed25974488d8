"""Settings in messages: keywords in Python, options on the command line."""

from __future__ import annotations

import pytest

from fastlm.wording import as_options, setting


@pytest.mark.parametrize(
    ("name", "value", "keyword", "option"),
    [
        ("lr", 0.5, "lr=0.5", "--lr 0.5"),
        ("valid", None, "valid", "--valid"),
        ("checkpoint_every", "5m", "checkpoint_every='5m'", "--checkpoint-every 5m"),
        ("resume", True, "resume=True", "--resume"),
        ("overwrite", True, "overwrite=True", "--force"),
        ("cache", False, "cache=False", "--no-cache"),
    ],
)
def test_a_setting_is_named_as_its_caller_writes_it(
    name: str, value: object, keyword: str, option: str
) -> None:
    assert setting(name, value) == keyword
    with as_options():
        assert setting(name, value) == option
    assert setting(name, value) == keyword


def test_an_error_ends_the_wording() -> None:
    with pytest.raises(ValueError, match="stop"), as_options():
        raise ValueError("stop")
    assert setting("lr") == "lr"
