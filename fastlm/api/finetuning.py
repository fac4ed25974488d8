"""Training a model further, on more text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm.callbacks import Callback, Result
from fastlm.config import Config, ModelConfig, TrainingConfig
from fastlm.data.dataset import Dataset, dataset_from_texts
from fastlm.errors import ConfigError, CorpusError
from fastlm.inference.text_model import TextModel
from fastlm.tokenizers import Tokenizer
from fastlm.training.trainer import Trainer

__all__ = ["RATE_SHARE", "further_training", "train_further"]

# Of the learning rate from scratch. A character model of Brown (2.36 bits a character there), then
# an epoch of 300,000 characters of Shakespeare at 1, 1/2, 1/4, 1/10 of the rate: 2.85, 2.82, 2.80,
# 2.85 bits on Shakespeare, and 3.01, 2.88, 2.77, 2.67 on Brown.
RATE_SHARE = 0.25


# More of a text than this in <unk> is text that the vocabulary was not made for.
_MOST_UNKNOWN = 0.5


_FROM_BEFORE = (
    "batch", "embed_lr_scale", "momentum", "weight_decay", "dropout", "embed_dropout", "shuffle",
    "threads",
)  # fmt: skip


def further_training(before: TrainingConfig | None, settings: dict[str, Any]) -> TrainingConfig:
    """How a model that was trained with ``before`` is trained further.

    settings : fields of ``TrainingConfig`` that override what follows; None stands for the default.
        Batch, momentum, weight decay and dropout are those of before, the learning rate a quarter
        of what it was, falling to zero; one epoch.

    Raises ConfigError for a setting that there is not.
    """
    given = {name: value for name, value in settings.items() if value is not None}
    known = set(TrainingConfig.__dataclass_fields__) - {"init"}
    for name in sorted(given.keys() - known):
        if name in ModelConfig.__dataclass_fields__:
            raise ConfigError(
                f"{name} is a part of the model, which training further does not change; leave it "
                "out, or train a new model"
            )
        raise ConfigError(f"unknown setting {name!r}; there are {', '.join(sorted(known))}")
    chosen = before or TrainingConfig()
    kept = {name: getattr(chosen, name) for name in _FROM_BEFORE}
    if not {"epochs", "steps", "minutes"} & given.keys():
        kept["epochs"] = 1
    if "lr" not in given:
        scale = given.get("batch", chosen.batch) / chosen.batch
        kept["lr"] = chosen.base_lr * scale * RATE_SHARE
    return TrainingConfig(**kept | given)


def train_further(
    model: TextModel,
    texts: str | Iterable[str],
    *,
    trained: TrainingConfig | None,
    details: Mapping[str, Any],
    valid: str | Iterable[str] | float | None,
    callbacks: Sequence[Callback],
    settings: dict[str, Any],
) -> tuple[NDArray[np.float32], TrainingConfig, dict[str, Any], Result]:
    """Train a model further on more text; see ``LanguageModel.train_more``.

    trained : how the model was trained before
    details : facts about the runs before

    Returns (new parameters, how they were trained, new details, how it went); the model stays as
    it is.
    """
    training = further_training(trained, settings)
    fraction = valid if isinstance(valid, int | float) else 0
    dataset = _dataset(model, texts, fraction, training)
    held_out = dataset.valid
    if valid is not None and not isinstance(valid, int | float):
        held_out = _dataset(model, valid, 0, training).train
    for tokens in (dataset.train, held_out):
        _check_unknown(model.tokenizer, tokens)
    trainer = Trainer(
        Config(model=model.config, training=training, documents=model.documents),
        dataset.train,
        held_out,
        callbacks=callbacks,
        params=model.params.copy(),
    )
    result = trainer.fit()
    return trainer.params, training, _details(details, result, dataset.fingerprint), result


def _dataset(
    model: TextModel, texts: str | Iterable[str], valid: float, training: TrainingConfig
) -> Dataset:
    return dataset_from_texts(
        [texts] if isinstance(texts, str) else texts,
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


def _details(before: Mapping[str, Any], result: Result, fingerprint: str) -> dict[str, Any]:
    """Facts about both runs: steps and seconds add up, what was measured is of the last one."""
    details = {name: value for name, value in before.items() if name not in ("valid_loss", "epoch")}
    for name, more in (("step", result.step), ("seconds", result.elapsed)):
        known = details.get(name, 0)
        details[name] = more + (known if isinstance(known, int | float) else 0)
    details |= {
        "reason": result.reason,
        "train_loss": result.train_loss,
        "corpus": f"{before['corpus']}, then texts" if before.get("corpus") else "texts",
        "corpus_fingerprint": fingerprint,
    }
    details.pop("best_step", None)
    if result.best is not None:
        details["valid_loss"] = result.best.loss
    return details
