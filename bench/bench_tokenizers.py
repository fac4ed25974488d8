"""Text to ids and back: 465,000 characters of English."""

from __future__ import annotations

import pytest

from fastlm.tokenizers import TOKENIZER_KINDS, build_tokenizer

kinds = pytest.mark.parametrize("kind", TOKENIZER_KINDS)


@kinds
def test_build(benchmark, text: str, kind: str):
    assert benchmark(build_tokenizer, kind, [text]).vocab_size > 1


@kinds
def test_encode(benchmark, text: str, kind: str):
    tokenizer = build_tokenizer(kind, [text])
    benchmark.extra_info["characters"] = len(text)
    assert benchmark(tokenizer.encode, text).size > 0


@kinds
def test_decode(benchmark, text: str, kind: str):
    tokenizer = build_tokenizer(kind, [text])
    ids = tokenizer.encode(text)
    decoded = benchmark(tokenizer.decode, ids)
    assert decoded.split() == text.split() or kind in ("word", "whitespace")
