"""JSON values: what a schema lets through, what it says of the rest, and numbers JSON has not."""

import contextlib
import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastlm.checks import shown
from fastlm.errors import ModelFileError, StoreError
from fastlm.system.json_values import (
    ANY,
    FLAG,
    LIST,
    NUMBER,
    NUMBER_OR_NULL,
    OBJECT,
    PAIR,
    TEXT,
    WHOLE,
    finite_or_none,
    finite_values,
    one_of,
    or_null,
    parse_json,
    read_object,
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=2), inner),
    max_leaves=5,
)


@pytest.mark.parametrize(
    ("kind", "good", "bad"),
    [
        (ANY, [None, 3, {}], []),
        (WHOLE, [0, 2**62 - 1], [-1, 2**62, 1.0, True, None, "1"]),
        (NUMBER, [0, -1.5, 2**63 - 1], [2**63, 10**400, math.nan, math.inf, True, None, "1"]),
        (TEXT, ["", "a"], [None, 1, ["a"]]),
        (FLAG, [True, False], [0, 1, None, "true"]),
        (LIST, [[], [1]], [None, {}, "ab"]),
        (OBJECT, [{}, {"a": 1}], [None, [], "{}"]),
        (one_of("a", "b"), ["a", "b"], ["c", None, ["a"], {}]),
        (or_null(WHOLE), [0, None], [-1, "1", math.nan]),
    ],
)
def test_kinds(kind, good, bad):
    for value in good:
        assert read_object({"x": value}, "it", {"x": kind}, ModelFileError) == {"x": value}
    for value in bad:
        with pytest.raises(ModelFileError) as caught:
            read_object({"x": value}, "it", {"x": kind}, ModelFileError)
        assert str(caught.value) == f"it has x {shown(value)}, not {kind.words}"


def test_kinds_that_are_read_as_something_else():
    kinds = {"pair": PAIR, "loss": NUMBER_OR_NULL}
    values = read_object({"pair": [1, 2.5], "loss": None}, "it", kinds, ModelFileError)
    assert values["pair"] == (1, 2.5)
    assert math.isnan(values["loss"])
    for pair in ([1], [1, 2, 3], [1, "2"], (1, 2), None):
        with pytest.raises(ModelFileError, match="not two numbers"):
            read_object({"pair": pair, "loss": 1.0}, "it", kinds, ModelFileError)


@pytest.mark.parametrize(
    ("form", "message"),
    [
        ([1], "its run is not a JSON object"),
        (None, "its run is not a JSON object"),
        ({}, "its run lacks 'a'"),
        ({"a": 1, "c": 2}, "its run has a key 'c' that this version of fastlm does not know"),
    ],
)
def test_objects_that_are_not_as_they_should_be(form, message):
    for error in (ModelFileError, StoreError):
        with pytest.raises(error) as caught:
            read_object(form, "its run", {"a": ANY, "b": ANY}, error, optional=["b"])
        assert str(caught.value) == message


def test_optional_keys_and_others():
    kinds = {"a": WHOLE, "b": WHOLE}
    assert read_object({"a": 1}, "it", kinds, ModelFileError, optional=["b"]) == {"a": 1}
    form = {"a": 1, "b": 2, "c": "more"}
    assert read_object(form, "it", kinds, ModelFileError, others=True) == form


@given(JSON)
def test_an_object_is_read_or_refused(form):
    kinds = {"a": WHOLE, "b": NUMBER_OR_NULL, "": PAIR}
    with contextlib.suppress(ModelFileError):
        read_object(form, "it", kinds, ModelFileError, optional=["a", "b", ""])


def test_numbers_that_json_has_not_become_null():
    values = finite_values({"a": math.nan, "b": -math.inf, "c": 1.5, "d": None, "e": "nan", "f": 2})
    assert values == {"a": None, "b": None, "c": 1.5, "d": None, "e": "nan", "f": 2}
    assert json.loads(json.dumps(values, allow_nan=False)) == values
    assert finite_or_none(math.inf) is None
    assert finite_or_none(0.5) == 0.5


@given(JSON)
def test_what_json_writes_is_parsed(value):
    text = json.dumps(value)
    for form in (text, text.encode()):
        assert json.dumps(parse_json(form)) == text


def test_brackets_in_strings_are_no_lists():
    symbols = ["[", "{", '[{"', "\\[", '\\"['] * 40_000
    assert parse_json(json.dumps(symbols)) == symbols
    merges = [[f"{number:04x}", "["] for number in range(60_000)]
    assert parse_json(json.dumps(merges, separators=(",", ":"))) == merges


@pytest.mark.parametrize(
    "text", ["[" * 100_000, "9" * 5000, "[" + "[]," * 100_000 + "0]", '["', b"\xff", "", "[1,]"]
)
def test_what_is_not_parsed_is_a_value_error(text):
    with pytest.raises(ValueError, match=r"."):
        parse_json(text)
