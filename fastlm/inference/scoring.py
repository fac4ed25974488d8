"""How probable is each of many texts? Scores, one for each, in order and in constant memory."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import repeat
from operator import add
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastlm.checks import check_texts, check_whole
from fastlm.engine.losses import position_losses
from fastlm.engine.network import first_target
from fastlm.engine.tokens import token_array
from fastlm.errors import ConfigError, TokenizerError, TrainingError
from fastlm.inference.batching import Batch, encode_batch, text_batches
from fastlm.inference.evaluation import END_CHARS, skipped_size
from fastlm.inference.text_model import TextModel
from fastlm_kernels.passes.scoring import sum_texts

__all__ = ["Score", "ScoreArrays", "score_arrays", "score_texts"]

# Characters scored at a time by default: some 0.15 seconds of a small character model, and so much
# that a batch costs nothing by itself.
BATCH_CHARS = 1 << 18


class Score(NamedTuple):
    """What a model makes of one text.

    log_prob : sum of ln p(token | context) over the tokens that count, in nats; at most 0
    tokens : N, how many tokens count: all of the text and, if asked for, the end symbol of each of
        its documents. (A model without an end symbol cannot predict the first C tokens of a
        document; these count nowhere, neither do their characters.)
    oov : how many of them are ``<unk>``: the model predicted that something unknown comes, not what
    log_prob_without_oov : the same sum over the N - oov others
    chars, bytes : size of the text that these tokens stand for, in Unicode code points and in
        UTF-8; an end symbol that counts is one of each where documents are lines, two where they
        are paragraphs, none where a document is a file
    token_ids : int[N], token_log_probs : float32[N] in nats, token_strings : N str
        Of the tokens that count, in order; None unless asked for.
    """

    log_prob: float
    tokens: int
    oov: int
    log_prob_without_oov: float
    chars: int
    bytes: int
    token_ids: NDArray[Any] | None = None
    token_log_probs: NDArray[np.float32] | None = None
    token_strings: list[str] | None = None

    @property
    def perplexity(self) -> float:
        """exp(-log_prob / tokens); NaN where no token counts, infinite above 1.8e308."""
        return _perplexity(self.log_prob, self.tokens)

    @property
    def perplexity_without_oov(self) -> float:
        """exp(-log_prob_without_oov / (tokens - oov)); NaN where all tokens are unknown."""
        return _perplexity(self.log_prob_without_oov, self.tokens - self.oov)

    @property
    def bits_per_char(self) -> float:
        """-log_prob / ln 2 / chars; NaN without characters."""
        return -self.log_prob / math.log(2) / self.chars if self.chars else math.nan

    @property
    def bits_per_byte(self) -> float:
        """-log_prob / ln 2 / bytes; NaN without bytes."""
        return -self.log_prob / math.log(2) / self.bytes if self.bytes else math.nan

    def to_dict(self) -> dict[str, Any]:
        """The fields and figures as JSON has them; null for one that is infinite or NaN."""
        figures: dict[str, Any] = {
            "log_prob": self.log_prob,
            "tokens": self.tokens,
            "oov": self.oov,
            "log_prob_without_oov": self.log_prob_without_oov,
            "chars": self.chars,
            "bytes": self.bytes,
            "perplexity": self.perplexity,
            "perplexity_without_oov": self.perplexity_without_oov,
            "bits_per_char": self.bits_per_char,
            "bits_per_byte": self.bits_per_byte,
        }
        figures = {key: value if math.isfinite(value) else None for key, value in figures.items()}
        if self.token_strings is not None and self.token_log_probs is not None:
            figures["token_strings"] = self.token_strings
            figures["token_log_probs"] = self.token_log_probs.tolist()
        return figures


class ScoreArrays(NamedTuple):
    """The fields of ``Score`` as arrays, an element per text; so are the properties.

    log_prob, log_prob_without_oov : float64[N]; tokens, oov, chars, bytes : int64[N]
    """

    log_prob: NDArray[np.float64]
    tokens: NDArray[np.int64]
    oov: NDArray[np.int64]
    log_prob_without_oov: NDArray[np.float64]
    chars: NDArray[np.int64]
    bytes: NDArray[np.int64]

    @property
    def perplexity(self) -> NDArray[np.float64]:
        """exp(-log_prob / tokens), float64[N]; NaN where no token counts."""
        return _exp(_ratio(-self.log_prob, self.tokens))

    @property
    def perplexity_without_oov(self) -> NDArray[np.float64]:
        """exp(-log_prob_without_oov / (tokens - oov)), float64[N]."""
        return _exp(_ratio(-self.log_prob_without_oov, self.tokens - self.oov))

    @property
    def bits_per_char(self) -> NDArray[np.float64]:
        """-log_prob / ln 2 / chars, float64[N]; NaN without characters."""
        return _ratio(-self.log_prob / math.log(2), self.chars)

    @property
    def bits_per_byte(self) -> NDArray[np.float64]:
        """-log_prob / ln 2 / bytes, float64[N]; NaN without bytes."""
        return _ratio(-self.log_prob / math.log(2), self.bytes)


def _perplexity(log_prob: float, tokens: int) -> float:
    if tokens == 0:
        return math.nan
    try:
        return math.exp(-log_prob / tokens)
    except OverflowError:
        return math.inf


def _ratio(sums: NDArray[np.float64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """sums / counts, NaN where there is nothing to count."""
    result = np.full(sums.shape, np.nan)
    np.divide(sums, counts, out=result, where=counts != 0)
    return result


def _exp(values: NDArray[np.float64]) -> NDArray[np.float64]:
    with np.errstate(over="ignore"):
        result: NDArray[np.float64] = np.exp(values)
    return result


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
    scorer = _Scorer(model, count_end, threads, return_tokens)
    check_texts(texts, TokenizerError)
    check_whole("batch_chars", batch_chars, 1)
    return _scores(scorer, texts, batch_chars)


def _scores(scorer: _Scorer, texts: Iterable[str], size: int) -> Iterator[Score]:
    for arrays, tokens in scorer.run(texts, size):
        rows = zip(*(column.tolist() for column in arrays), strict=True)
        parts = tokens if scorer.return_tokens else repeat((None, None, None))
        yield from map(Score._make, map(add, rows, parts))


def score_arrays(
    model: TextModel, texts: Iterable[str], *, count_end: bool | None = None, threads: int = 1
) -> ScoreArrays:
    """The scores of all texts as arrays; see ``LanguageModel.score_arrays``."""
    check_texts(texts, TokenizerError)
    scorer = _Scorer(model, count_end, threads, return_tokens=False)
    batches = [_no_scores(), *(arrays for arrays, _ in scorer.run(texts, BATCH_CHARS))]
    return ScoreArrays(*map(np.concatenate, zip(*batches, strict=True)))


def _no_scores() -> ScoreArrays:
    sums, counts = np.zeros(0), np.zeros(0, dtype=np.int64)
    return ScoreArrays(sums, counts, counts, sums, counts, counts)


_IdsAndLogProbs: TypeAlias = tuple[NDArray[Any], NDArray[np.float32]]


_TokenParts: TypeAlias = tuple[NDArray[Any], NDArray[np.float32], list[str]]


class _Scorer:
    """Scores batches in order, and holds what one leaves to the next."""

    def __init__(
        self, model: TextModel, count_end: bool | None, threads: int, return_tokens: bool
    ) -> None:
        tokenizer = model.tokenizer
        has_end = tokenizer.boundary_id is not None
        if count_end and not has_end:
            raise ConfigError(
                "count_end is True, but this model has no end symbol; leave it out, or use a model "
                "whose tokenizer has one"
            )
        self.model = model
        self.threads = threads
        self.return_tokens = return_tokens
        self.count_end = has_end and model.documents != "file" if count_end is None else count_end
        self._end_chars = END_CHARS[model.documents] if self.count_end else 0
        self._skip = first_target(model.config)
        # Of the text that the last batch left open: its sums, its last tokens, and the number of
        # tokens of its open document.
        self._sums: list[NDArray[Any]] | None = None
        self._before: NDArray[Any] = np.empty(0, dtype=tokenizer.dtype)
        self._skipped = 0
        self._parts: list[_IdsAndLogProbs] = []

    def run(
        self, texts: Iterable[str], size: int
    ) -> Iterator[tuple[ScoreArrays, list[_TokenParts]]]:
        """Yield for each batch the scores of the texts that end in it, and their tokens."""
        model = self.model
        for whole in text_batches(texts, model.documents, model.tokenizer, size):
            batch, ids, ends = encode_batch(whole, model.tokenizer)
            scored = self._batch(batch, ids, ends)
            if scored[0].tokens.size:
                yield scored
            if batch.failure:
                raise batch.failure

    def _batch(
        self, batch: Batch, ids: NDArray[Any], piece_ends: NDArray[np.int64]
    ) -> tuple[ScoreArrays, list[_TokenParts]]:
        model = self.model
        first = self._before.size
        tokens = token_array(np.concatenate((self._before, ids)), model.config.vocab)
        losses = position_losses(
            model.params, model.config, tokens, first, first + ids.size, self.threads
        )
        counted, chars, octets = self._counted(batch, ids, piece_ends)

        pieces = np.array(
            [*batch.text_ends, *[len(batch.pieces)] * batch.open_text], dtype=np.int64
        )
        ends = np.concatenate(([0], piece_ends))[pieces]
        texts = pieces.size
        nats, known_nats = np.zeros(texts), np.zeros(texts)
        counts, oov = np.zeros(texts, dtype=np.int64), np.zeros(texts, dtype=np.int64)
        sums = [nats, counts, oov, known_nats, _sums(chars, pieces), _sums(octets, pieces)]
        if self._sums is not None and texts:
            for now, before in zip(sums, self._sums, strict=True):
                now[0] += before[0]
        unk = model.tokenizer.unk_id
        sum_texts(
            nats, known_nats, counts, oov, losses, tokens, counted, ends, first,
            -1 if unk is None else unk,
        )  # fmt: skip
        if not np.isfinite(nats).all():
            at = batch.first_text + int(np.argmin(np.isfinite(nats)))
            raise TrainingError(
                f"the model's loss on text {at} is {nats[at - batch.first_text]}: its weights are "
                "out of range; train it again with a smaller learning rate"
            )
        parts = self._tokens(ids, losses, counted, ends) if self.return_tokens else []
        if batch.open_text:
            self._before = np.concatenate((self._before, ids))[-model.config.span :]
            self._sums = [column[-1:] for column in sums]
            self._parts = parts.pop() if parts else []
        else:
            self._before = self._before[:0]
            self._sums = None
            self._parts = []
        finished = texts - batch.open_text
        # 0 - x: a text without tokens has log_prob 0, not -0.
        columns: tuple[NDArray[Any], ...] = (
            0 - nats,
            counts,
            oov,
            0 - known_nats,
            sums[4],
            sums[5],
        )
        arrays = ScoreArrays(*(column[:finished] for column in columns))
        return arrays, [self._joined(part) for part in parts]

    def _counted(
        self, batch: Batch, ids: NDArray[Any], ends: NDArray[np.int64]
    ) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64]]:
        """Which tokens count, bool[T], and the chars and bytes of each piece, int64[pieces]."""
        pieces = batch.pieces
        chars = np.fromiter(map(len, pieces), dtype=np.int64, count=len(pieces))
        octets = chars.copy()
        for number, piece in enumerate(pieces):
            if not piece.isascii():
                octets[number] = len(piece.encode("utf-8"))
        for sizes in (chars, octets):
            sizes += self._end_chars
            if batch.open_document:
                sizes[-1] -= self._end_chars
        counted = np.ones(ids.size, dtype=np.bool_)
        if self._skip == 0:
            if not self.count_end:
                counted = ids != self.model.config.boundary
            return counted, chars, octets

        start = before = 0
        for number, end in enumerate(ends.tolist()):
            before = self._skipped if number == 0 else 0
            skip = min(max(self._skip - before, 0), end - start)
            counted[start : start + skip] = False
            if skip == end - start:
                chars[number] = octets[number] = 0
            elif skip:
                head = ids[start : start + skip]
                fewer_chars, fewer_octets = skipped_size(pieces[number], head, self.model.tokenizer)
                chars[number] -= fewer_chars
                octets[number] -= fewer_octets
            before += end - start
            start = end
        if pieces:
            self._skipped = before if batch.open_document else 0
        return counted, chars, octets

    def _tokens(
        self,
        ids: NDArray[Any],
        losses: NDArray[np.float64],
        counted: NDArray[np.bool_],
        ends: NDArray[np.int64],
    ) -> list[list[_IdsAndLogProbs]]:
        """The tokens that count of each text, in parts."""
        stops = np.concatenate(([0], np.cumsum(counted)))[ends].tolist()
        kept, log_probs = ids[counted], (0 - losses[counted]).astype(np.float32)
        parts = [
            [(kept[start:stop], log_probs[start:stop])]
            for start, stop in zip([0, *stops], stops, strict=False)
        ]
        if parts:
            parts[0] = self._parts + parts[0]
        return parts

    def _joined(self, parts: list[_IdsAndLogProbs]) -> _TokenParts:
        ids, log_probs = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        symbols = self.model.tokenizer.vocabulary.symbols
        return ids, log_probs, [symbols[id] for id in ids.tolist()]


def _sums(values: NDArray[np.int64], ends: NDArray[np.int64]) -> NDArray[np.int64]:
    """The sums of values[0 : ends[0]], values[ends[0] : ends[1]], ..."""
    sums = np.concatenate(([0], np.cumsum(values)))[ends]
    sums[1:] -= sums[:-1].copy()
    return sums
