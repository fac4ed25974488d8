"""Scoring and generation beside JAX, ONNX Runtime and KenLM: the same models, tokens a second.

    python bench/inference.py [--rounds 5]

Networks have C = 16, E = 24, H = 256 over characters and C = 4, E = 128, H = 256 over 10,000 words,
with units as sparse as after training. Each peer scores the same tokens in its fastest batch of
three, without the time for tokenising, which fastlm's figures include, and its sum is compared with
ours. Counts are of order 5; KenLM reads them from our ARPA file. All use all processors, but for
KenLM and single streams. The implementations alternate; a figure is the median of the rounds.
"""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

import fastlm
from fastlm.api.export import export
from fastlm.api.language_model import LanguageModel
from fastlm.bench.machine import machine_facts, machine_line
from fastlm.config import ModelConfig
from fastlm.model.initialization import as_if_trained
from fastlm.text.default_corpus import default_corpus
from fastlm.tokenizers import build_tokenizer

Work = Callable[[], float]
"""Does the work once; returns the sum of ln p, or the number of tokens that were generated."""

_BATCHES = (256, 1024, 4096)
_LENGTH = 200


def network(kind: str) -> tuple[LanguageModel, str]:
    """Return a model and the text that it scores."""
    if kind == "characters":
        text = default_corpus()[:200_000]
        tokenizer = build_tokenizer("char", [text])
        shape: dict[str, Any] = {"context": 16, "embed": 24}
    else:
        words = np.array([f"w{number}" for number in range(10_000)])
        tokenizer = build_tokenizer("whitespace", [" ".join(words)])
        shares = 1 / np.arange(1, words.size + 1)
        drawn = np.random.default_rng(0).choice(words, 60_000, p=shares / shares.sum())
        text, shape = " ".join(drawn), {"context": 4, "embed": 128}
    config = ModelConfig(
        vocab=tokenizer.vocab_size, boundary=tokenizer.boundary_id, hidden=(256,), **shape
    )
    return LanguageModel(config, as_if_trained(config), tokenizer), text


def windows(lm: LanguageModel, text: str) -> np.ndarray:
    """Return the contexts and targets of a text, int64[T, C + 1]."""
    start = np.full(lm.config.context, lm.config.boundary)
    padded = np.concatenate((start, lm.tokenizer.encode(text).astype(np.int64)))
    return np.lib.stride_tricks.sliding_window_view(padded, lm.config.context + 1)


def scoring(lm: LanguageModel, text: str) -> dict[str, Work]:
    works = {"fastlm": lambda: float(lm.score_arrays([text]).log_prob[0])}
    rows = np.ascontiguousarray(windows(lm, text))
    for name, scorer in (("JAX", jax_scorer), ("ONNX Runtime", onnx_scorer)):
        score = scorer(lm)
        for batch in _BATCHES:
            works[f"{name}, batch {batch:,}"] = lambda score=score, batch=batch: sum(
                score(rows[start : start + batch]) for start in range(0, len(rows), batch)
            )
    return works


def jax_logits(lm: LanguageModel) -> Callable[[Any, Any], Any]:
    """Return a function from the tensors and contexts int[B, C] to logits [B, V]."""

    def logits(tensors: Any, contexts: Any) -> Any:
        from jax import nn

        x = tensors["embeddings"][contexts].reshape(len(contexts), -1)
        h = nn.relu(x @ tensors["hidden.1.weight"] + tensors["hidden.1.bias"])
        return h @ tensors["output.weight"] + tensors["output.bias"]

    return logits


def jax_scorer(lm: LanguageModel) -> Callable[[np.ndarray], float]:
    import jax
    from jax import nn
    from jax import numpy as jnp

    tensors, logits = jax.device_put(dict(lm.tensors)), jax_logits(lm)

    @jax.jit
    def log_probs(tensors: Any, rows: Any) -> Any:
        z = logits(tensors, rows[:, :-1])
        return jnp.take_along_axis(z, rows[:, -1:], 1)[:, 0] - nn.logsumexp(z, axis=1)

    def score(rows: np.ndarray) -> float:
        return float(np.asarray(log_probs(tensors, rows.astype(np.int32))).sum(dtype=np.float64))

    return score


def onnx_session(lm: LanguageModel) -> Any:
    runtime = importlib.import_module("onnxruntime")
    with tempfile.TemporaryDirectory() as folder:
        export(lm, Path(folder) / "m.onnx", "onnx")
        return runtime.InferenceSession((Path(folder) / "m.onnx").read_bytes())


def onnx_scorer(lm: LanguageModel) -> Callable[[np.ndarray], float]:
    session = onnx_session(lm)

    def score(rows: np.ndarray) -> float:
        (found,) = session.run(["log_probs"], {"contexts": rows[:, :-1]})
        return float(np.take_along_axis(found, rows[:, -1:], 1).sum(dtype=np.float64))

    return score


