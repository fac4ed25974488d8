"""Explanations lead back to the text, whatever the tokenizer makes of it."""

from __future__ import annotations

import importlib.util
import json
import math
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastlm.errors import TextError
from fastlm.tokenizers import build_tokenizer
from tests.api.models import TEXT, TOKENIZERS, make_model

KINDS = ["char", "word", "whitespace", "byte", "tiny", "mini", "bytes without end", "lower"]
KINDS += ["bpe"] * (importlib.util.find_spec("tokenizers") is not None)

PIECES = [
    "to be", "question", "zzz@@", " ", "  ", "\n", "\r\n", "\r", "\t", "é", "e\u0301", "日本の",
    "\U0001f600", "\U0001f469\u200d\U0001f469\u200d\U0001f467", "\U0001f1e9\U0001f1ea", "İ", "ẞ",
    "\u0301", "\u200d", "\x00", "<end>", "<unk>", "'tis", "1,000.5", "\ufeff", "\u2028",
]  # fmt: skip


def tokenizer(kind):
    if kind == "lower":
        return build_tokenizer("word", [TEXT], lowercase=True)
    return build_tokenizer("bpe", [TEXT], max_vocab=300) if kind == "bpe" else TOKENIZERS[kind]


@pytest.fixture(scope="module", params=KINDS)
def lm(request):
    return make_model(tokenizer(request.param))


@given(st.lists(st.sampled_from(PIECES) | st.text(max_size=3), max_size=12).map("".join))
@settings(deadline=None, max_examples=40)
def test_spans_are_the_text(lm, text):
    """Spans are in order, apart, and all that is between them was not predicted."""
    try:
        found = lm.explain(text)
    except TextError:  # a lone surrogate, or <end> in a vocabulary that has it
        return
    end = 0
    between = ""
    for span in found.spans:
        assert end <= span.start <= span.stop <= len(text)
        between += text[end : span.start]
        end = span.stop
    between += text[end:]
    if lm.tokenizer.boundary_id is None:  # its first tokens are not predicted
        skipped = min((span.stop for span in found.spans), default=len(text))
        assert len(text[:skipped].encode()) >= min(lm.config.context, len(text))
    elif lm.tokenizer.kind in ("word", "whitespace"):
        # Word patterns know no format characters, such as joiners: these are no tokens.
        assert not any(map(str.isalnum, between))
    else:
        assert between == ""
    assert sum(len(span.tokens) for span in found.spans) == found.score.tokens
    bits = -found.score.log_prob / math.log(2)
    assert found.bits.sum() == pytest.approx(bits, rel=1e-5, abs=1e-5)
    assert "".join(part for part, _ in found.parts()) == text
    assert sum(cost or 0 for _, cost in found.parts()) <= found.bits.sum() * (1 + 1e-9) + 1e-9
    form = json.loads(json.dumps(found.to_dict()))
    assert [each["text"] for each in form["spans"]] == [
        text[each["start"] : each["stop"]] for each in form["spans"]
    ]
    ElementTree.fromstring(found.to_svg())


def test_each_token_is_what_stands_there(lm):
    """Where a token is no part of a character, its span is the token, or it is unknown."""
    text = "to be question 日本" if lm.tokenizer.unk_id is not None else "to be question"
    for span in lm.explain(text).spans:
        if len(span.tokens) == 1 and lm.tokenizer.kind in ("char", "word", "whitespace"):
            there = text[span.start : span.stop]
            assert span.tokens[0] in (there, there.lower(), "<unk>", " ")


def test_a_notebook_shows_it(lm):
    found = lm.explain("to be")
    assert repr(found).startswith("Explanation('to be', perplexity=")
    assert "perplexity" in found._repr_html_()
    assert "to" in "".join(ElementTree.fromstring(found.to_html()).itertext())


def test_the_end_of_a_document_is_a_span_without_text():
    lm = make_model("char", documents="lines")
    last = lm.explain("to be").spans[-1]
    assert (last.start, last.stop, last.tokens) == (5, 5, ["<end>"])


def test_one_text_or_several(tmp_path):
    lm = make_model()
    texts = ["to be", "", "the question"]
    found = list(lm.explain(iter(texts)))
    assert [each.text for each in found] == texts
    assert [each.score.log_prob for each in found] == [each.log_prob for each in lm.score(texts)]
    assert lm.explain("to be").spans == found[0].spans
    path = tmp_path / "a.txt"
    path.write_text("to be", encoding="utf-8")
    assert [each.text for each in lm.explain(path)] == ["to be"]


def test_a_text_that_is_none_comes_after_those_before_it():
    found = make_model().explain(["to be", 3])  # type: ignore[list-item]
    assert next(found).text == "to be"
    with pytest.raises(TextError, match="text 1"):
        next(found)


def test_a_setting_out_of_range_is_told_at_the_call():
    with pytest.raises(Exception, match="threads"):
        make_model().explain(["to be"], threads=0)
