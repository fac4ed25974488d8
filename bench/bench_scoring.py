"""Benchmarks of scoring: the kernel by itself, and from text to perplexity and scores.

`inference.py` has other implementations of the same.
"""

from __future__ import annotations

import numpy as np
import pytest

from fastlm.api.language_model import LanguageModel
from fastlm.bench.workloads import initial_params, select_workloads, tokens
from fastlm.config import ModelConfig
from fastlm.engine.losses import position_losses
from fastlm.engine.tokens import token_array
from fastlm.model.initialization import as_if_trained
from fastlm.model.reference_weights import to_mini
from fastlm.reference.mini import cross_entropy_loss
from fastlm.system.resources import available_processors
from fastlm.tokenizers import build_tokenizer

WORKLOAD = select_workloads(["mini-256"])[0]
POSITIONS = 4096
THREADS = sorted({1, available_processors()})


def numpy_loss(contexts: np.ndarray, targets: np.ndarray) -> float:
    """The mean loss, by the reference system."""
    mini = to_mini(initial_params(WORKLOAD), WORKLOAD.model, dtype=np.float32)
    return cross_entropy_loss(mini.forward(contexts)[0], targets)


@pytest.mark.parametrize("by", ["numpy", *(f"fastlm-{threads}" for threads in THREADS)])
def test_position_losses(benchmark, by: str):
    """4,096 positions with Mini's sizes."""
    ids = tokens(WORKLOAD).astype(np.int64)
    positions = np.arange(WORKLOAD.context, WORKLOAD.context + POSITIONS)
    contexts, targets = ids[positions[:, None] + np.arange(-WORKLOAD.context, 0)], ids[positions]
    benchmark.extra_info["tokens"] = POSITIONS
    if by == "numpy":
        benchmark(numpy_loss, contexts, targets)
        return
    arguments = (
        initial_params(WORKLOAD),
        WORKLOAD.model,
        token_array(tokens(WORKLOAD), WORKLOAD.vocab),
        WORKLOAD.context,
        WORKLOAD.context + POSITIONS,
        int(by.removeprefix("fastlm-")),
    )
    found = position_losses(*arguments).mean()
    assert found == pytest.approx(numpy_loss(contexts, targets), rel=1e-4)
    benchmark(position_losses, *arguments)


@pytest.mark.parametrize("threads", THREADS)
def test_evaluate(benchmark, char_model, text, threads: int):
    """Text to perplexity: tokenising and scoring 100,000 characters."""
    part = text[:100_000]
    figures = benchmark(char_model.evaluate, part, threads=threads)
    assert figures.tokens == len(part)


# ---------------------------------------------------------------------------- scores

CHARACTERS, WORDS = 200_000, 60_000


@pytest.fixture(scope="module")
def word_model(smoke) -> LanguageModel:
    """V = 30,000 (smoke: 300), C = 4, E = 128, H = 256, adaptive softmax; units as sparse as those
    of a trained model, which its speed depends on."""
    vocab = 300 if smoke else 30_000
    tokenizer = build_tokenizer("whitespace", [" ".join(f"w{number}" for number in range(vocab))])
    config = ModelConfig(
        vocab=tokenizer.vocab_size,
        context=4,
        embed=128,
        hidden=(256,),
        boundary=tokenizer.boundary_id,
        cutoffs=(vocab // 16, vocab // 5),
    )
    return LanguageModel(config, as_if_trained(config), tokenizer)


@pytest.fixture(params=["characters", "words"])
def scored(request, text, smoke) -> tuple[LanguageModel, str]:
    """A model and its text: English by C = 16, E = 24, H = 256, or words with frequencies of
    1 / (k + 1)."""
    if request.param == "characters":
        return request.getfixturevalue("wide_model"), text[: 2_000 if smoke else CHARACTERS]
    vocab, count = (300, 2_000) if smoke else (30_000, WORDS)
    frequencies = 1 / np.arange(1, vocab + 1)
    drawn = np.random.default_rng(0).choice(vocab, count, p=frequencies / frequencies.sum())
    return request.getfixturevalue("word_model"), " ".join(f"w{number}" for number in drawn)


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("size", [None, 1000, 50])
def test_score(benchmark, scored, size: int | None, threads: int):
    """One text, and the same cut into texts of 1,000 and of 50 characters."""
    lm, text = scored
    size = size or len(text)
    texts = [text[start : start + size] for start in range(0, len(text), size)]
    benchmark.extra_info["tokens"] = sum(lm.tokenizer.encode(each).size for each in texts)
    scores = benchmark(lambda: list(lm.score(texts, threads=threads)))
    assert sum(score.tokens for score in scores) == benchmark.extra_info["tokens"]
