"""Loss, perplexity and bits per character of a model on text or a token store."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm.config import ModelConfig
from fastlm.data.token_store import TokenStore
from fastlm.engine.losses import _SLICE, evaluate_tokens
from fastlm.engine.network import first_target
from fastlm.errors import CorpusError, StoreError, TrainingError
from fastlm.inference.text_model import TextModel
from fastlm.system.json_values import finite_values
from fastlm.system.resources import thread_count
from fastlm.tokenizers import Tokenizer
from fastlm.types import Documents

__all__ = ["END_CHARS", "Evaluation", "evaluate_documents", "evaluate_store", "skipped_size"]

# Characters that the end of a document stands for in a file: a line end, a line end and a blank
# line. The end of a whole file stands for none, and is not counted as a token either.
END_CHARS: dict[str, int] = {"file": 0, "lines": 1, "paragraphs": 2}


@dataclass(frozen=True)
class Evaluation:
    """What a model makes of a text.

    tokens : N, predicted tokens: all tokens of the documents and, where documents are lines or
        paragraphs, the end symbol of each. (A model without an end symbol cannot predict the first
        C tokens of a document; they count nowhere, neither do their characters.)
    oov : how many of them are ``<unk>``: the model predicted that something unknown comes, not what
    chars, bytes : size of the predicted text, as Unicode code points and as UTF-8. The end of a
        line counts as one, that of a paragraph as two (the line end and the blank line), so that
        the figures of a file refer to its size.
    log_prob : sum over the N tokens of log p(token | context), in nats; at most 0
    """

    tokens: int
    oov: int
    chars: int
    bytes: int
    log_prob: float

    @property
    def nats_per_token(self) -> float:
        """-log_prob / tokens."""
        return -self.log_prob / self.tokens

    @property
    def perplexity(self) -> float:
        """exp(nats_per_token); infinite above 1.8e308."""
        try:
            return math.exp(self.nats_per_token)
        except OverflowError:
            return math.inf

    @property
    def bits_per_char(self) -> float:
        """-log_prob / ln 2 / chars; NaN where the predicted tokens have no text."""
        return -self.log_prob / math.log(2) / self.chars if self.chars else math.nan

    @property
    def bits_per_byte(self) -> float:
        """-log_prob / ln 2 / bytes; NaN where the predicted tokens have no text."""
        return -self.log_prob / math.log(2) / self.bytes if self.bytes else math.nan

    def to_dict(self) -> dict[str, int | float | None]:
        """The figures as JSON has them; null for one that is infinite or NaN."""
        figures: dict[str, int | float] = {
            "tokens": self.tokens,
            "oov": self.oov,
            "chars": self.chars,
            "bytes": self.bytes,
            "nats_per_token": self.nats_per_token,
            "perplexity": self.perplexity,
            "bits_per_char": self.bits_per_char,
            "bits_per_byte": self.bits_per_byte,
        }
        return finite_values(figures)


def evaluate_documents(
    params: NDArray[np.float32],
    config: ModelConfig,
    tokenizer: Tokenizer,
    texts: Iterable[str],
    documents: Documents,
    threads: int = 1,
) -> Evaluation:
    """Measure a model on documents, each by itself: no context reaches from one into another.

    params : float32[n]
    texts : the documents; ``documents`` says what they are (see ``Evaluation``)

    The same figures for any number of threads. Memory does not grow with their number.

    Raises
    ------
    CorpusError
        When there is nothing to predict.
    TokenizerError
        When the tokenizer cannot encode a document.
    TrainingError
        When the model's losses are not finite.
    """
    end_chars = END_CHARS[documents] if tokenizer.boundary_id is not None else 0
    first = first_target(config)
    size = _Size()
    sums = [
        evaluate_tokens(
            params,
            config,
            ids,
            count_boundary=documents != "file",
            unk=tokenizer.unk_id,
            threads=threads,
        )
        for ids in _batches(_encoded(texts, tokenizer, first, end_chars, size), bool(first))
    ]
    tokens = sum(part.tokens for part in sums)
    if tokens == 0:
        raise CorpusError(
            f"the longest document has {size.longest} tokens, but this model needs at least "
            f"{first + 1} to predict one; give longer text"
        )
    nats = math.fsum(part.nats for part in sums)
    if not math.isfinite(nats):
        raise TrainingError(
            f"the model's loss on this text is {nats}: its weights are out of range; train it "
            "again with a smaller learning rate"
        )
    return Evaluation(
        tokens=tokens,
        oov=sum(part.oov for part in sums),
        chars=size.chars,
        bytes=size.bytes,
        log_prob=-nats,
    )


@dataclass
class _Size:
    """Of the text that is predicted, and of the longest document, in tokens."""

    chars: int = 0
    bytes: int = 0
    longest: int = 0


def _encoded(
    texts: Iterable[str], tokenizer: Tokenizer, first: int, end_chars: int, size: _Size
) -> Iterator[NDArray[Any]]:
    """Each document's ids with its end symbol; adds up the size of what is predicted."""
    for text in texts:
        (ids,) = tokenizer.encode_each([text])
        size.longest = max(size.longest, ids.size)
        if ids.size <= first:
            continue
        chars, octets = skipped_size(text, ids[:first], tokenizer) if first else (0, 0)
        size.chars += len(text) - chars + end_chars
        size.bytes += len(text.encode("utf-8")) - octets + end_chars
        yield ids


