"""What is said where scores cannot mean much, and that it is said once."""

from __future__ import annotations

import numpy as np
import pytest

from fastlm.inference.caution import Caution
from fastlm.model.seen import Seen
from fastlm.tokenizers import build_tokenizer
from tests.inference.models import make_model, model_of


def told(lm, texts, **options):
    caution = Caution(lm.text_model)
    scores = list(lm.score(texts))
    caution.add(texts, [score.tokens for score in scores], sum(score.oov for score in scores))
    found = caution.message(**({"at_end": True} | options))
    assert found is None or len(found) < 200
    assert caution.message(at_end=True) is None or found is None
    return found


def test_text_of_the_models_kind_is_fine():
    assert told(make_model(), ["the cat sat on a mat", "and the dog"]) is None
    assert told(make_model("word"), ["the cat sat on a mat"]) is None
    assert told(make_model(), []) is None
    assert told(make_model(), ["", None][:1]) is None


@pytest.mark.parametrize("kind", ["char", "word"])
def test_unknown_tokens(kind):
    found = told(make_model(kind), ["the cat sat xyz qqq ffff kkkk"])
    assert "of the tokens are unknown to the model's vocabulary" in found
    assert found.split("%")[0].isdigit()


@pytest.mark.parametrize(
    ("text", "script"), [("Привет, мир", "Cyrillic"), ("γεια σου κοσμε", "Greek")]
)
def test_another_script(text, script):
    for kind in ("char", "word"):
        assert f"most letters of the text are {script}" in told(make_model(kind), [text])
    lm = make_model("byte")
    seen = np.zeros(lm.config.vocab, dtype=np.bool_)
    seen[lm.tokenizer.encode("the cat sat on a mat, and the dog")] = True
    lm.seen = Seen(seen)
    assert told(lm, ["the cat and the dog"]) is None
    assert f"did not occur in the model's training ({script} letters)" in told(lm, [text])


def test_two_scripts_in_the_vocabulary():
    lm = model_of(build_tokenizer("char", ["the cat", "кот сидел"]))
    assert told(lm, ["кот сидел"]) is None


def test_texts_shorter_than_the_context():
    short = make_model(context=20)
    assert "shorter than the model's context of 20 tokens" in told(short, ["the cat", "a dog"])
    assert told(short, ["the cat", "the cat sat on a mat and the dog"]) is None
    assert told(make_model(context=20, documents="lines"), ["the cat"]) is None


def test_it_waits_for_enough_and_speaks_once():
    lm = make_model()
    assert told(lm, ["qqqq"] * 10, at_end=False) is None
    caution = Caution(lm.text_model)
    caution.add(["qqqq"] * 300, [4] * 300, 1200)
    assert "100% of the tokens are unknown" in caution.message()
    assert caution.message(at_end=True) is None
