"""The source of a corpus, recorded and read again."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest

from fastlm.data.dataset import build_dataset
from fastlm.data.reread import GIVEN, describe_source, reading_of, reread_tokens, source_of
from fastlm.errors import ConfigError
from fastlm.text.decoding import Reading
from fastlm.tokenizers.spec import TokenizerSpec

HERE = os.path.abspath("a.txt")


@pytest.mark.parametrize(
    ("corpus", "valid", "texts", "expected"),
    [
        (None, None, False, {"corpus": None, "valid": None}),
        ("a.txt", 0.1, False, {"corpus": [HERE], "valid": 0.1}),
        ([Path("a.txt"), HERE], "a.txt", False, {"corpus": [HERE, HERE], "valid": [HERE]}),
        ("-", 0, False, {"corpus": GIVEN, "valid": 0}),
        (["a.txt", "-"], "-", False, {"corpus": GIVEN, "valid": GIVEN}),
        (None, None, True, {"corpus": GIVEN, "valid": None}),
    ],
)
def test_what_is_recorded_is_found_again(corpus, valid, texts, expected):
    recipe = describe_source(corpus, valid, texts=texts)
    assert recipe == json.loads(json.dumps(recipe)) == expected
    saved = {"recipe": recipe, "description": "some text"}
    for name, source in expected.items():
        if source == GIVEN:
            with pytest.raises(ConfigError, match=rf"does not say where its {name} text is \(some"):
                source_of(saved, name, "c")
        else:
            found = source_of(saved, name, "c")
            # Paths: beside texts in memory a str would be text.
            assert found == ([Path(one) for one in source] if isinstance(source, list) else source)


@pytest.mark.parametrize("recipe", [None, {}, {"corpus": 0.5}, {"corpus": [3]}, {"corpus": "x"}])
def test_a_checkpoint_that_does_not_say(recipe):
    with pytest.raises(ConfigError, match=r"c does not say .*; give the corpus again to resume"):
        source_of({"recipe": recipe, "description": "texts"}, "corpus", "c")


def test_how_files_are_read():
    assert reading_of({"recipe": None}) == Reading()
    assert reading_of({"recipe": {"reading": [1]}}) == Reading()
    form = {"errors": "replace", "field": "body", "of a newer version": 1}
    assert reading_of({"recipe": {"reading": form}}) == Reading(errors="replace", field="body")


def test_the_tokens_are_those_of_before(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"body": "one line"}\n{"body": "two lines"}\n' * 20)
    reading = Reading(field="body")
    dataset = build_dataset(
        tmp_path / "a.jsonl", TokenizerSpec(kind="word"), valid=0.3, documents="lines",
        reading=reading,
    )  # fmt: skip
    recipe = describe_source(tmp_path / "a.jsonl", 0.3, texts=False)
    corpus = {"recipe": recipe | {"reading": {"field": "body"}}, "description": ""}
    train, valid = reread_tokens(corpus, dataset.tokenizer, "lines", tmp_path / "c")
    np.testing.assert_array_equal(train, dataset.train)
    np.testing.assert_array_equal(valid, dataset.valid)
