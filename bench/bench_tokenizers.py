"""Benchmarks of tokenizers on 465,000 characters of English; bench_store has larger text."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from fastlm.reference import tiny
from fastlm.reference.mini import TextPreprocessor
from fastlm.tokenizers import (
    TOKENIZER_KINDS,
    CharTokenizer,
    Vocabulary,
    WordTokenizer,
    build_tokenizer,
)

KINDS = [kind for kind in TOKENIZER_KINDS if kind != "bpe" or find_spec("tokenizers")]
kinds = pytest.mark.parametrize("kind", KINDS)


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


@pytest.mark.parametrize("by", ["reference", "fastlm"])
@pytest.mark.parametrize("system", ["tiny", "mini"])
def test_encode_like_the_reference(benchmark, text: str, system: str, by: str):
    """Tiny's characters and Mini's words to ids, by the reference systems and by fastlm: the same
    ids from both."""
    if system == "tiny":
        part = "".join(c for c in text.lower() if c == " " or "a" <= c <= "z")
        ours, reference = CharTokenizer.tiny(), tiny.encode
    else:
        part = "".join(c for c in text.lower() if c.isascii())
        words = TextPreprocessor(part)
        vocabulary = Vocabulary(tuple(words.vocabulary), None, None)
        ours, reference = WordTokenizer(vocabulary, pattern="mini"), words.text_to_indices
    encode = ours.encode if by == "fastlm" else reference
    benchmark.group = f"{system}'s tokens"
    benchmark.extra_info["characters"] = len(part)
    assert list(benchmark(encode, part)) == reference(part)
