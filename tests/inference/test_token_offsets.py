"""The offsets of tokens lead back to the text, whatever is made of it on the way."""

from __future__ import annotations

import numpy as np
import pytest

from fastlm.tokenizers import build_tokenizer
from tests.api.models import TOKENIZERS, make_model

OFFSET_TEXTS = [
    "to be\r\nor not\r\n\r\n\r\n  that is\rthe question\n",
    "\n\n \n",
    "",
    "\r\n\r\nto be",
    "naïve 日本\r\n  \r\nzzz unknown @@\r\n",
    "one line",
]


@pytest.mark.parametrize("documents", ["file", "lines", "paragraphs", "stream"])
@pytest.mark.parametrize(
    "kind", ["char", "word", "whitespace", "byte", "tiny", "bytes without end"]
)
@pytest.mark.parametrize("count_end", [None, True])
def test_offsets_lead_back_to_the_text(monkeypatch, documents, kind, count_end):
    """Each token's characters are the token, in any batches; ``<unk>`` has what was unknown."""
    monkeypatch.setattr("fastlm.inference.batching.PART_CHARS", 4)
    tokenizer = TOKENIZERS[kind]
    if documents == "stream" and kind in ("word", "whitespace"):
        tokenizer = build_tokenizer(kind, ["to be or not that is the question\n"], line_ends=True)
    if count_end and tokenizer.boundary_id is None:
        return
    lm = make_model(tokenizer, documents=documents)
    whole = list(lm.score(OFFSET_TEXTS, return_tokens=True, count_end=count_end))
    for size in (1, 7):
        parts = lm.score(OFFSET_TEXTS, return_tokens=True, count_end=count_end, batch_chars=size)
        for score, other in zip(whole, parts, strict=True):
            np.testing.assert_array_equal(score.token_offsets, other.token_offsets)
    for text, score in zip(OFFSET_TEXTS, whole, strict=True):
        assert score.token_offsets.shape == (score.tokens, 2)
        for id, name, (start, stop) in zip(
            score.token_ids, score.token_strings, score.token_offsets.tolist(), strict=True
        ):
            found = text[start:stop]
            assert 0 <= start <= stop <= len(text)
            if id == tokenizer.boundary_id:
                assert found == ""
            elif found == "":  # the line end that a stream adds to its last line
                assert documents == "stream"
                assert name in ("\n", "<0x0A>", " ")
                assert start == len(text)
            elif name == "<unk>":
                assert found
                assert found not in tokenizer.vocabulary.index
            elif tokenizer.kind == "byte":
                assert tokenizer.decode([id]) in (found, "\ufffd") or found in ("\r\n", "\r")
            elif kind == "tiny":
                assert name == (found if found in tokenizer.vocabulary.index else " ")
            else:
                assert name == found.replace("\r\n", "\n").replace("\r", "\n")
