"""Writing text: the border of the generation kernel, and the requests that come to it."""

from __future__ import annotations

import secrets
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm.config import Documents, ModelConfig
from fastlm.engine import network_of
from fastlm.errors import ConfigError, TrainingError
from fastlm.generated_text import GeneratedText
from fastlm.layout import Layout
from fastlm.sampling import Sampling
from fastlm.threads import run_team
from fastlm.tokenizers import Tokenizer
from fastlm_kernels.gemm import new_workspace
from fastlm_kernels.generation import (
    ENDED,
    NOT_FINITE,
    RUNNING,
    GenerationScratch,
    Texts,
    generate_tokens,
)
from fastlm_kernels.jit import JIT_DISABLED
from fastlm_kernels.sampling import ChoiceScratch, Rules, sum_places
from fastlm_kernels.team import Team

__all__ = [
    "Generation",
    "Request",
    "checked_seed",
    "finite_logits",
    "rules_of",
    "start_context",
]

# Texts that one thread works on at a time: a character model (C=16, E=24, H=256) took 15 us a row
# for 1 row, 3.8 for 6, 2.6 for 64.
_MOST_ROWS = 64
_FEWEST_ROWS = 4

# Scores of a thread's rows at most, 16 MB: with a large vocabulary fewer rows.
_MOST_SCORES = 1 << 22

# How long a call runs: until the next pieces of a stream, until Ctrl-C is seen.
_PIECE_SECONDS = 0.02
_BATCH_SECONDS = 0.2

# Texts at once at most, and tokens of them, so that memory stays below some hundred megabytes.
_LARGEST_BATCH = 512
_MOST_TOKENS = 1 << 22

# Tokens of a text in one call at most.
_LONGEST_BURST = 1024


def checked_seed(seed: int | None) -> int:
    """``seed``, or a new one each time for None.

    Raises ConfigError for a seed that is not a whole number from 0 to 2**63 - 1.
    """
    if seed is None:
        return secrets.randbits(63)
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed < 2**63:
        raise ConfigError(
            f"seed is {seed!r}; give a whole number of at least 0 and below 2**63, or leave it out "
            "for new text every time"
        )
    return seed


def rules_of(sampling: Sampling, vocab: int) -> Rules:
    """The settings as the kernel takes them."""
    return Rules(
        # At a temperature as small as this, all but the largest logit have no weight.
        sharpness=1 / max(float(sampling.temperature), 1e-30),
        greedy=int(sampling.is_greedy),
        top_k=vocab if sampling.top_k is None else min(sampling.top_k, vocab),
        top_p=1.0 if sampling.top_p is None else float(sampling.top_p),
    )


def start_context(config: ModelConfig, ids: Sequence[int]) -> NDArray[np.int32]:
    """int32[C]: all that the model sees after ``ids``, oldest first.

    What lies before them, or before the last boundary token among them, reads as boundary tokens,
    or as id 0 where the model has none.
    """
    size = config.span
    context = np.full(size, config.boundary or 0, dtype=np.int32)
    for known, id in enumerate(reversed(ids[-size:]), start=1):
        if id == config.boundary:
            break
        context[-known] = id
    return context


