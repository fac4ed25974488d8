"""The checks of arguments: what is let through, and the words of what is not."""

import math
import sys

import pytest

from fastlm.checks import (
    check_choice,
    check_flag,
    check_known,
    check_number,
    check_seed,
    check_texts,
    check_whole,
    is_number,
    is_whole,
)
from fastlm.errors import ConfigError, CorpusError, TokenizerError


def message(check, *arguments, **options) -> str:
    with pytest.raises(ConfigError) as caught:
        check("x", *arguments, **options)
    return str(caught.value)


def test_what_is_a_number():
    assert is_whole(0)
    assert is_whole(-(2**70))
    assert not any(map(is_whole, (True, 1.0, "1", None)))
    assert is_number(1.5)
    assert is_number(2)
    assert not any(map(is_number, (False, "1", None, 1j)))


@pytest.mark.parametrize("value", [0, True, 1.0, "1", None])
def test_whole_numbers(value):
    check_whole("x", 1, 1)
    check_whole("x", 2**70, 1)
    assert message(check_whole, value, 1) == f"x is {value!r}; give a whole number of at least 1"


def test_a_whole_number_or_none():
    check_whole("x", None, 1, or_none=True)
    assert message(check_whole, 0, 1, or_none=True, advice=", or none") == (
        "x is 0; give a whole number of at least 1, or none"
    )
    with pytest.raises(TokenizerError, match="x is 0; give"):
        check_whole("x", 0, 1, error=TokenizerError)


@pytest.mark.parametrize("value", [-1, 2**63, True, 1.0, None])
def test_seeds(value):
    check_seed("x", 0)
    check_seed("x", 2**63 - 1)
    expected = f"x is {value!r}; give a whole number of at least 0 and below 2**63, or not"
    assert message(check_seed, value, ", or not") == expected


@pytest.mark.parametrize(
    ("limits", "good", "bad", "words"),
    [
        ({"least": 0}, [0, 1.5, sys.float_info.max], [-1e-300, math.inf, 10**400], "of at least 0"),
        ({"above": 0}, [5e-324, 3], [0, 0.0, -1], "above 0"),
        ({"least": 0, "below": 1}, [0, 0.999], [1, 1.0, -0.1], "of at least 0 and below 1"),
        ({"above": 0, "most": 1}, [1, 0.5], [0, 1.001], "above 0 and at most 1"),
    ],
)
def test_numbers(limits, good, bad, words):
    for value in good:
        check_number("x", value, **limits)
    for value in (*bad, math.nan, -math.inf, True, "1", None):
        assert message(check_number, value, **limits) == f"x is {value!r}; give a number {words}"
    check_number("x", None, or_none=True, **limits)


def test_flags_and_choices():
    check_flag("x", False)
    assert message(check_flag, 0) == "x is 0; give True or False"
    check_choice("x", "b", iter(["a", "b"]))
    assert message(check_choice, "c", {"a": 1, "b": 2}) == "x is 'c'; choose one of a, b"


def test_an_unknown_setting_gets_the_nearest():
    check_known(["length"], {"length": 1, "seed": 2})
    found = message(lambda name, names: check_known(names, ["seed", "length"]), ["seed", "lenght"])
    assert found == "unknown setting 'lenght'; did you mean 'length'? there are length, seed"
    found = message(lambda name, names: check_known(names, ["seed"]), ["qqq"])
    assert found == "unknown setting 'qqq'; there are seed"


@pytest.mark.parametrize("texts", [["a"], (), iter("ab"), (text for text in "ab")])
def test_texts_are_an_iterable(texts):
    check_texts(texts, CorpusError)


@pytest.mark.parametrize("error", [CorpusError, TokenizerError])
def test_what_are_no_texts(error):
    with pytest.raises(error, match="expected several texts, got one bytes; put it in a list"):
        check_texts(b"text", error)
    with pytest.raises(error, match="expected an iterable of str, got int; pass a list of texts"):
        check_texts(3, error)