def skipped_size(text: str, ids: NDArray[Any], tokenizer: Tokenizer) -> tuple[int, int]:
    """Characters and bytes of the first tokens of ``text``, which no model without an end predicts.

    Where the tokenizer does not keep white space this is the length of the text that it makes of
    these tokens.
    """
    if tokenizer.kind == "byte":
        # A token may be part of a character: one belongs to the token that completes it.
        start = text.encode("utf-8")[: ids.size]
        return len(start.decode("utf-8", errors="ignore")), ids.size
    start_text = text[: ids.size] if tokenizer.kind == "char" else tokenizer.decode(ids)
    return (
        min(len(start_text), len(text)),
        min(len(start_text.encode("utf-8")), len(text.encode("utf-8"))),
    )


def _batches(documents: Iterable[NDArray[Any]], each_alone: bool) -> Iterator[NDArray[Any]]:
    """Documents joined to arrays of about a slice; the end symbol of each keeps them apart."""
    batch: list[NDArray[Any]] = []
    total = 0
    for ids in documents:
        batch.append(ids)
        total += ids.size
        if each_alone or total >= _SLICE:
            yield np.concatenate(batch)
            batch, total = [], 0
    if batch:
        yield np.concatenate(batch)


def evaluate_store(model: TextModel, store: TokenStore, threads: int | None = None) -> Evaluation:
    """Measure a model on all of a store, the held-out part included.

    The figures are those of the text, which ``LanguageModel.evaluate`` explains. Where a part is
    held out, the text that the cut goes through counts as two documents.

    Raises
    ------
    StoreError
        For a store of another tokenizer or other documents, and one whose documents have no end
        symbol.
    CorpusError
        When there is nothing to predict.
    TrainingError
        When the model's losses are not finite.
    """
    store.require(tokenizer=model.tokenizer, documents=model.documents)
    if model.tokenizer.boundary_id is None:
        raise StoreError(
            f"{store.path} has no end symbols, so its documents cannot be told apart; evaluate "
            "the text itself"
        )
    total = evaluate_tokens(
        model.params,
        model.config,
        store.ids,
        count_boundary=model.documents != "file",
        unk=model.tokenizer.unk_id,
        threads=thread_count(threads),
    )
    if total.tokens == 0:
        raise CorpusError(f"{store.path} has no token to predict; use more text")
    if not math.isfinite(total.nats):
        raise TrainingError(
            f"the model's loss on {store.path} is {total.nats}: its weights are out of range; "
            "train it again with a smaller learning rate"
        )
    parts = [store.metadata[name] for name in ("train", "valid")]
    ends = END_CHARS[model.documents] * sum(part["documents"] for part in parts)
    return Evaluation(
        tokens=total.tokens,
        oov=total.oov,
        chars=sum(part["characters"] for part in parts) + ends,
        bytes=sum(part["bytes"] for part in parts) + ends,
        log_prob=-total.nats,
    )
