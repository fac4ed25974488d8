"""Scores: the probability of each of many texts, in order and in constant memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import partial
from itertools import repeat
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastlm.checks import check_texts
from fastlm.engine.tokens import token_array
from fastlm.errors import ConfigError, TokenizerError, TrainingError
from fastlm.inference.batching import (
    END_CHARS,
    TextBatch,
    batch_offsets,
    encode_batch,
    part_sizes,
    skipped_size,
    text_batches,
)
from fastlm.inference.scores import SCORE_FIGURES, Score, ScoreArrays
from fastlm.inference.text_model import TextModel
from fastlm.limits import check_setting
from fastlm.text.documents import is_one_document
from fastlm.tokenizers import Tokenizer
from fastlm_kernels.passes.scoring import sum_texts

__all__ = [
    "BATCH_CHARS",
    "SCORE_FIGURES",
    "BatchScorer",
    "Score",
    "ScoreArrays",
    "ScoredBatch",
    "all_scores",
    "each_score",
    "each_score_with_tokens",
    "score_arrays",
    "score_texts",
]

BATCH_CHARS = 1 << 18
"""Characters scored at a time by default: 0.15 s of a small character model, enough that the fixed
cost of a batch does not count."""


def score_texts(
    model: TextModel,
    texts: Iterable[str],
    *,
    return_tokens: bool = False,
    count_end: bool | None = None,
    batch_chars: int = BATCH_CHARS,
    threads: int = 1,
) -> Iterator[Score]:
    """Yield the score of each text, in order; see ``LanguageModel.score``."""
    batch_chars = check_setting("batch_chars", batch_chars)
    scorer = BatchScorer(model, count_end=count_end, threads=threads)
    batches = scorer.run(texts, batch_chars)
    return each_score_with_tokens(model, batches) if return_tokens else each_score(batches)


def each_score(batches: Iterator[ScoredBatch]) -> Iterator[Score]:
    """Yield the scores of batches one by one."""
    for batch in batches:
        yield from map(_SCORE_OF_ROW, zip(*_columns(batch.scores), *_NO_TOKENS, strict=False))


# A quarter faster than Score(*row), for each of many short texts.
_SCORE_OF_ROW = partial(tuple.__new__, Score)
_NO_TOKENS = [repeat(None)] * 4


def _columns(scores: ScoreArrays) -> list[list[Any]]:
    return [column.tolist() for column in scores.columns]


def each_score_with_tokens(model: TextModel, batches: Iterator[ScoredBatch]) -> Iterator[Score]:
    """Yield the scores of batches one by one, with their tokens."""
    symbols = model.tokenizer.vocabulary.symbols
    begun: list[_Tokens] = []  # of the text that the last batch left open
    for batch in batches:
        texts = batch.tokens_of_texts(model.tokenizer)
        for row, tokens in zip(zip(*_columns(batch.scores), strict=True), texts, strict=False):
            ids, log_probs, offsets = (
                map(np.concatenate, zip(*begun, tokens, strict=True))
                if begun
                else map(np.copy, tokens)
            )
            begun = []
            strings = [symbols[id] for id in ids.tolist()]
            yield Score._make((*row, ids, log_probs, strings, offsets))
        begun += texts[batch.scores.tokens.size :]


def score_arrays(
    model: TextModel, texts: Iterable[str], *, count_end: bool | None = None, threads: int = 1
) -> ScoreArrays:
    """Return the scores of all texts as arrays; see ``LanguageModel.score_arrays``."""
    scorer = BatchScorer(model, count_end=count_end, threads=threads)
    return all_scores(scorer.run(texts, BATCH_CHARS))


def all_scores(batches: Iterable[ScoredBatch]) -> ScoreArrays:
    """Return the scores of batches together."""
    parts = [_no_scores(), *(batch.scores for batch in batches)]
    columns = zip(*(scores.columns for scores in parts), strict=True)
    return ScoreArrays(*map(np.concatenate, columns))


def _no_scores() -> ScoreArrays:
    reals, counts = np.empty(0), np.empty(0, dtype=np.int64)
    return ScoreArrays(reals, counts, counts, reals, counts, counts)


_Tokens: TypeAlias = tuple[NDArray[Any], NDArray[np.float32], NDArray[np.int64]]
"""Of a text or a part of one: the ids that count, their log-probabilities and their offsets."""


class ScoredBatch(NamedTuple):
    """The scores of the texts that end in a batch, and the losses that they are the sums of."""

    scores: ScoreArrays
    ids: NDArray[Any]  # unsigned[T]
    losses: NDArray[np.float64]  # float64[T], -log p in nats
    counted: NDArray[np.bool_]  # bool[T], which tokens count
    text_ends: NDArray[np.int64]  # where each text ends; the last may go on in the next batch
    batch: TextBatch

    def tokens_of_texts(self, tokenizer: Tokenizer) -> list[_Tokens]:
        """Return the tokens of each text that count, as far as they lie in this batch."""
        stops = np.concatenate(([0], np.cumsum(self.counted)))[self.text_ends].tolist()
        ids = self.ids[self.counted]
        log_probs = (0 - self.losses[self.counted]).astype(np.float32)
        offsets = batch_offsets(self.batch, tokenizer)[self.counted]
        return [
            (ids[start:stop], log_probs[start:stop], offsets[start:stop])
            for start, stop in zip([0, *stops], stops, strict=False)
        ]


class BatchScorer:
    """Scores texts batch by batch; between batches it keeps what a text that goes on needs.

    count_end : whether boundary tokens count; None: where documents are lines or paragraphs
    keep_empty : whether a text without any document is scored as one
    """

    def __init__(
        self,
        model: TextModel,
        *,
        count_end: bool | None = None,
        keep_empty: bool = True,
        threads: int = 1,
    ) -> None:
        has_end = model.tokenizer.boundary_id is not None
        if count_end and not has_end:
            raise ConfigError(
                "count_end is True, but this model has no boundary token; leave it out, or use a "
                "model whose tokenizer has one"
            )
        self._model = model
        self._threads = threads
        self._keep_empty = keep_empty
        if count_end is None:
            count_end = has_end and not is_one_document(model.documents)
        self._count_end = count_end
        self._end_chars = END_CHARS[model.documents] if self._count_end else 0
        self._skip = model.first_target
        self._kept = model.span + 1  # of a text's start even the shortest is not all kept
        # Of the text that the last batch left open: its sums, its last tokens, and the number of
        # tokens of its open document.
        self._open_sums: list[NDArray[Any]] | None = None
        self._before: NDArray[Any] = np.empty(0, dtype=model.tokenizer.dtype)
        self._open_size = 0

    def run(self, texts: Iterable[str], size: int) -> Iterator[ScoredBatch]:
        """Yield the scores of several texts, about ``size`` characters at a time.

        For one str in place of several it raises TokenizerError at the call.
        """
        check_texts(texts, TokenizerError)
        return self._run(texts, size)

    def _run(self, texts: Iterable[str], size: int) -> Iterator[ScoredBatch]:
        model = self._model
        for whole in text_batches(
            texts, model.documents, model.tokenizer, size, keep_empty=self._keep_empty
        ):
            batch, ids, part_ends = encode_batch(whole, model.tokenizer)
            yield self._score(batch, ids, part_ends)
            if batch.failure:
                raise batch.failure

    def _score(
        self, batch: TextBatch, ids: NDArray[Any], part_ends: NDArray[np.int64]
    ) -> ScoredBatch:
        model = self._model
        first = self._before.size
        tokens = token_array(np.concatenate((self._before, ids)), model.tokenizer.vocab_size)
        losses = model.losses(tokens, first, first + ids.size, self._threads)
        counted, chars, n_bytes = self._counted(batch, ids, part_ends)

        parts = np.array([*batch.text_ends, *[len(batch.parts)] * batch.open_text], dtype=np.int64)
        ends = np.concatenate(([0], part_ends))[parts]
        texts = parts.size
        nats, known_nats = np.zeros(texts), np.zeros(texts)
        counts, oov = np.zeros(texts, dtype=np.int64), np.zeros(texts, dtype=np.int64)
        sizes = [_group_sums(chars, parts), _group_sums(n_bytes, parts)]
        sums: list[NDArray[Any]] = [nats, counts, oov, known_nats, *sizes]
        if self._open_sums is not None and texts:
            for now, before in zip(sums, self._open_sums, strict=True):
                now[0] += before[0]
        unk = model.tokenizer.unk_id
        sum_texts(
            nats, known_nats, counts, oov, losses, tokens, counted, ends, first,
            -1 if unk is None else unk,
        )  # fmt: skip
        if not np.isfinite(nats).all():
            row = int(np.argmin(np.isfinite(nats)))
            raise TrainingError(
                f"the model's loss on text {batch.first_text + row} is {nats[row]}: its weights "
                "are out of range; train it again with a smaller learning rate"
            )
        if batch.open_text:
            self._open_sums = [column[-1:] for column in sums]
            self._before = np.concatenate((self._before, ids))[-self._kept :]
        else:
            self._open_sums = None
            self._before = self._before[:0]
        # 0 - x: a text without tokens has log_prob 0, not -0.
        columns: list[NDArray[Any]] = [0 - nats, counts, oov, 0 - known_nats, *sizes]
        scores = ScoreArrays(*(column[: len(batch.text_ends)] for column in columns))
        return ScoredBatch(scores, ids, losses, counted, ends, batch)

    def _counted(
        self, batch: TextBatch, ids: NDArray[Any], ends: NDArray[np.int64]
    ) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64]]:
        """Return which tokens count, bool[T], and the size of each part, twice int64[parts]."""
        chars, n_bytes = part_sizes(batch, self._end_chars)
        counted = np.ones(ids.size, dtype=np.bool_)
        if self._skip == 0:
            if not self._count_end:
                counted = ids != self._model.tokenizer.boundary_id
            return counted, chars, n_bytes
        start = 0
        for number, end in enumerate(ends.tolist()):
            before = self._open_size if number == 0 else 0
            skip = min(max(self._skip - before, 0), end - start)
            counted[start : start + skip] = False
            if skip == end - start:
                chars[number] = n_bytes[number] = 0
            elif skip:
                skipped = skipped_size(
                    batch.parts[number], ids[start : start + skip], self._model.tokenizer
                )
                chars[number] -= skipped[0]
                n_bytes[number] -= skipped[1]
            self._open_size = before + end - start
            start = end
        if batch.parts and not batch.open_document:
            self._open_size = 0
        return counted, chars, n_bytes


def _group_sums(values: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the sums of values[0 : ends[0]], values[ends[0] : ends[1]], ..."""
    sums = np.concatenate(([0], np.cumsum(values)))[ends]
    sums[1:] -= sums[:-1].copy()
    return sums
