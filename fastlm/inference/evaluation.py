"""Evaluation: the figures of a model on all of a text or a token store, from summed losses.

The formulas (perplexity, bits per character) are in ``fastlm.model.figures``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastlm.data.token_store import TokenStore
from fastlm.engine.losses import sum_losses
from fastlm.engine.tokens import flat_ids, token_array
from fastlm.errors import CorpusError, StoreError, TrainingError
from fastlm.inference.batching import END_CHARS
from fastlm.inference.cache import TokenCache
from fastlm.inference.scoring import BatchScorer
from fastlm.inference.text_model import TextModel
from fastlm.model.figures import Figures, perplexity
from fastlm.system.html_pages import figure_text, html_table
from fastlm.system.json_values import finite_values
from fastlm.text.documents import is_one_document
from fastlm_kernels.runtime.arguments import Tokens

__all__ = ["Evaluation", "evaluate_store", "evaluate_texts"]

# Characters measured at a time. A large vocabulary's table of the first layer is computed anew for
# each batch, so batches are larger than those of scores, for which nobody has to wait.
_BATCH_CHARS = 1 << 20

_FIGURES = (
    "tokens", "oov", "chars", "bytes", "nats_per_token", "perplexity", "bits_per_char",
    "bits_per_byte",
)  # fmt: skip


_SHOWN = ("perplexity", "bits_per_char", "tokens", "oov", "chars", "bytes", "log_prob")


@dataclass(frozen=True, repr=False)
class Evaluation(Figures[float]):
    """The sum of the scores of texts.

    Attributes
    ----------
    tokens : int
        N, predicted tokens: all tokens of the documents and, where documents are lines or
        paragraphs, the boundary token (``<end>``) of each. (A model without a boundary token
        cannot predict the first C tokens of a document. They do not count, nor do their
        characters.)
    oov : int
        How many of them are ``<unk>``: the model predicted that something unknown comes, not what.
    chars, bytes : int
        Size of the predicted text, as Unicode code points and as UTF-8. The end of a line counts
        as one, that of a paragraph as two (the line end and the blank line), so that the figures
        of a file refer to its size.
    log_prob : float
        Sum over the N tokens of ln p(token | context), in nats; at most 0.
    log_prob_adaptive : float or None
        The same sum with a cache of each document's recent tokens, if there was one
        (``fastlm.inference.cache``).
    """

    tokens: int
    oov: int
    chars: int
    bytes: int
    log_prob: float
    log_prob_adaptive: float | None = None

    @property
    def perplexity_adaptive(self) -> float | None:
        """exp(-log_prob_adaptive / tokens), None without a cache."""
        if self.log_prob_adaptive is None:
            return None
        return perplexity(-self.log_prob_adaptive / self.tokens)

    @property
    def _adaptive(self) -> tuple[str, ...]:
        return () if self.log_prob_adaptive is None else ("perplexity_adaptive",)

    def __repr__(self) -> str:
        names = (*_SHOWN, *self._adaptive)
        figures = ", ".join(f"{name}={figure_text(getattr(self, name))}" for name in names)
        return f"Evaluation({figures})"

    def _repr_html_(self) -> str:
        names = (*_SHOWN, *self._adaptive)
        return html_table([[getattr(self, name) for name in names]], names)

    def to_dict(self) -> dict[str, int | float | None]:
        """Return the figures as JSON has them; null for infinite ones and NaN.

        ``perplexity_adaptive`` is among them if there was a cache.
        """
        names = (*_FIGURES, *self._adaptive)
        return finite_values({name: getattr(self, name) for name in names})


def evaluate_texts(
    model: TextModel, texts: Iterable[str], *, threads: int = 1, cache: TokenCache | None = None
) -> Evaluation:
    """Measure a model on texts, in constant memory; see ``LanguageModel.evaluate``.

    The losses of a batch are summed pairwise, which rounds less than one after the other.
    """
    nats: list[float] = []
    adaptive: list[float] = []
    tokens = oov = chars = n_bytes = 0
    scorer = BatchScorer(model, keep_empty=False, threads=threads)
    for batch in scorer.run(texts, _BATCH_CHARS):
        nats.append(float(batch.losses[batch.counted].sum()))
        if cache is not None:
            losses = cache.losses(batch.losses, batch.ids)
            adaptive.append(float(losses[batch.counted].sum()))
        scores = batch.scores
        tokens += int(scores.tokens.sum())
        oov += int(scores.oov.sum())
        chars += int(scores.chars.sum())
        n_bytes += int(scores.bytes.sum())
    if tokens == 0:
        first = model.first_target
        raise CorpusError(
            f"no document has the {first + 1} tokens that this model needs to predict one; give "
            "longer text"
            if first
            else "the texts hold no document: all are empty; give at least one with text"
        )
    cached = None if cache is None else -math.fsum(adaptive)
    return Evaluation(tokens, oov, chars, n_bytes, -math.fsum(nats), cached)


def evaluate_store(
    model: TextModel, store: TokenStore, *, threads: int = 1, cache: TokenCache | None = None
) -> Evaluation:
    """Measure a model on all of a store, the part held out for validation included.

    The figures are those of the text. Where a part is held out, the text that the cut goes through
    counts as two documents.

    Raises
    ------
    StoreError
        For a store of another tokenizer or other documents, and one without boundary tokens.
    CorpusError
        When there is nothing to predict.
    TrainingError
        When the model's losses are not finite.
    """
    store.require(tokenizer=model.tokenizer, documents=model.documents)
    if model.tokenizer.boundary_id is None:
        raise StoreError(
            f"{store.path} has no boundary tokens, so its documents cannot be told apart; evaluate "
            "the text itself"
        )
    skipped = model.tokenizer.boundary_id if is_one_document(model.documents) else None
    adaptive: list[float] = []

    def losses_of(tokens: Tokens, start: int, stop: int) -> NDArray[np.float64]:
        losses = model.losses(tokens, start, stop, threads)
        if cache is not None:
            ids = flat_ids(tokens)[start:stop]
            cached = cache.losses(losses, ids)
            adaptive.append(
                float(cached[ids != skipped].sum() if skipped is not None else cached.sum())
            )
        return losses

    total = sum_losses(
        losses_of,
        token_array(store.ids, model.tokenizer.vocab_size),
        model.first_target,
        skipped=skipped,
        unk=model.tokenizer.unk_id,
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
        log_prob_adaptive=None if cache is None else -math.fsum(adaptive),
    )
