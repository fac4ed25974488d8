"""Fine-tuning: training a model further, on more text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastlm.api.methods.texts import texts_of
from fastlm.api.remembering import lines_of
from fastlm.callbacks import Callback, Result, model_given
from fastlm.checks import check_known, is_number
from fastlm.config import Config, ModelConfig, TrainingConfig
from fastlm.counts.backoff_model import BackoffModel
from fastlm.counts.merging import add_counts
from fastlm.data.dataset import Dataset, dataset_from_texts
from fastlm.engine.tokens import token_counts
from fastlm.errors import ConfigError, CorpusError
from fastlm.inference.text_model import TextModel
from fastlm.model.remembered import Remembered
from fastlm.model.seen import Seen
from fastlm.text.documents import is_one_document
from fastlm.tokenizers import Tokenizer
from fastlm.training.defaults import default_rate
from fastlm.training.trainer import Trainer

__all__ = ["LR_FACTOR", "Trained", "finetuning_config", "train_further"]

# Learning rate, as a fraction of that from scratch: learns most of the new text and forgets little
# of the old (bench/CHOICES.md, "Fine-tuning").
LR_FACTOR = 0.25

# Largest fraction of <unk>; with more, the text is not what the vocabulary was made for.
_MOST_UNKNOWN = 0.5

# Settings that stay those of the first training.
_FROM_BEFORE = (
    "batch", "embed_lr_scale", "momentum", "weight_decay", "dropout", "embed_dropout", "shuffle",
    "threads",
)  # fmt: skip


def finetuning_config(before: TrainingConfig | None, settings: dict[str, Any]) -> TrainingConfig:
    """Return how to train further a model that was trained with ``before``.

    Batch, momentum, weight decay and dropout are those of before; the learning rate is a quarter of
    what it was, and falls to zero; one epoch. ``settings`` override these.
    """
    given = {name: value for name, value in settings.items() if value is not None}
    for name in sorted(given.keys() & ModelConfig.__dataclass_fields__.keys()):
        raise ConfigError(
            f"{name} is a part of the model, which training further does not change; leave it "
            "out, or train a new model"
        )
    check_known(
        settings,
        TrainingConfig.__dataclass_fields__.keys() - {"init"},
        others=("texts", "valid", "callbacks", "progress"),
        where="help(fastlm.LanguageModel.train_more)",
    )
    chosen = before or TrainingConfig()
    kept = {name: getattr(chosen, name) for name in _FROM_BEFORE}
    if not {"epochs", "steps", "minutes"} & given.keys():
        kept["epochs"] = 1
    if "lr" not in given:
        scale = default_rate(given.get("batch", chosen.batch)) / default_rate(chosen.batch)
        kept["lr"] = chosen.base_lr * scale * LR_FACTOR
    return TrainingConfig(**kept | given)


class Trained(NamedTuple):
    """What training further changes of a model.

    ``params``, ``training`` and ``result`` are None where there is no network, ``counts`` where
    there are none.
    """

    params: NDArray[np.float32] | None
    training: TrainingConfig | None
    counts: BackoffModel | None
    seen: Seen
    details: dict[str, Any]
    result: Result | None
    remembered: Remembered | None = None


def train_further(
    model: TextModel,
    texts: Any,
    *,
    trained: TrainingConfig | None,
    details: Mapping[str, Any],
    valid: Any,
    callbacks: Sequence[Callback],
    as_model: Callable[[NDArray[np.float32]], Any],
    settings: dict[str, Any],
) -> Trained:
    """Return new parameters and counts, how and on what they were trained, details and result.

    ``model`` stays as it is.

    texts, valid : see ``LanguageModel.train_more``
    trained, details : how the model was trained before, and facts about it
    as_model : makes a ``LanguageModel`` of parameters, for the callbacks
    """
    if len(model.networks) > 1:
        raise ConfigError(
            f"this model has {len(model.networks)} networks; train them further one by one, and "
            "mix them again"
        )
    training = finetuning_config(trained, settings)
    if not model.networks and settings.keys() - {"threads"}:
        name = min(settings.keys() - {"threads"})
        raise ConfigError(f"{name} is of a network, and this model has counts alone; leave it out")
    fraction = valid if is_number(valid) else 0
    dataset = _dataset(model, texts, fraction, training)
    held_out = dataset.valid
    if not (valid is None or is_number(valid) or isinstance(valid, int | float)):
        held_out = _dataset(model, valid, 0, training).train
    for tokens in (dataset.train, held_out):
        _check_unknown(model.tokenizer, tokens)
    vocab, boundary = model.tokenizer.vocab_size, model.tokenizer.boundary_id
    counts = None
    if model.counts is not None:
        counts = add_counts(model.counts.model, dataset.train, training.threads)
    more = Seen.of(
        token_counts(dataset.train, vocab), boundary, are_texts=is_one_document(model.documents)
    )
    seen = model.seen.with_more(more)
    remembered = model.remembered
    if remembered is not None:
        lines = lines_of(model.tokenizer, model.documents, [dataset.train, dataset.valid])
        remembered = remembered.with_more(lines)
    if not model.networks:
        run = {"reason": "finished", "step": 0, "seconds": 0.0, "history": []}
        facts = _details(details, run, dataset.fingerprint)
        return Trained(None, None, counts, seen, facts, None, remembered)
    network = model.networks[0]
    trainer = Trainer(
        Config(model=network.config, training=training, documents=model.documents),
        dataset.train,
        held_out,
        callbacks=callbacks,
        params=network.params.copy(),
    )
    with model_given(callbacks, lambda: as_model(trainer.engine.snapshot()[0])):
        result = trainer.fit()
    facts = _details(details, trainer.details(result.reason), dataset.fingerprint)
    return Trained(trainer.params, training, counts, seen, facts, result, remembered)


def _dataset(model: TextModel, texts: Any, valid: float, training: TrainingConfig) -> Dataset:
    return dataset_from_texts(
        texts_of(texts, CorpusError),
        model.tokenizer,
        documents=model.documents,
        valid=valid,
        threads=training.threads,
    )


def _check_unknown(tokenizer: Tokenizer, tokens: NDArray[Any] | None) -> None:
    """Raise CorpusError for text that the vocabulary was not made for."""
    if tokens is None or tokenizer.unk_id is None:
        return
    share = np.count_nonzero(tokens == tokenizer.unk_id) / tokens.size
    if share > _MOST_UNKNOWN:
        raise CorpusError(
            f"{share:.0%} of the text is unknown to the model's vocabulary of "
            f"{tokenizer.vocab_size}, and {_MOST_UNKNOWN:.0%} is the limit; train a new model "
            "on it"
        )


def _details(before: Mapping[str, Any], run: dict[str, Any], fingerprint: str) -> dict[str, Any]:
    """Return the facts about all runs: steps and seconds add up, losses are the last run's.

    run : the facts about the last one, see ``Trainer.details``
    """
    left_out = (
        "valid_loss", "network_valid_loss", "counts_valid_loss", "epoch", "best_step", "history",
    )  # fmt: skip
    details = {name: value for name, value in before.items() if name not in left_out}
    earlier = {
        name: known if isinstance(known := before.get(name, 0), int | float) else 0
        for name in ("step", "seconds")
    }
    for name, known in earlier.items():
        details[name] = run[name] + known
    details |= {name: run[name] for name in ("reason", "train_loss", "valid_loss") if name in run}
    details |= {
        "corpus": f"{before['corpus']}, then texts" if before.get("corpus") else "texts",
        "corpus_fingerprint": fingerprint,
    }
    history = before.get("history")
    details["history"] = [
        *(history if isinstance(history, list) else []),
        *(
            row | {name: row[name] + known for name, known in earlier.items()}
            for row in run["history"]
        ),
    ]
    return details
