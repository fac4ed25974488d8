"""Benchmarks of generation: one text, many at once, a stream, and the reference systems.

`inference.py` has other implementations of the same.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from fastlm.api.language_model import LanguageModel
from fastlm.bench.workloads import Workload, initial_params, select_workloads
from fastlm.model.reference_weights import to_mini, to_tiny
from fastlm.reference import tiny
from fastlm.system.resources import available_processors
from fastlm.tokenizers import CharTokenizer, Tokenizer, Vocabulary, WhitespaceTokenizer

Writer = Callable[[int], list[int]]
"""From a number of tokens to the ids of the prompt and of the generated tokens."""

LENGTH = 200

HOW = [{}, {"greedy": True}, {"temperature": 0.8}, {"top_k": 10}, {"top_p": 0.9}]

THREADS = sorted({1, available_processors()})


@pytest.mark.parametrize("options", HOW, ids="-".join)
def test_one_text(benchmark, wide_model, smoke, options: dict):
    """2,000 characters, C=16, E=24, H=256."""
    length = 20 if smoke else 2000
    benchmark.extra_info["tokens"] = length
    text = benchmark(wide_model.generate, "The ", length=length, seed=0, **options)
    assert len(text) == len("The ") + length


@pytest.mark.parametrize("options", HOW, ids="-".join)
@pytest.mark.parametrize("threads", THREADS)
def test_256_texts(benchmark, wide_model, smoke, threads: int, options: dict):
    """256 texts of 200 characters at once, C=16, E=24, H=256, from prompt to text."""
    length = 4 if smoke else LENGTH
    benchmark.extra_info["tokens"] = 256 * length
    texts = benchmark(
        wide_model.sample, 256, "The ", length=length, seed=0, threads=threads, **options
    )
    assert len(texts) == 256


def test_stream(benchmark, wide_model, smoke):
    """2,000 characters one by one, C=16, E=24, H=256."""
    length = 20 if smoke else 2000
    benchmark.extra_info["tokens"] = length
    assert len(benchmark(lambda: list(wide_model.stream(length=length, seed=0)))) == length


@pytest.mark.parametrize("options", HOW[1:], ids="-".join)
def test_generate(benchmark, char_model, options: dict):
    """200 characters, default model."""
    text = benchmark(char_model.generate, "The ", length=LENGTH, seed=0, **options)
    assert len(text) > len("The ")


# ---------------------------------------------------------------------------- reference systems

TINY, MINI = select_workloads(["tiny-1", "mini-1"])
PROMPT = [1, 2, 3, 4, 5]


def by_fastlm(workload: Workload) -> Writer:
    tokenizer: Tokenizer
    if workload is TINY:
        tokenizer, space = CharTokenizer.tiny(), ""
    else:
        words = tuple(f"w{id}" for id in range(workload.vocab))
        tokenizer, space = WhitespaceTokenizer(Vocabulary(words, None, None)), " "
    lm = LanguageModel(workload.model, initial_params(workload), tokenizer)
    prompt = tokenizer.decode(np.array(PROMPT))

    def write(length: int) -> list[int]:
        text = lm.generate(prompt + space, length=length, greedy=True)
        return tokenizer.encode(text).tolist()

    return write


def by_reference(workload: Workload) -> Writer:
    """Generate by the reference systems: pure Python for Tiny, NumPy for Mini."""
    if workload is TINY:
        weights, prompt = to_tiny(initial_params(workload), workload.model), tiny.decode(PROMPT)
        return lambda length: tiny.encode(tiny.generate_text(prompt, weights, length))
    mini = to_mini(initial_params(workload), workload.model, dtype=np.float32)

    def write(length: int) -> list[int]:
        ids = list(PROMPT)
        for _ in range(length):
            ids.append(int(mini.forward(ids[-workload.context :])[0].argmax()))
        return ids

    return write


WRITERS: dict[str, Callable[[Workload], Writer]] = {
    "reference": by_reference,
    "fastlm": by_fastlm,
}


@pytest.mark.parametrize("by", WRITERS)
@pytest.mark.parametrize("workload", [TINY, MINI], ids=["tiny", "mini"])
def test_same_text(benchmark, workload: Workload, by: str, smoke: bool):
    """200 tokens, the most probable one each time: all implementations generate the same."""
    length = 20 if smoke else LENGTH
    write = WRITERS[by](workload)
    benchmark.group = f"{workload.name}, {length} tokens"
    benchmark.extra_info["tokens"] = length
    assert benchmark(write, length) == by_reference(workload)(length)
