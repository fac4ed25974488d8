"""The page of a model: facts, quality and curve, escaped, whatever a file says."""

from __future__ import annotations

from xml.etree import ElementTree

import fastlm
from fastlm.api.model_page import model_page, quality_of
from tests.api.models import make_model


def texts(page):
    return [cell.text for cell in ElementTree.fromstring(f"<div>{page}</div>").iter("td")]


def test_a_trained_model_shows_its_quality():
    lm = fastlm.train(
        "the cat sat on the mat\n" * 60, valid=0.2, steps=40, valid_every=0.2, context=3, embed=3,
        hidden=4, batch=16, documents="lines",
    )  # fmt: skip
    page = lm._repr_html_()
    assert "validation perplexity" in texts(page)
    assert "<svg" in page
    assert "lines" in texts(page)
    assert "documents='lines'" in repr(lm)
    assert f"validation perplexity={quality_of(lm.details):.4g}" in repr(lm)
    assert "validation perplexity" in texts(lm.result._repr_html_())


def test_one_that_was_not_trained_does_not():
    lm = make_model("word")
    assert "perplexity" not in lm._repr_html_() + repr(lm)
    assert "<svg" not in lm._repr_html_()


def test_a_file_may_say_anything():
    details = {"corpus": "<script>", "step": "many", "valid_loss": None, "history": 3}
    page = model_page("<b>", {"a": "<i>", "b": None}, details)
    assert "<script>" not in page
    assert texts(page) == ["a", "<i>", "trained on", "<script>"]
    assert quality_of({"valid_loss": 1e9}) == float("inf")
