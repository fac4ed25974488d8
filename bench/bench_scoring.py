"""Benchmarks of scoring: the kernel by itself, and from text to perplexity and scores."""

from __future__ import annotations

import numpy as np
import pytest

from fastlm.api.language_model import LanguageModel
from fastlm.bench.torch_steps import adaptive_softmax
from fastlm.bench.workloads import initial_params, select_workloads, tokens
from fastlm.config import ModelConfig
from fastlm.engine.losses import position_losses
from fastlm.engine.tokens import token_array
from fastlm.model.initialization import as_if_trained, scaled_params
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

CHARACTERS = 200_000
TORCH_BATCHES = (256, 1024, 4096, 16384)


@pytest.fixture(scope="module")
def wide_model(char_model: LanguageModel) -> LanguageModel:
    """C = 16, E = 24, H = 256, random weights."""
    tokenizer = char_model.tokenizer
    config = ModelConfig(
        vocab=tokenizer.vocab_size,
        context=16,
        embed=24,
        hidden=(256,),
        boundary=tokenizer.boundary_id,
    )
    return LanguageModel(config, scaled_params(config, 0), tokenizer)


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("size", [None, 1000, 50])
def test_score(benchmark, wide_model, text, smoke, size: int | None, threads: int):
    """200,000 characters as one text, and cut into texts of 1,000 and of 50."""
    part = text[: 2_000 if smoke else CHARACTERS]
    size = size or len(part)
    texts = [part[start : start + size] for start in range(0, len(part), size)]
    benchmark.extra_info["tokens"] = len(part)
    scores = benchmark(lambda: list(wide_model.score(texts, threads=threads)))
    assert sum(score.tokens for score in scores) == len(part)


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("batch", TORCH_BATCHES)
def test_score_by_torch(benchmark, wide_model, text, smoke, batch: int, threads: int):
    """The same model in PyTorch, in inference mode; its best batch is the one to compare with."""
    torch = pytest.importorskip("torch")
    torch.set_num_threads(threads)
    part = text[: 2_000 if smoke else CHARACTERS]
    lm, context = wide_model, wide_model.config.context
    weights = {name: torch.from_numpy(tensor) for name, tensor in lm.tensors.items()}
    ids = lm.tokenizer.encode(part).astype(np.int64)
    padded = torch.from_numpy(np.concatenate((np.full(context, lm.config.boundary), ids)))

    def score() -> float:
        linear = torch.nn.functional.linear
        total = 0.0
        with torch.inference_mode():
            windows = padded.unfold(0, context + 1, 1)
            for start in range(0, len(windows), batch):
                rows = windows[start : start + batch]
                x = weights["embeddings"][rows[:, :context]].flatten(1)
                h = linear(x, weights["hidden.1.weight"].T, weights["hidden.1.bias"]).relu()
                z = linear(h, weights["output.weight"].T, weights["output.bias"])
                found = z.log_softmax(-1).gather(1, rows[:, context:])
                total += float(found.sum(dtype=torch.float64))
        return total

    benchmark.extra_info["tokens"] = len(ids)
    log_prob = benchmark(score)
    assert log_prob == pytest.approx(next(lm.score([part])).log_prob, rel=1e-5)


# ---------------------------------------------------------------------------- words

WORDS = 60_000


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


@pytest.fixture(scope="module")
def words(smoke) -> list[str]:
    """Words with frequencies of 1 / (k + 1)."""
    vocab, count = (300, 2_000) if smoke else (30_000, WORDS)
    shares = 1 / np.arange(1, vocab + 1)
    drawn = np.random.default_rng(0).choice(vocab, count, p=shares / shares.sum())
    return [f"w{number}" for number in drawn]


@pytest.mark.parametrize("threads", THREADS)
def test_score_words(benchmark, word_model, words, threads: int):
    text = " ".join(words)
    benchmark.extra_info["tokens"] = len(words)
    (score,) = benchmark(lambda: list(word_model.score([text], threads=threads)))
    assert score.tokens == len(words)


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("batch", TORCH_BATCHES)
def test_score_words_by_torch(benchmark, word_model, words, batch: int, threads: int):
    """The same model with PyTorch's adaptive softmax, without the time for tokenising."""
    torch = pytest.importorskip("torch")
    torch.set_num_threads(threads)
    lm, context = word_model, word_model.config.context
    weights = {name: torch.from_numpy(tensor) for name, tensor in lm.tensors.items()}
    ids = lm.tokenizer.encode(" ".join(words)).astype(np.int64)
    padded = torch.from_numpy(np.concatenate((np.full(context, lm.config.boundary), ids)))
    parameters = {
        name: torch.nn.Parameter(tensor.T.contiguous() if tensor.ndim == 2 else tensor)
        for name, tensor in weights.items()
    }
    softmax = adaptive_softmax(parameters, 256, lm.config.vocab, lm.config.cutoffs)

    def score() -> float:
        total = 0.0
        with torch.inference_mode():
            windows = padded.unfold(0, context + 1, 1)
            for start in range(0, len(windows), batch):
                rows = windows[start : start + batch]
                x = weights["embeddings"][rows[:, :context]].flatten(1)
                weight, bias = weights["hidden.1.weight"].T, weights["hidden.1.bias"]
                h = torch.nn.functional.linear(x, weight, bias).relu()
                total += float(softmax(h, rows[:, context]).output.sum(dtype=torch.float64))
        return total

    benchmark.extra_info["tokens"] = len(ids)
    log_prob = benchmark(score)
    assert log_prob == pytest.approx(next(lm.score([" ".join(words)])).log_prob, rel=1e-5)
