"""Requests for generated text: settings checked once, texts one by one or as a stream."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypedDict

import numpy as np
from numpy.typing import NDArray

from fastlm.checks import check_known, check_number, check_seed, check_whole
from fastlm.config import ModelConfig
from fastlm.engine.generation import Besides, Generation
from fastlm.errors import ConfigError, TokenizerError
from fastlm.inference.repetition import GuardedTexts
from fastlm.inference.sampling import Sampling
from fastlm.inference.text_model import TextModel
from fastlm.inference.text_stream import TextStream, parse_stops
from fastlm.limits import check_setting
from fastlm.model.layout import Layout
from fastlm.text.documents import DOCUMENT_ENDS, is_one_document, last_document
from fastlm.wording import setting
from fastlm_kernels.passes.sampling import Rules

__all__ = [
    "DrawingSettings",
    "GenerationSettings",
    "Request",
    "excluded_ids",
    "kernel_rules",
    "resolve_seed",
]

# Seconds that a call of the kernel runs: until the next part of a stream, until Ctrl-C is seen.
_STREAM_SECONDS = 0.02
_BATCH_SECONDS = 0.2

# Most texts written side by side, and most tokens of them: some hundred megabytes.
_MOST_TEXTS = 512
_MOST_TOKENS = 1 << 22

# Of a repetition penalty: its power of 32 is a float32 logit still.
_MOST_PENALTY = 1e9


class DrawingSettings(TypedDict, total=False):
    """The settings of ``LanguageModel.generate`` but for ``length``."""

    temperature: float
    top_k: int | None
    top_p: float | None
    greedy: bool
    seed: int | None
    stop: str | Iterable[str] | None
    stop_at_end: bool | None
    repetition_penalty: float
    no_repeat: int | None


class GenerationSettings(DrawingSettings, total=False):
    """The settings of ``LanguageModel.generate``, which explains them."""

    length: int


_DEFAULTS: GenerationSettings = {
    "length": 200,
    "temperature": 1.0,
    "top_k": None,
    "top_p": None,
    "greedy": False,
    "seed": None,
    "stop": None,
    "stop_at_end": None,
    "repetition_penalty": 1.0,
    "no_repeat": None,
}


def resolve_seed(seed: int | None) -> int:
    """Return ``seed``, or a new random one for None.

    Raises
    ------
    ConfigError
        For a seed that is not a whole number from 0 to 2**63 - 1.
    """
    if seed is None:
        return secrets.randbits(63)
    return check_seed("seed", seed, ", or leave it out for new text every time")


def kernel_rules(sampling: Sampling, vocab: int) -> Rules:
    """Return the sampling settings in the form that the kernel takes."""
    return Rules(
        # At a temperature this small, all but the largest logit have no weight.
        sharpness=1 / max(float(sampling.temperature), 1e-30),
        greedy=int(sampling.is_greedy),
        top_k=vocab if sampling.top_k is None else min(sampling.top_k, vocab),
        top_p=1.0 if sampling.top_p is None else float(sampling.top_p),
    )


@dataclass(frozen=True, kw_only=True)
class Request:
    """A prompt and the settings to continue it with, checked: all that decides what is written."""

    model: TextModel
    prompt: str
    prompt_ids: list[int]  # of the prompt's last document
    length: int
    sampling: Sampling
    seed: int
    stops: tuple[str, ...]
    excluded: list[int]  # ids that are never chosen
    end: int | None  # the id that ends a text, if one does before it has ``length`` tokens
    repetition_penalty: float = 1.0
    no_repeat: int | None = None  # no run of so many tokens twice

    @classmethod
    def make(cls, model: TextModel, prompt: str, settings: GenerationSettings) -> Request:
        """Check the settings and fill in the defaults.

        Raises
        ------
        ConfigError
            For an unknown setting or one out of range.
        TokenizerError
            For a prompt that is not a str or that the tokenizer cannot encode.
        """
        check_known(
            settings,
            _DEFAULTS,
            others=("prompt", "n", "threads"),
            where="help(fastlm.LanguageModel.generate)",
        )
        chosen = _DEFAULTS | settings
        tokenizer = model.tokenizer
        stops_at_end = _stops_at_end(model, chosen["stop_at_end"])
        return cls(
            model=model,
            prompt=prompt,
            prompt_ids=encode_prompt(model, prompt),
            length=check_setting("length", chosen["length"]),
            sampling=Sampling(
                temperature=chosen["temperature"],
                top_k=chosen["top_k"],
                top_p=chosen["top_p"],
                greedy=chosen["greedy"],
            ),
            seed=resolve_seed(chosen["seed"]),
            stops=parse_stops(chosen["stop"]),
            excluded=excluded_ids(model, stops_at_end),
            end=tokenizer.boundary_id if stops_at_end else None,
            repetition_penalty=check_number(
                setting("repetition_penalty"),
                chosen["repetition_penalty"],
                least=1,
                most=_MOST_PENALTY,
                advice=" (1: none)",
            ),
            no_repeat=check_whole(setting("no_repeat"), chosen["no_repeat"], 1, or_none=True),
        )

    def stream(self) -> Iterator[str]:
        """Yield the first text in parts as they become certain, without the prompt."""
        text = self._new_text()
        for (ids,) in self._generation(0, 1, 1).bursts(self.length, _STREAM_SECONDS):
            for id in ids.tolist():
                yield from text.push([id])
                if text.stopped:
                    return
        yield from text.finish()

    def texts(
        self, n: int | None, threads: int = 1, first_batch: int | None = None
    ) -> Iterator[str]:
        """Yield the texts 0 to n - 1, each after the prompt; without end for None.

        first_batch : texts in the first batch; each later one has twice as many, up to what memory
            allows. None: as many as that from the start.
        """
        largest = max(1, min(_MOST_TEXTS, _MOST_TOKENS // max(1, self.length)))
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
        parts: list[list[str]] = [[self.prompt] for _ in range(count)]
        pending: list[list[int]] = [[] for _ in range(count)]
        for burst in generation.bursts(self.length, _BATCH_SECONDS):
            for index, ids in enumerate(burst):
                pending[index] += ids.tolist()
                if self.stops and pending[index]:
                    parts[index] += texts[index].push(pending[index])
                    pending[index] = []
                    if texts[index].stopped:
                        generation.end(index)
        for text, written, rest in zip(texts, parts, pending, strict=True):
            written += text.push(rest)
            written += text.finish()
        return ["".join(written) for written in parts]

    def _new_text(self) -> TextStream:
        model = self.model
        return TextStream(
            model.tokenizer, model.documents, self.prompt, self.prompt_ids, self.stops
        )

    def _generation(self, first: int, count: int, threads: int) -> Generation | GuardedTexts:
        model = self.model
        if self.repetition_penalty != 1 or self.no_repeat is not None:
            return GuardedTexts(
                model,
                kernel_rules(self.sampling, model.tokenizer.vocab_size),
                self.seed,
                self.prompt_ids,
                first=first,
                count=count,
                excluded=self.excluded,
                end=self.end,
                penalty=self.repetition_penalty,
                ban=self.no_repeat,
            )
        params, config, besides = generation_members(model)
        return Generation(
            params,
            config,
            kernel_rules(self.sampling, config.vocab),
            self.seed,
            self.prompt_ids,
            first=first,
            count=count,
            excluded=self.excluded,
            end=self.end,
            threads=threads,
            besides=besides,
        )


def generation_members(
    model: TextModel,
) -> tuple[NDArray[np.float32], ModelConfig, Besides | None]:
    """Return the parameters and shape of the first network, and what is mixed with it.

    Counts alone are mixed with the smallest network, which has no weight.
    """
    tokenizer, counts, weights = model.tokenizer, model.counts, model.weights
    if model.networks:
        first, *others = model.networks
        if weights is None:
            return first.params, first.config, None
        if counts is None:
            weights = np.hstack((weights, np.zeros((weights.shape[0], 1))))
        networks = [(network.params, network.config) for network in others]
        tables = None if counts is None else counts.tables
        return first.params, first.config, Besides(weights, tables, networks)
    assert counts is not None
    none = ModelConfig(
        vocab=tokenizer.vocab_size, boundary=tokenizer.boundary_id, context=1, embed=1, hidden=()
    )
    alone = np.tile([0.0, 1.0], (counts.buckets, 1))
    return np.zeros(Layout(none).size, dtype=np.float32), none, Besides(alone, counts.tables)


def encode_prompt(model: TextModel, prompt: str) -> list[int]:
    """Return the ids of the prompt's last document, which is all that the model sees of it."""
    if not isinstance(prompt, str):
        raise TokenizerError(f"the prompt is {type(prompt).__name__}, not str; give text")
    ids: list[int] = model.tokenizer.encode(last_document(prompt, model.documents)).tolist()
    return ids


