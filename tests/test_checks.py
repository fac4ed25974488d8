"""The checks of arguments: what is let through, and the words of what is not."""

import math
import sys
from collections import UserDict
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest

from fastlm.checks import (
    check_choice,
    check_flag,
    check_known,
    check_most,
    check_number,
    check_seed,
    check_texts,
    check_whole,
    is_number,
    is_whole,
    one_or_several_texts,
    short_name,
    shown,
    whole_number,
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
        ({"least": 0}, [0, 1.5, sys.float_info.max], [-1e-300, math.inf], "of at least 0"),
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


@pytest.mark.parametrize("value", [np.int64(5), np.uint8(5), np.array(5), np.int32(5)])
def test_numbers_of_numpy_become_those_of_python(value):
    """Today's message: "length is np.int64(5); give a whole number"."""
    for found in (check_whole("x", value, 1), check_seed("x", value), whole_number(value)):
        assert (type(found), found) == (int, 5)
    found = check_number("x", np.int64(value), least=1)
    assert (type(found), found) == (int, 5)


@pytest.mark.parametrize("value", [np.float64(0.5), np.float32(0.5), Fraction(1, 2)])
def test_real_numbers_become_floats(value):
    found = check_number("x", value, above=0, below=1)
    assert (type(found), found) == (float, 0.5)
    assert whole_number(value) is None
    assert whole_number(np.bool_(True)) is None
    with pytest.raises(ConfigError):
        check_number("x", np.float32("nan"), least=0)


def test_a_long_value_is_shown_by_its_beginning():
    assert shown("a" * 100) == "'" + "a" * 39 + "… (102 characters)"
    assert shown(10**5000) == "a number of thousands of digits"
    assert message(check_whole, 10**5000 - 10**5001, 1).startswith("x is a number of thousands")
    assert len(message(check_number, 10**400, least=0)) < 120


def test_the_most():
    check_most("x", 10, 10)
    with pytest.raises(ConfigError, match="x is 11; give a whole number of at most 10"):
        check_most("x", 11, 10)
    with pytest.raises(TokenizerError, match=r"x is 10\.5; give a number of at most 10"):
        check_most("x", 10.5, 10, error=TokenizerError)


def test_flags_and_choices():
    check_flag("x", False)
    assert message(check_flag, 0) == "x is 0; give True or False"
    check_choice("x", "b", iter(["a", "b"]))
    assert message(check_choice, "c", {"a": 1, "b": 2}) == "x is 'c'; choose one of a, b"


def test_an_unknown_setting_gets_the_nearest():
    check_known(["length"], {"length": 1, "seed": 2})
    found = message(lambda name, names: check_known(names, ["seed", "length"]), ["seed", "lenght"])
    assert found == "unknown setting 'lenght'; did you mean 'length'?"
    found = message(lambda name, names: check_known(names, ["seed"]), ["qqq"])
    assert found == "unknown setting 'qqq'; there are seed"
    with pytest.raises(ConfigError, match=r"unknown setting 'qqq'; see help\(train\)"):
        check_known(["qqq"], ["seed"], where="help(train)")
    with pytest.raises(ConfigError, match="unknown setting 'lenth'; did you mean 'length'"):
        check_known(["lenth"], ["seed"], others=["length"])
    with pytest.raises(ConfigError) as caught:
        check_known(["q" * 10_000], ["seed"])
    assert len(str(caught.value)) < 200


def test_a_long_name_loses_its_middle():
    assert short_name("corpus.txt") == "corpus.txt"
    assert short_name("a" * 50 + "b" * 50) == "a" * 38 + "…" + "b" * 38
    assert short_name("a\nb\r\n") == "a b"


@pytest.mark.parametrize("texts", [["a"], (), iter("ab"), (text for text in "ab")])
def test_texts_are_an_iterable(texts):
    check_texts(texts, CorpusError)


class Table:
    """What DataFrames, tables of Arrow and datasets have in common: names of columns."""

    columns = ("text",)

    def __iter__(self):
        return iter(self.columns)


@pytest.mark.parametrize("table", [{"text": ["the king"]}, UserDict(text=["the king"]), Table()])
def test_a_mapping_or_a_table_is_no_list_of_texts(table):
    """Today: one text, "text"."""
    message = "which gives the names of its columns; pass one column, such as data"
    for check in (check_texts, one_or_several_texts):
        with pytest.raises(TokenizerError, match=message):
            check(table, TokenizerError)


def test_the_name_of_a_file_is_no_text(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "corpus.txt").write_text("text")
    (tmp_path / "word").write_text("text")
    message = (
        r"expected text, got the name of a file, 'corpus\.txt'; for what the file holds give Path\("
    )
    for texts in ("corpus.txt", ["corpus.txt"], ("corpus.txt", "b")):
        with pytest.raises(CorpusError, match=message):
            one_or_several_texts(texts, CorpusError)
    with pytest.raises(CorpusError, match="the name of a file"):
        one_or_several_texts("word", CorpusError)
    with pytest.raises(CorpusError, match=r"got the path 'corpus\.txt'; read its text first"):
        one_or_several_texts(Path("corpus.txt"), CorpusError)
    for text in ("", "other.txt", "corpus.txt\n", "a" * 10**6, "a\0b", "corpus.txt was read"):
        assert one_or_several_texts(text, CorpusError) == [text]
    # A word may be the name of a file by chance.
    assert one_or_several_texts(["word", "corpus.txt"], CorpusError) == ["word", "corpus.txt"]


@pytest.mark.parametrize("error", [CorpusError, TokenizerError])
def test_what_are_no_texts(error):
    with pytest.raises(error, match="expected several texts, got one bytes; put it in a list"):
        check_texts(b"text", error)
    with pytest.raises(error, match="expected an iterable of str, got int; pass a list of texts"):
        check_texts(3, error)
