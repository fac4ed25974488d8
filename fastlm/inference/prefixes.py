"""Scores of texts given what came before them: ln p(text | prefix).

It is ln p(prefix + text) - ln p(prefix), where the prefix does not end its document. Only what the
model sees of a prefix is computed. Where the tokens of prefix + text begin with those of the
prefix (always of characters and bytes), the difference is the sum over the tokens that follow.
Where they differ at the seam ("wor" + "ld" is the word "world"), it is that sum from the first
token that differs, less what the prefix's own last tokens have; it may then be above 0.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator
from itertools import chain, repeat
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastlm.checks import check_texts
from fastlm.engine.tokens import token_array
from fastlm.errors import ConfigError, TextError, TokenizerError
from fastlm.inference.batching import TextBatch, part_sizes
from fastlm.inference.scores import Score, ScoreArrays
from fastlm.inference.scoring import (
    BATCH_CHARS,
    BatchScorer,
    ScoredBatch,
    all_scores,
    each_score,
    each_score_with_tokens,
)
from fastlm.inference.text_model import TextModel
from fastlm.limits import check_setting
from fastlm.text.documents import is_one_document, last_document
from fastlm.tokenizers.safe_cut import safe_cut_text

__all__ = ["score_after", "score_arrays_after"]

_LAST_SPACE = re.compile(r"\s\S*\Z")
_NO_IDS = np.empty(0, dtype=np.int64)


def score_after(
    model: TextModel,
    texts: Iterable[str],
    prefixes: str | Iterable[str],
    *,
    return_tokens: bool = False,
    count_end: bool | None = None,
    batch_chars: int = BATCH_CHARS,
    threads: int = 1,
) -> Iterator[Score]:
    """Yield the score of each text given its prefix, in order; see ``LanguageModel.score``."""
    batch_chars = check_setting("batch_chars", batch_chars)
    scorer = _PrefixScorer(model, count_end=count_end, threads=threads)
    batches = scorer.run_after(texts, prefixes, batch_chars)
    return scorer.with_tokens(batches) if return_tokens else each_score(batches)


def score_arrays_after(
    model: TextModel,
    texts: Iterable[str],
    prefixes: str | Iterable[str],
    *,
    count_end: bool | None = None,
    threads: int = 1,
) -> ScoreArrays:
    """Return the scores of all texts given their prefixes; see ``LanguageModel.score_arrays``."""
    scorer = _PrefixScorer(model, count_end=count_end, threads=threads)
    return all_scores(scorer.run_after(texts, prefixes, BATCH_CHARS))


class _Given(NamedTuple):
    """What a model sees of a prefix, or what is left of it in the parts that follow."""

    text: str
    ids: NDArray[Any]


class _Seam(NamedTuple):
    """A text whose tokens go on otherwise than those of its prefix, after ``common`` of them."""

    row: int
    ids: NDArray[Any]
    common: int


class _PrefixScorer(BatchScorer):
    """Scores texts after their prefixes, batch by batch."""

    def __init__(self, model: TextModel, *, count_end: bool | None, threads: int) -> None:
        super().__init__(model, count_end=count_end, threads=threads)
        self._given: deque[_Given] = deque()  # of texts that have not begun
        self._sizes: deque[int] = deque()  # characters before texts that are not scored yet
        self._open: tuple[_Given, _Given] | None = None  # of the open text: the rest, and all
        self._seams: list[_Seam] = []
        self._known: tuple[str, _Given] = ("", _Given("", _NO_IDS))

    def run_after(
        self, texts: Iterable[str], prefixes: str | Iterable[str], size: int
    ) -> Iterator[ScoredBatch]:
        """Yield the scores of texts after their prefixes, about ``size`` characters at a time."""
        check_texts(texts, TokenizerError)
        if not isinstance(prefixes, str):
            check_texts(prefixes, TokenizerError)
        return self._run(self._wholes(texts, prefixes), size)

    def with_tokens(self, batches: Iterator[ScoredBatch]) -> Iterator[Score]:
        """Yield scores with tokens, whose offsets are in the text without its prefix."""
        for score in each_score_with_tokens(self._model, batches):
            assert score.token_offsets is not None
            offsets = np.maximum(score.token_offsets - self._sizes.popleft(), 0)
            yield score._replace(token_offsets=offsets)

    def _wholes(self, texts: Iterable[str], prefixes: str | Iterable[str]) -> Iterator[str]:
        """Yield each text after what the model sees of its prefix."""
        several = repeat(prefixes) if isinstance(prefixes, str) else prefixes
        nothing = object()
        left = chain(several, repeat(nothing))
        number = -1
        for number, text in enumerate(texts):
            prefix = next(left)
            if prefix is nothing:
                raise ConfigError(
                    f"there are {number} prefixes for more texts; give one for each text, or one "
                    "str for all"
                )
            given = self._seen(number, prefix)
            self._given.append(given)
            self._sizes.append(len(given.text))
            yield given.text + text if isinstance(text, str) else text
        if not isinstance(prefixes, str) and next(left) is not nothing:
            raise ConfigError(
                f"there are {number + 1} texts for more prefixes; give one for each text, or one "
                "str for all"
            )

    def _seen(self, number: int, prefix: Any) -> _Given:
        if not isinstance(prefix, str):
            raise TextError(number, f"its prefix is {type(prefix).__name__}, not str; give text")
        if prefix != self._known[0]:
            try:
                self._known = prefix, _seen(self._model, prefix)
            except TokenizerError as error:
                raise TextError(number, f"its prefix: {error}") from None
        return self._known[1]

    def _score(
        self, batch: TextBatch, ids: NDArray[Any], part_ends: NDArray[np.int64]
    ) -> ScoredBatch:
        scored = super()._score(batch, ids, part_ends)
        unk = self._model.tokenizer.unk_id
        for seam in self._seams:
            tokens = token_array(seam.ids, self._model.tokenizer.vocab_size)
            first = max(seam.common, self._skip)
            if first >= seam.ids.size:
                continue
            losses = self._model.losses(tokens, first, seam.ids.size)
            known = losses[seam.ids[first:] != (-1 if unk is None else unk)]
            for column, open_column, more in ((0, 0, losses), (3, 3, known)):
                nats = float(more.sum())
                if seam.row < scored.scores.tokens.size:
                    scored.scores.columns[column][seam.row] += nats
                elif self._open_sums is not None:
                    self._open_sums[open_column] -= nats
        return scored

    def _counted(
        self, batch: TextBatch, ids: NDArray[Any], ends: NDArray[np.int64]
    ) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64]]:
        counted, chars, n_bytes = super()._counted(batch, ids, ends)
        sizes = part_sizes(batch, self._end_chars)
        token_ends = [0, *ends.tolist()]
        starts = [0, *batch.text_ends]
        stops = [*batch.text_ends, *[len(batch.parts)] * batch.open_text]
        self._seams = []
        for row, (start, stop) in enumerate(zip(starts, stops, strict=False)):
            if row == 0 and batch.continues:
                begun, self._open = self._open, None
                if begun is None:
                    continue
                rest, whole = begun
            else:
                rest = whole = self._given.popleft()
            if not rest.ids.size or not self._is_there(batch, start, rest):
                continue
            first, last = token_ends[start], token_ends[stop]
            common = _common(ids[first:last], rest.ids)
            counted[first : first + common] = False
            text = rest.text
            for part in range(start, stop):
                cut = _common_chars(batch.parts[part], text)
                text, taken = text[cut:], text[:cut]
                chars[part] = min(chars[part], sizes[0][part] - cut)
                n_bytes[part] = min(n_bytes[part], sizes[1][part] - len(taken.encode("utf-8")))
                if not text or cut < len(batch.parts[part]):
                    break
            if common < rest.ids.size:
                is_open = batch.open_text and row == len(stops) - 1
                if is_open and common == last - first:
                    self._open = _Given(text, rest.ids[common:]), whole
                else:
                    before = whole.ids.size - rest.ids.size
                    self._seams.append(_Seam(row, whole.ids, before + common))
        return counted, chars, n_bytes

    def _is_there(self, batch: TextBatch, part: int, given: _Given) -> bool:
        """Tell whether a document begins with a prefix: white space alone may be none."""
        if is_one_document(self._model.documents) or not given.text.isspace():
            return True
        return batch.parts[part].startswith(given.text)


def _common_chars(text: str, other: str) -> int:
    """Return how many characters at the start of both are the same."""
    if text.startswith(other):
        return len(other)
    pairs = enumerate(zip(text, other, strict=False))
    return next((at for at, (one, two) in pairs if one != two), min(len(text), len(other)))


def _common(ids: NDArray[Any], others: NDArray[Any]) -> int:
    """Return how many ids at the start of both are the same."""
    size = min(ids.size, others.size)
    differ = np.flatnonzero(ids[:size] != others[:size])
    return int(differ[0]) if differ.size else size


def _seen(model: TextModel, prefix: str) -> _Given:
    """Return the end of a prefix that decides what follows, where that is easily told.

    Its tokens are those that it has in the whole prefix, and before the first one that may depend
    on what follows there are as many as the model sees.
    """
    tokenizer = model.tokenizer
    prefix = last_document(prefix, model.documents)
    stays = tokenizer.kind in ("char", "byte") and not tokenizer.lowercase
    size = 8 * (model.span + 8)
    while tokenizer.kind in ("char", "byte", "word", "whitespace") and size < len(prefix):
        end = prefix[safe_cut_text(tokenizer, prefix, len(prefix) - size) :]
        sure = end
        if not stays:
            found = _LAST_SPACE.search(end)
            sure = end[: found.start()] if found else ""
        if tokenizer.encode(sure).size >= model.span + 1:
            prefix = end
            break
        size *= 4
    return _Given(prefix, tokenizer.encode(prefix))
