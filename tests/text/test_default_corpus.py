"""The corpus that ships with Python."""

from __future__ import annotations

import sys
from types import ModuleType

import pytest

from fastlm.errors import CorpusError
from fastlm.text.default_corpus import default_corpus


def stand_in(topics: object) -> ModuleType:
    module = ModuleType("pydoc_data.topics")
    module.topics = topics  # type: ignore[attr-defined]
    return module


def test_it_is_a_large_english_text() -> None:
    text = default_corpus()
    assert len(text) > 200_000
    assert text.count(" the ") > 1000
    assert "\r" not in text
    assert text == default_corpus()


def test_topics_are_sorted_and_joined_with_a_blank_line(monkeypatch: pytest.MonkeyPatch) -> None:
    topics = {"b": "\nsecond\r\nline\n\n", "a": "first\n", "c": "\n"}
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", stand_in(topics))
    assert default_corpus() == "first\n\nsecond\nline\n"


@pytest.mark.parametrize("module", [None, ModuleType("no topics"), stand_in({})])
def test_a_python_without_it(module: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", module)  # type: ignore[arg-type]
    with pytest.raises(CorpusError, match=r"ships without its documentation.*name a text file"):
        default_corpus()
