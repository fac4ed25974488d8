"""From a corpus to a trained model in one call."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from os import PathLike
from typing import Any

from fastlm.config import Documents, ModelConfig, TrainingConfig
from fastlm.decoding import Reading
from fastlm.errors import ConfigError, CorpusError
from fastlm.events import Callback, Result
from fastlm.inputs import CorpusSource
from fastlm.model import LanguageModel
from fastlm.preparation import Watch
from fastlm.presets import Preset, preset_named
from fastlm.tokenizer_choice import TokenizerChoice
from fastlm.tokenizers import Tokenizer
from fastlm.trainer import Config, Trainer
from fastlm.training_tokens import TrainingTokens, training_tokens

__all__ = ["train"]


def train(
    corpus: CorpusSource = None,
    *,
    texts: Iterable[str] | None = None,
    valid: CorpusSource | float = None,
    tokenizer: str | Tokenizer | None = None,
    vocab: str | PathLike[str] | None = None,
    min_count: int = 1,
    max_vocab: int | None = None,
    documents: Documents | None = None,
    encoding: str = "utf-8",
    errors: str = "strict",
    field: str | None = None,
    skip_bad: bool = False,
    cache: bool = True,
    preset: str | None = None,
    callbacks: Sequence[Callback] = (),
    **settings: Any,
) -> LanguageModel:
    """Train a model.

    Parameters
    ----------
    corpus : path, sequence of paths, or None
        Files, folders, patterns, "-" for standard input; plain, .gz, .zst, .jsonl. Or one token
        store (``fastlm.prepare``). None: the documentation text that every Python ships.
    texts : iterable of str, optional
        Text itself, in place of files; each is a text as a file is.
    valid : path, sequence of paths, float, or None
        What to validate on: files, a store, or the fraction of the corpus to hold out from its end;
        0 for no validation. None: what a store holds out, else 5 % if that is enough text to
        measure on.
    tokenizer : {"char", "word", "whitespace", "byte"} or Tokenizer
        Default ``char``.
    vocab : path, optional
        A vocabulary file in place of counting the corpus.
    min_count, max_vocab : int
        See ``fastlm.tokenizers.build_tokenizer``.
    documents : {"file", "paragraphs", "lines"}
        What a document is: contexts do not reach across its end. Default ``file``, or as a store
        was made.
    encoding, errors, field, skip_bad
        How files are read (``fastlm.decoding.Reading``).
    cache : bool
        Of more than 8 MB of text a token store is made in the cache folder (``fastlm.cache``), and
        used again when text and settings are the same. False: hold the tokens in memory.
    preset : {"tiny", "mini"}, optional
        Settings of one of the founding systems; what is given here besides overrides them.
    callbacks : sequence of Callback
        Told how it goes (``fastlm.events``).
    **settings
        Fields of ``ModelConfig`` (context, embed, hidden, combine, bias) and of ``TrainingConfig``
        (batch, lr, momentum, schedule, epochs, steps, minutes, patience, dropout, seed, ...).
        None stands for the default.

    Returns
    -------
    LanguageModel
        With the parameters of the best validation; ``result`` says how the run went. After Ctrl-C
        it is the model so far, and ``result.reason`` is ``interrupted``.

    Raises
    ------
    CorpusError, TokenizerError, ConfigError
        For text, a vocabulary or a setting that cannot be used.
    StoreError
        For a token store that cannot be used or written.
    TrainingError
        When training diverges.
    """
    chosen = preset_named(preset)
    model_settings, training_settings = _split_settings(settings, chosen)
    training = TrainingConfig(**training_settings)
    if valid is None:
        valid = chosen.valid
    text = training_tokens(
        corpus,
        TokenizerChoice.of(
            tokenizer, chosen, vocab=vocab, min_count=min_count, max_vocab=max_vocab
        ),
        texts=texts,
        valid=valid,
        documents=documents,
        reading=Reading(encoding=encoding, errors=errors, field=field, skip_bad=skip_bad),
        cache=cache,
        threads=training.threads,
        watch=Watch(callbacks),
    )
    encoder = text.tokenizer
    model = ModelConfig(vocab=encoder.vocab_size, boundary=encoder.boundary_id, **model_settings)
    if text.valid is not None and text.valid.size < model.context + 1:
        raise CorpusError(
            f"the validation text has {text.valid.size} tokens, but a context of "
            f"{model.context} needs at least {model.context + 1}; hold out more or none (0)"
        )
    config = Config(model=model, training=training, documents=text.documents)
    trainer = Trainer(config, text.train, text.valid, callbacks=callbacks)
    result = trainer.fit()
    trained = LanguageModel(
        model,
        trainer.params,
        encoder,
        documents=text.documents,
        training=training,
        details=_details(result, text),
    )
    trained.result = result
    trained.corpus_description = text.description
    return trained


def _split_settings(
    settings: dict[str, Any], preset: Preset
) -> tuple[dict[str, Any], dict[str, Any]]:
    """(fields of ModelConfig, fields of TrainingConfig): the preset's, then what is given."""
    given = {name: value for name, value in settings.items() if value is not None}
    in_model = set(ModelConfig.__dataclass_fields__) - {"vocab", "boundary"}
    in_training = set(TrainingConfig.__dataclass_fields__)
    unknown = sorted(set(given) - in_model - in_training)
    if unknown:
        raise ConfigError(
            f"unknown setting {unknown[0]!r}; there are {', '.join(sorted(in_model | in_training))}"
        )
    training = dict(preset.training)
    if {"epochs", "steps", "minutes"} & set(given):
        training.pop("epochs", None)  # another way to say how long replaces the preset's
    return (
        preset.model | {name: value for name, value in given.items() if name in in_model},
        training | {name: value for name, value in given.items() if name in in_training},
    )


def _details(result: Result, text: TrainingTokens) -> dict[str, Any]:
    """Facts about the run that stay with the model."""
    details: dict[str, Any] = {
        "reason": result.reason,
        "step": result.step,
        "epoch": result.epoch,
        "seconds": result.elapsed,
        "train_loss": result.train_loss,
        "corpus": text.description,
        "corpus_fingerprint": text.fingerprint,
    }
    if result.best is not None:
        details |= {"valid_loss": result.best.loss, "best_step": result.best.step}
    return details
