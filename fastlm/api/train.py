"""From a corpus to a trained model in one call."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence
from os import PathLike
from typing import Any, get_args

from fastlm.api.language_model import LanguageModel
from fastlm.api.start import Beginning
from fastlm.callbacks import Callback, Notice
from fastlm.config import Config, ModelConfig, TrainingConfig
from fastlm.data.dataset import Dataset, automatic_window, build_dataset
from fastlm.data.progress import ProgressReporter
from fastlm.data.reread import describe_source, reading_of
from fastlm.engine.tokens import token_counts
from fastlm.engine.training import kernels_cached
from fastlm.errors import ConfigError, CorpusError, TrainingError
from fastlm.text.decoding import Reading
from fastlm.tokenizers import Tokenizer
from fastlm.tokenizers.spec import TokenizerSpec
from fastlm.training.checkpoint import Origin
from fastlm.training.defaults import choose_settings
from fastlm.training.presets import Preset, preset_named
from fastlm.training.speed_probe import SpeedProbe
from fastlm.training.trainer import Trainer
from fastlm.types import CorpusSource, Documents, FilePath, FirstWeights

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
    softmax: str | None = None,
    preset: str | None = None,
    callbacks: Sequence[Callback] = (),
    checkpoint: FilePath | None = None,
    checkpoint_every: str | float = "60s",
    keep: int = 0,
    resume: bool = False,
    restart: bool = False,
    init: FilePath | LanguageModel | None = None,
    init_momentum: bool = False,
    metrics: FilePath | None = None,
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
        How files are read (``fastlm.text.decoding.Reading``).
    cache : bool
        Of more than 8 MB of text a token store is made in the cache folder (``fastlm.data.cache``),
        and used again when text and settings are the same. False: hold the tokens in memory.
    softmax : {"auto", "full", "adaptive"}
        Default ``auto``: an adaptive softmax (Grave et al. 2017) where the vocabulary is so large
        that a step gets much cheaper by it. ``cutoffs`` says where to cut.
    preset : {"tiny", "mini"}, optional
        Settings of one of the founding systems; what is given here besides overrides them.
    callbacks : sequence of Callback
        Told how it goes (``fastlm.callbacks``).
    checkpoint : path, optional
        Where to write checkpoints, every ``checkpoint_every`` ("60s", "5m", "2000 steps"), at the
        end, and when interrupted; ``keep`` older ones stay beside it.
    resume : bool
        Go on from the checkpoint. What is not given is as it was: text, tokenizer, settings. Only
        the length, patience, threads and lr may be others.
    restart : bool
        Begin anew although the checkpoint is one of a run that has not ended.
    init : path or LanguageModel, optional
        A model to start from: its weights, tokenizer and shape. With ``init_momentum`` it is a
        checkpoint, and the run starts from the weights and the momentum of its last step. (The
        words ``scaled``, ``tiny`` and ``mini`` are first weights: see ``TrainingConfig``.)
    metrics : path, optional
        Where to write a JSON object a line: one for each validation, and every few seconds.
    **settings
        Fields of ``ModelConfig`` (context, embed, hidden, combine, bias) and of ``TrainingConfig``
        (batch, lr, momentum, schedule, epochs, steps, minutes, patience, dropout, seed, ...).
        What is left out, or None, is chosen for the corpus and the time
        (``fastlm.training.defaults``).

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
    ModelFileError
        For a checkpoint or a model to start from that cannot be read.
    TrainingError
        When training diverges; its ``model`` is the last good one, or None.
    """
    if isinstance(init, str) and init in get_args(FirstWeights):
        settings["init"], init = init, None
    start = Beginning(
        checkpoint=checkpoint,
        checkpoint_every=checkpoint_every,
        keep=keep,
        resume=resume,
        restart=restart,
        init=init,
        init_momentum=init_momentum,
        metrics=metrics,
    )
    chosen = preset_named(preset)
    model_settings, training_settings = _split_settings(settings, chosen)
    training = start.training_config(training_settings)
    valid = start.source("valid", valid, chosen.valid)
    reading = Reading(encoding=encoding, errors=errors, field=field, skip_bad=skip_bad)
    if texts is None:
        again = corpus is None
        corpus = start.source("corpus", corpus)
        if again and start.saved is not None and reading == Reading():
            reading = reading_of(start.saved.corpus)
    wanted = tokenizer
    if not (tokenizer or vocab or min_count != 1 or max_vocab):
        wanted = start.tokenizer
    text = build_dataset(
        corpus,
        TokenizerSpec.of(
            wanted,
            default=chosen.tokenizer,
            default_options=chosen.tokenizer_options,
            vocab=vocab,
            min_count=min_count,
            max_vocab=max_vocab,
        ),
        texts=texts,
        valid=valid,
        documents=start.documents if documents is None else documents,
        reading=reading,
        cache=cache,
        threads=training.threads,
        reporter=ProgressReporter(callbacks),
    )
    start.check_documents(text.documents)
    start.check_tokenizer(text.tokenizer)
    counts = None
    reasons: tuple[str, ...] = ()
    window = ""
    if start.saved is None and training.shuffle and training.shuffle_window is None:
        # A checkpoint has its own, whatever the memory is now.
        training_settings["shuffle_window"], window = automatic_window(text.train)
        training = start.training_config(training_settings)
    if start.anew and preset is None:
        counts = token_counts(text.train, text.tokenizer.vocab_size)
        picked = choose_settings(
            counts,
            documents=text.documents,
            model=model_settings,
            training=training_settings,
            softmax=softmax or "auto",
            speed=_probe(text, training, callbacks),
        )
        model_settings, training_settings = picked.model, picked.training
        training, reasons = TrainingConfig(**training_settings), picked.reasons
    elif softmax is not None:
        raise ConfigError(
            f"softmax is {softmax!r}, but the model's shape is given by a checkpoint, a model or a "
            "preset; leave softmax out"
        )
    model = start.model_config(text.tokenizer, model_settings)
    _check_valid(text, model)
    trainer = start.trainer(
        Config(model=model, training=training, documents=text.documents),
        text.train,
        text.valid,
        counts=counts,
        given=training_settings,
        callbacks=callbacks,
        origin=Origin(
            tokenizer=text.tokenizer,
            description=text.description,
            corpus_source=describe_source(corpus, valid, texts=texts is not None)
            | {"reading": dataclasses.asdict(reading)},
        ),
    )
    trainer.reasons = (*reasons, window) if window else reasons
    try:
        result = trainer.fit()
    except TrainingError as error:
        if trainer.run.step:
            error.model = _trained(trainer, text, "diverged")
        raise
    trained = _trained(trainer, text, result.reason)
    trained.result = result
    trained.corpus_description = text.description
    return trained


def _trained(trainer: Trainer, text: Dataset, reason: str) -> LanguageModel:
    return LanguageModel(
        trainer.config.model,
        trainer.params,
        text.tokenizer,
        documents=trainer.config.documents,
        training=trainer.config.training,
        details=trainer.details(reason)
        | {"corpus": text.description, "corpus_fingerprint": text.fingerprint},
    )


def _probe(text: Dataset, training: TrainingConfig, callbacks: Sequence[Callback]) -> SpeedProbe:
    # Only for a run bounded by time is the speed asked for, before the trainer announces itself.
    if training.minutes is not None and not kernels_cached():
        for callback in callbacks:
            callback.on_notice(
                Notice(
                    "compiling", "kernels for the first time: 10 to 30 s; later starts use a cache"
                )
            )
    return SpeedProbe(text.train)


def _check_valid(text: Dataset, model: ModelConfig) -> None:
    if text.valid is not None and text.valid.size < model.span + 1:
        raise CorpusError(
            f"the validation text has {text.valid.size} tokens, but a context of "
            f"{model.span} needs at least {model.span + 1}; hold out more or none (0)"
        )


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
