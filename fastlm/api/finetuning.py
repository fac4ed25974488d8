"""Fine-tuning: training a model further, on more text."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm.api.texts import texts_of
from fastlm.callbacks import Callback, Result, model_given
from fastlm.checks import check_known, is_number
from fastlm.config import Config, ModelConfig, TrainingConfig
from fastlm.data.dataset import Dataset, dataset_from_texts
from fastlm.engine.tokens import token_counts
from fastlm.errors import ConfigError, CorpusError
from fastlm.inference.members import NetworkMember
from fastlm.inference.text_model import TextModel
from fastlm.model.seen import Seen
from fastlm.text.documents import is_one_document
from fastlm.tokenizers import Tokenizer
from fastlm.training.defaults import default_rate
from fastlm.training.trainer import Trainer

__all__ = ["LR_FACTOR", "finetuning_config", "train_further"]

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
) -> tuple[NDArray[np.float32], TrainingConfig, Seen, dict[str, Any], Result]:
    """Return new parameters, how and on what they were trained, details and result.

    ``model`` stays as it is.

    texts, valid : see ``LanguageModel.train_more``
    trained, details : how the model was trained before, and facts about it
    as_model : makes a ``LanguageModel`` of parameters, for the callbacks
    """
    network = _only_network(model)
    training = finetuning_config(trained, settings)
    fraction = valid if is_number(valid) else 0
    dataset = _dataset(model, texts, fraction, training)
    held_out = dataset.valid
    if not (valid is None or is_number(valid) or isinstance(valid, int | float)):
        held_out = _dataset(model, valid, 0, training).train
    for tokens in (dataset.train, held_out):
        _check_unknown(model.tokenizer, tokens)
    trainer = Trainer(
        Config(model=network.config, training=training, documents=model.documents),
        dataset.train,
        held_out,
        callbacks=callbacks,
        params=network.params.copy(),
    )
    with model_given(callbacks, lambda: as_model(trainer.engine.snapshot()[0])):
        result = trainer.fit()
    more = Seen.of(
        token_counts(dataset.train, network.config.vocab),
        network.config.boundary,
        are_texts=is_one_document(model.documents),
    )
    seen = model.seen.with_more(more)
    facts = _details(details, trainer.details(result.reason), dataset.fingerprint)
    return trainer.params, training, seen, facts, result


def _only_network(model: TextModel) -> NetworkMember:
    if len(model.networks) == 1:
        return model.networks[0]
    what = f"{len(model.networks)} networks" if model.networks else "counts alone, no network"
    raise ConfigError(f"this model has {what}; train_more takes one with a network")


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
    left_out = ("valid_loss", "epoch", "best_step", "history")
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
