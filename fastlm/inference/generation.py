"""Writing text: the border of the generation kernel, and the requests that come to it."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastlm.config import ModelConfig
from fastlm.engine.generation import Generation
from fastlm.errors import ConfigError
from fastlm.inference.sampling import Sampling
from fastlm.inference.text_stream import GeneratedText
from fastlm.tokenizers import Tokenizer
from fastlm.types import Documents
from fastlm_kernels.passes.sampling import Rules

__all__ = ["Request", "checked_seed", "rules_of"]

# How long a call runs: until the next pieces of a stream, until Ctrl-C is seen.
_PIECE_SECONDS = 0.02


_BATCH_SECONDS = 0.2


# Texts at once at most, and tokens of them, so that memory stays below some hundred megabytes.
_LARGEST_BATCH = 512


_MOST_TOKENS = 1 << 22


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
            rules_of(self.sampling, self.config.vocab),
            self.seed,
            self.prompt_ids,
            first=first,
            count=count,
            excluded=self.excluded,
            end=self.end,
            threads=threads,
        )
