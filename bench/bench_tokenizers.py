"""Benchmarks of tokenizers: 465,000 characters of English, and 9 MB of it as a stream in blocks."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
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
from fastlm.tokenizers.blocks import (
    COUNTED_KINDS,
    block_encoder,
    build_tokenizer_from_counts,
    safe_cut,
    symbol_counter,
)

KINDS = [kind for kind in TOKENIZER_KINDS if kind != "bpe" or find_spec("tokenizers")]
BLOCK = 1 << 20

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


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("documents", ["file", "lines"])
@kinds
def test_stream(benchmark, text: str, kind: str, documents: str, threads: int, smoke: bool):
    """The whole way from bytes to ids, the counting pass included; `bpe` without its training."""
    stream = text.encode() * (1 if smoke or kind == "bpe" else 20)
    given = None if kind in COUNTED_KINDS else build_tokenizer(kind, [text])
    benchmark.extra_info["bytes"] = len(stream)
    benchmark.extra_info["MB_per_s"] = 0.0

    def run() -> int:
        tokenizer = given
        if tokenizer is None:
            counters = [
                symbol_counter(kind, documents=documents, total=len(stream)) for _ in range(threads)
            ]
            share([counter.add for counter in counters], blocks(stream, kind, documents))
            for counter in counters[1:]:
                counters[0].merge(counter)
            tokenizer = build_tokenizer_from_counts(kind, counters[0].counts())
        encoders = [block_encoder(tokenizer, documents, total=len(stream)) for _ in range(threads)]
        ids = share([e.encode for e in encoders], blocks(stream, tokenizer, documents))
        return sum(part.size for part in ids)

    assert benchmark(run) > 0
    if benchmark.stats:
        rate = len(stream) / benchmark.stats.stats.min / 1e6
        benchmark.extra_info["MB_per_s"] = round(rate, 1)


def blocks(stream: bytes, source, documents: str) -> Iterator[bytes]:
    start = 0
    while start < len(stream):
        block = stream[start : start + BLOCK]
        cut = safe_cut(source, documents, block, final=start + BLOCK >= len(stream))
        yield block[:cut]
        start += cut


def share(workers: list[Callable], parts: Iterable[bytes]) -> list:
    """Give the parts to the workers, one thread each; return their results."""
    queue = deque(parts)

    def work(worker: Callable) -> list:
        made = []
        while True:
            try:
                part = queue.popleft()
            except IndexError:
                return made
            made.append(worker(part))

    with ThreadPoolExecutor(len(workers)) as pool:
        return [item for made in pool.map(work, workers) for item in made]
