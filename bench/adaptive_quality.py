"""What does the adaptive softmax cost in quality? Full and adaptive, the same run otherwise.

    python bench/adaptive_quality.py TEXT [--megabytes 5] [--max-vocab 30000] [--seeds 1]

Words, context 4, E = 128, H = 256, one epoch over the first megabytes of TEXT, of which the last
5 % are validated on; rates and batch are those that the library picks. The cut-offs are its choice,
too, and ids go by falling frequency.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from pathlib import Path
from statistics import mean
from typing import NamedTuple

import fastlm

SHAPE = {"context": 4, "far": (), "embed": 128, "hidden": (256,)}


class Run(NamedTuple):
    """perplexity : on the validation part, after the last step; seconds : of process CPU time"""

    softmax: str
    perplexity: float
    seconds: float
    tokens: int
    vocab: int
    cutoffs: tuple[int, ...]


def run(text: str, softmax: str, max_vocab: int, seed: int, threads: int | None) -> Run:
    """Train for one epoch."""
    before = time.process_time()
    lm = fastlm.train(
        texts=[text],
        tokenizer="word",
        max_vocab=max_vocab,
        softmax=softmax,
        epochs=1,
        dropout=0.0,
        embed_dropout=0.0,
        seed=seed,
        threads=threads,
        **SHAPE,
    )
    seconds = time.process_time() - before
    assert lm.result is not None
    assert lm.result.best is not None
    perplexity = math.exp(lm.result.best.loss)
    return Run(
        softmax, perplexity, seconds, lm.result.tokens, lm.config.vocab, tuple(lm.config.cutoffs)
    )


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("text", type=Path, help="a file of UTF-8")
    parser.add_argument("--megabytes", type=float, default=5)
    parser.add_argument("--max-vocab", type=int, default=30_000)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--threads", type=int)
    options = parser.parse_args(arguments)
    try:
        with options.text.open("rb") as file:
            data = file.read(round(options.megabytes * 1e6))
    except OSError as error:
        print(f"error: {options.text}: {error.strerror}", file=sys.stderr)
        return 1
    # The last bytes may be half a character.
    text = data.decode("utf-8", "ignore")
    try:
        runs = _runs(text, options)
    except fastlm.FastlmError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    adaptive, full = (
        mean(one.perplexity for one in runs if one.softmax == softmax)
        for softmax in ("adaptive", "full")
    )
    print(f"adaptive / full: {adaptive / full:.3f}")
    return 0


def _runs(text: str, options: argparse.Namespace) -> list[Run]:
    runs: list[Run] = []
    for seed in range(options.seeds):
        for softmax in ("adaptive", "full"):
            one = run(text, softmax, options.max_vocab, seed, options.threads)
            runs.append(one)
            cut = f", cut at {', '.join(f'{c:,}' for c in one.cutoffs)}" if one.cutoffs else ""
            print(
                f"{softmax}, seed {seed}: perplexity {one.perplexity:.1f} after {one.tokens:,} "
                f"tokens, {one.seconds:.0f} s of CPU time; V = {one.vocab:,}{cut}",
                flush=True,
            )
    return runs


if __name__ == "__main__":
    sys.exit(main())