def excluded_ids(model: TextModel, stops_at_end: bool | None = None) -> list[int]:
    """Return the ids that ``generate`` never chooses; None: as it stops by default.

    These are ``<unk>``, what did not occur in training, what holds the end of a document and,
    where documents are files and the text does not stop at its end, the boundary token.
    """
    tokenizer = model.tokenizer
    boundary, unk = tokenizer.boundary_id, tokenizer.unk_id
    special = [unk]
    if stops_at_end is None:
        stops_at_end = _stops_at_end(model, None)
    if is_one_document(model.documents) and not stops_at_end:
        special.append(boundary)
    others = [id for id in model.seen.unseen_ids if id != boundary]
    if model.documents in DOCUMENT_ENDS:
        others += tokenizer.ids_matching(DOCUMENT_ENDS[model.documents])
    excluded = {id for id in special + others if id is not None}
    # Of a model that knows nothing of its text, all may come but what is special.
    if len(excluded | ({boundary} - {None})) == tokenizer.vocab_size:
        excluded = {id for id in special if id is not None}
    return sorted(excluded)


def _stops_at_end(model: TextModel, asked: bool | None) -> bool:
    knows_ends = not is_one_document(model.documents) or model.seen.ends
    possible = knows_ends and model.tokenizer.boundary_id is not None
    if asked and not possible:
        raise ConfigError(
            "stop_at_end is True, but this model knows no end of a line or paragraph; leave it "
            f"out, or train with {setting('documents', 'lines')}"
        )
    return possible if asked is None else asked
