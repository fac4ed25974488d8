"""Messages quote at most 80 characters of what they were given, and are one line of 200."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

import fastlm
from fastlm.tokenizers import build_tokenizer
from tests.api.models import make_model

LONG = "wordwithoutend" * 5000
LINES = "the cat sat on the mat\n" * 5000


def jsonl(folder: Path, record: object) -> Path:
    path = folder / "r.jsonl"
    path.write_text(json.dumps(record) + "\n")
    return path


@pytest.mark.parametrize(
    "wrong",
    [
        lambda folder: fastlm.train(LONG, tokenizer="word", steps=1),
        lambda folder: fastlm.train([LONG[:200]] * 3),
        lambda folder: fastlm.train("x" * 255),
        lambda folder: fastlm.load(LONG),
        lambda folder: fastlm.load(LINES),
        lambda folder: fastlm.train(LINES, tokenizer=LONG),
        lambda folder: fastlm.train(LINES, schedule=LONG),
        lambda folder: fastlm.train(LINES, epochs=LONG),
        lambda folder: fastlm.train(LINES, hidden=LONG),
        lambda folder: fastlm.train(LINES, **{LONG: 1}),
        lambda folder: fastlm.train(LINES, documents=LONG),
        lambda folder: fastlm.train(LINES, preset=LONG),
        lambda folder: fastlm.train(LINES, checkpoint=folder / "c", checkpoint_every=LONG),
        lambda folder: fastlm.train(LINES, callbacks=LONG),
        lambda folder: fastlm.train(LINES, progress=LONG),
        lambda folder: fastlm.train(jsonl(folder, {"key" * 99: "a"}), steps=1),
        lambda folder: fastlm.train(jsonl(folder, {str(n) * 50: "a" for n in range(9)}), steps=1),
        lambda folder: fastlm.train(jsonl(folder, {"text": 3}), field=LONG, steps=1),
        lambda folder: fastlm.prepare(LINES, folder / "s", **{LONG: 1}),
        lambda folder: make_model("mini").perplexity(LONG),
        lambda folder: make_model("mini").generate(LONG),
        lambda folder: make_model("char").neighbors(LONG),
        lambda folder: make_model("char").generate("a", temperature=LONG),
        lambda folder: make_model("char").generate("a", stop=[3]),
        lambda folder: make_model("char").generate("a", **{LONG: 3}),
        lambda folder: make_model("char").evaluate("to be", documents=LONG),
        lambda folder: build_tokenizer(LONG, [LINES]),
        lambda folder: build_tokenizer("word", [LINES], pattern=LONG),
        lambda folder: build_tokenizer("word", [LONG]),
    ],
)
def test_a_long_value_is_cut(tmp_path, wrong):
    with pytest.raises((fastlm.FastlmError, ValueError)) as caught:
        wrong(tmp_path)
    message = str(caught.value).replace(str(tmp_path), "")
    assert len(message) < 200
    assert "\n" not in message
    assert LONG[:81] not in message