def finite_logits(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """``logits`` as they are. Raises TrainingError when they are not finite."""
    if not np.isfinite(logits).all():
        raise _not_finite()
    return logits


def _not_finite() -> TrainingError:
    return TrainingError(
        "the model's logits are not finite: its weights are out of range; train it again with a "
        "smaller learning rate"
    )


@dataclass(frozen=True, kw_only=True)
class Request:
    """A prompt, and how to go on from it: all that decides what is written.

    excluded : ids that are never chosen
    end : the id that ends a text; None: it goes on to its length
    """

    params: NDArray[np.float32]
    config: ModelConfig
    tokenizer: Tokenizer
    documents: Documents
    prompt: str
    prompt_ids: list[int]
    length: int
    sampling: Sampling
    seed: int
    stops: tuple[str, ...]
    excluded: list[int]
    end: int | None

    def pieces(self) -> Iterator[str]:
        """The first text's pieces as they come, without the prompt."""
        text = self._new_text()
        for (ids,) in self._generation(0, 1, 1).bursts(self.length, _PIECE_SECONDS):
            for id in ids.tolist():
                yield from text.push([id])
                if text.stopped:
                    return
        yield from text.finish()

    def texts(
        self, n: int | None, threads: int = 1, first_batch: int | None = None
    ) -> Iterator[str]:
        """The texts 0 to n - 1 with the prompt before them; without end for None.

        first_batch : how many are written at once at first, then twice as many, and so on; None:
            as many as memory is meant for
        """
        largest = max(1, min(_LARGEST_BATCH, _MOST_TOKENS // max(1, self.length)))
        batch = largest if first_batch is None else min(first_batch, largest)
        done = 0
        while n is None or done < n:
            count = batch if n is None else min(batch, n - done)
            yield from self._batch(done, count, threads)
            done += count
            batch = min(2 * batch, largest)

    def _batch(self, first: int, count: int, threads: int) -> list[str]:
        generation = self._generation(first, count, threads)
        texts = [self._new_text() for _ in range(count)]
        pieces: list[list[str]] = [[self.prompt] for _ in range(count)]
        kept: list[list[int]] = [[] for _ in range(count)]
        for burst in generation.bursts(self.length, _BATCH_SECONDS):
            for index, ids in enumerate(burst):
                kept[index] += ids.tolist()
                if self.stops and kept[index]:
                    pieces[index] += texts[index].push(kept[index])
                    kept[index] = []
                    if texts[index].stopped:
                        generation.end(index)
        for text, parts, rest in zip(texts, pieces, kept, strict=True):
            parts += text.push(rest)
            parts += text.finish()
        return ["".join(parts) for parts in pieces]

    def _new_text(self) -> GeneratedText:
        return GeneratedText(
            self.tokenizer, self.documents, self.prompt, self.prompt_ids, self.stops
        )

    def _generation(self, first: int, count: int, threads: int) -> Generation:
        return Generation(
            self.params,
            self.config,
            self.sampling,
            self.seed,
            self.prompt_ids,
            first=first,
            count=count,
            excluded=self.excluded,
            end=self.end,
            threads=threads,
        )


class Generation:
    """Texts number ``first``, ``first`` + 1, ... of a seed, all after the same prompt.

    params : float32[n]
    ids : the prompt's
    excluded : ids that are never chosen; the others' probabilities are renormalised
    end : the id that ends a text; it does not become part of it

    Each depends on the seed and its number only: not on how many there are, on the threads, or on
    how the calls of ``run`` cut it. Not for several threads at once: make one for each.
    """

    def __init__(
        self,
        params: NDArray[np.float32],
        config: ModelConfig,
        sampling: Sampling,
        seed: int,
        ids: Sequence[int],
        *,
        first: int = 0,
        count: int = 1,
        excluded: Sequence[int] = (),
        end: int | None = None,
        threads: int = 1,
    ) -> None:
        self._params = params
        self._network = network_of(config)
        self._rules = rules_of(sampling, config.vocab)
        self._seed = seed
        self._excluded = np.array(excluded, dtype=np.int64)
        self._end = -1 if end is None else end
        self._texts = Texts(
            contexts=np.tile(start_context(config, ids), count),
            numbers=np.arange(first, first + count, dtype=np.int64),
            drawn=np.zeros(count, dtype=np.int64),
            states=np.full(count, RUNNING, dtype=np.int64),
        )
        self._threads = max(1, min(threads, -(-count // _FEWEST_ROWS)))
        self._rows = max(
            1, min(-(-count // self._threads), _MOST_ROWS, _MOST_SCORES // config.vocab)
        )
        if JIT_DISABLED:
            # NumPy's product of one row may have other bits than the same row of several.
            self._rows = 1
        layout = Layout(config)
        self._memory = [
            (_scratch(config, layout, self._rows), new_workspace()) for _ in range(self._threads)
        ]

    def end(self, index: int) -> None:
        """Let a text end here."""
        self._texts.states[index] = ENDED

    def run(self, steps: int) -> list[NDArray[np.int32]]:
        """Up to ``steps`` more tokens: the new ids of each text, int32[at most steps].

        Raises TrainingError when the model's logits are not finite.
        """
        texts = self._texts
        tokens = np.empty(texts.numbers.size * steps, dtype=np.int32)
        running = texts.states == RUNNING
        before = texts.drawn.copy()

        phases = np.array([0, -(-texts.numbers.size // self._rows)], dtype=np.int64)

        def arguments(index: int, team: Team) -> tuple[Any, ...]:
            scratch, workspace = self._memory[index]
            return (
                tokens, texts, scratch, workspace, team, self._excluded, self._params,
                self._network, self._rules, phases, self._seed, self._end, steps, self._rows,
            )  # fmt: skip

        run_team(self._threads, generate_tokens, arguments)
        if (texts.states == NOT_FINITE).any():
            raise _not_finite()
        # The end was drawn, but is no token of the text.
        new = texts.drawn - before - (running & (texts.states == ENDED))
        table = tokens.reshape(-1, steps)
        return [row[:count] for row, count in zip(table, new.tolist(), strict=True)]

    def bursts(self, length: int, seconds: float) -> Iterator[list[NDArray[np.int32]]]:
        """``run`` until every text has ended or has ``length`` tokens.

        The first burst is one token, the next ones are longer, up to about ``seconds``.
        """
        done, steps = 0, 1
        while done < length and (self._texts.states == RUNNING).any():
            started = time.perf_counter()
            steps = min(steps, length - done)
            burst = self.run(steps)
            yield burst
            done += steps
            taken = time.perf_counter() - started
            steps = max(1, min(4 * steps, _LONGEST_BURST, int(steps * seconds / max(taken, 1e-6))))


def _scratch(config: ModelConfig, layout: Layout, rows: int) -> GenerationScratch:
    return GenerationScratch(
        contexts=np.empty(rows * config.span, dtype=np.int32),
        running=np.empty(rows, dtype=np.int64),
        logits=np.empty(rows * config.vocab, dtype=np.float32),
        inputs=np.empty(rows * layout.widths, dtype=np.float32),
        choice=ChoiceScratch(
            weights=np.empty(config.vocab, dtype=np.float32),
            masses=np.empty(config.vocab, dtype=np.float32),
            sums=np.empty(sum_places(config.vocab), dtype=np.float64),
        ),
    )
