"""How well does a model predict a token store?"""

from __future__ import annotations

import math

from fastlm.errors import CorpusError, StoreError, TrainingError
from fastlm.evaluation import END_CHARS, Evaluation, evaluate_tokens
from fastlm.model import LanguageModel
from fastlm.store import TokenStore
from fastlm.threads import thread_count

__all__ = ["evaluate_store"]


def evaluate_store(lm: LanguageModel, store: TokenStore, threads: int | None = None) -> Evaluation:
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
    store.require(tokenizer=lm.tokenizer, documents=lm.documents)
    if lm.tokenizer.boundary_id is None:
        raise StoreError(
            f"{store.path} has no end symbols, so its documents cannot be told apart; evaluate "
            "the text itself"
        )
    total = evaluate_tokens(
        lm.params,
        lm.config,
        store.ids,
        count_boundary=lm.documents != "file",
        unk=lm.tokenizer.unk_id,
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
    ends = END_CHARS[lm.documents] * sum(part["documents"] for part in parts)
    return Evaluation(
        tokens=total.tokens,
        oov=total.oov,
        chars=sum(part["characters"] for part in parts) + ends,
        bytes=sum(part["bytes"] for part in parts) + ends,
        log_prob=-total.nats,
    )