def counts(text: str, folder: Path) -> dict[str, Work]:
    """Scoring by counts of order 5: ours, and KenLM with the same probabilities."""
    lines = [" ".join(words) for words in np.array(text.split()).reshape(-1, 20)]
    lm = fastlm.train(
        texts=["\n".join(lines)], tokenizer="whitespace", documents="lines", valid=0,
        counts_only=True, order=5,
    )  # fmt: skip
    export(lm, folder / "m.arpa", "arpa")
    model = importlib.import_module("kenlm").Model(str(folder / "m.arpa"))
    return {
        "fastlm": lambda: float(lm.score_arrays(lines, threads=1).log_prob.sum()),
        "KenLM": lambda: sum(map(model.score, lines)) * np.log(10),
    }


def generation(lm: LanguageModel, texts: int) -> dict[str, Work]:
    """Drawing ``texts`` texts of 200 tokens at once."""
    import jax
    from jax import lax
    from jax import numpy as jnp

    start = np.full((texts, lm.config.context), lm.config.boundary)
    tensors, logits, session = jax.device_put(dict(lm.tensors)), jax_logits(lm), onnx_session(lm)
    rng = np.random.default_rng(0)

    @jax.jit
    def draw(tensors: Any, contexts: Any, key: Any) -> Any:
        def step(contexts: Any, key: Any) -> Any:
            drawn = jax.random.categorical(key, logits(tensors, contexts))
            return jnp.concatenate((contexts[:, 1:], drawn[:, None]), axis=1), drawn

        return lax.scan(step, contexts, jax.random.split(key, _LENGTH))[1]

    def by_onnx() -> float:
        contexts, drawn = start, 0
        for _ in range(_LENGTH):
            (found,) = session.run(["log_probs"], {"contexts": contexts})
            ids = (found + rng.gumbel(size=found.shape)).argmax(axis=1)  # as by categorical
            contexts = np.concatenate((contexts[:, 1:], ids[:, None]), axis=1)
            drawn += texts
        return float(drawn)

    def by_fastlm() -> float:
        lm.sample(texts, length=_LENGTH, seed=0)
        return float(texts * _LENGTH)

    key = jax.random.key(0)
    by_jax = lambda: float(np.asarray(draw(tensors, jnp.asarray(start), key)).size)  # noqa: E731
    return {"fastlm": by_fastlm, "JAX": by_jax, "ONNX Runtime": by_onnx}


def measure(works: dict[str, Work], tokens: int, rounds: int) -> dict[str, float]:
    """Return tokens a second of each; raise ValueError if they do not give the same."""
    results = {name: work() for name, work in works.items()}  # compiles, too
    expected = results["fastlm"]
    for name, result in results.items():
        if abs(result - expected) > 1e-4 * abs(expected):
            raise ValueError(f"{name} gives {result}, fastlm {expected}")
    seconds: dict[str, list[float]] = {name: [] for name in works}
    for number in range(rounds):
        for name, work in list(works.items())[:: -1 if number % 2 else 1]:
            started = time.perf_counter()
            work()
            seconds[name].append(time.perf_counter() - started)
    return {name: tokens / median(each) for name, each in seconds.items()}


def best_of_batches(speeds: dict[str, float]) -> dict[str, float]:
    """Return the speed of each implementation in its fastest batch."""
    best: dict[str, float] = {}
    for name, speed in speeds.items():
        by = name.partition(",")[0]
        best[by] = max(best.get(by, 0.0), speed)
    return best


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="default 5")
    rounds = parser.parse_args().rounds
    print("| work | by | tokens/s | fastlm is |\n| --- | --- | ---: | ---: |")

    def row(name: str, works: dict[str, Work], tokens: int) -> None:
        speeds = best_of_batches(measure(works, tokens, rounds))
        for by, speed in speeds.items():
            ratio = "" if by == "fastlm" else f"{speeds['fastlm'] / speed:.3g} ×"
            print(f"| {name} | {by} | {speed:,.0f} | {ratio} |", flush=True)

    for kind in ("characters", "words"):
        lm, text = network(kind)
        row(f"scoring {kind}", scoring(lm, text), lm.tokenizer.encode(text).size)
        for texts in (1, 64):
            name = f"generating {kind}, {texts} at once"
            row(name, generation(lm, texts), texts * _LENGTH)
    with tempfile.TemporaryDirectory() as folder:
        row("scoring by counts, order 5, 1 thread", counts(text, Path(folder)), 63_000)
    versions = [f"{name} {importlib.metadata.version(name)}" for name in ("jax", "onnxruntime")]
    print(f"\n{machine_line(machine_facts())}; {', '.join(versions)}")


if __name__ == "__main__":
    main()
