"""Evaluation: the figures of a model on all of a text or a token store, from summed losses.

The formulas (perplexity, bits per character) are in ``fastlm.model.figures``.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial

from fastlm.data.token_store import TokenStore
from fastlm.engine.losses import sum_losses
from fastlm.engine.tokens import token_array
from fastlm.errors import CorpusError, StoreError, TrainingError
from fastlm.inference.batching import END_CHARS
from fastlm.inference.scoring import BatchScorer
from fastlm.inference.text_model import TextModel
from fastlm.model.figures import Figures
from fastlm.system.html_pages import figure_text, html_table
from fastlm.system.json_values import finite_values
from fastlm.text.documents import is_one_document

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
    """

    tokens: int
    oov: int
    chars: int
    bytes: int
    log_prob: float

    def __repr__(self) -> str:
        figures = ", ".join(f"{name}={figure_text(getattr(self, name))}" for name in _SHOWN)
        return f"Evaluation({figures})"

    def _repr_html_(self) -> str:
        return html_table([[getattr(self, name) for name in _SHOWN]], _SHOWN)

    def to_dict(self) -> dict[str, int | float | None]:
        """Return the figures as JSON has them; null for infinite ones and NaN."""
        return finite_values({name: getattr(self, name) for name in _FIGURES})


def evaluate_texts(model: TextModel, texts: Iterable[str], *, threads: int = 1) -> Evaluation:
    """Measure a model on texts, in constant memory; see ``LanguageModel.evaluate``.

    The losses of a batch are summed pairwise, which rounds less than one after the other.
    """
    nats: list[float] = []
    tokens = oov = chars = n_bytes = 0
    scorer = BatchScorer(model, keep_empty=False, threads=threads)
    for batch in scorer.run(texts, _BATCH_CHARS):
        nats.append(float(batch.losses[batch.counted].sum()))
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
    return Evaluation(tokens, oov, chars, n_bytes, log_prob=-math.fsum(nats))


def evaluate_store(model: TextModel, store: TokenStore, *, threads: int = 1) -> Evaluation:
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
    total = sum_losses(
        partial(model.losses, threads=threads),
        token_array(store.ids, model.tokenizer.vocab_size),
        model.first_target,
        skipped=model.tokenizer.boundary_id if is_one_document(model.documents) else None,
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
    )
