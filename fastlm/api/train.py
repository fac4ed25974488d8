"""``fastlm.train``: from a corpus to a trained model in one call."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from os import PathLike
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from fastlm.api.language_model import LanguageModel
from fastlm.api.start import RunStart
from fastlm.callbacks import Callback, Notice
from fastlm.config import Config, ModelConfig, TrainingConfig
from fastlm.data.dataset import Dataset, build_dataset
from fastlm.data.progress import ProgressReporter
from fastlm.data.reread import GIVEN, describe_source, reading_of
from fastlm.data.shuffle_window import automatic_window
from fastlm.data.split import valid_is_text
from fastlm.data.token_store import is_store
from fastlm.engine.network import first_target
from fastlm.engine.precompile import compiling_text
from fastlm.engine.tokens import token_counts
from fastlm.engine.training import kernels_cached
from fastlm.errors import ConfigError, CorpusError, TrainingError
from fastlm.model.seen import Seen
from fastlm.text.decoding import Reading
from fastlm.text.documents import is_one_document
from fastlm.tokenizers import Tokenizer
from fastlm.tokenizers.spec import TokenizerSpec
from fastlm.training.checkpoint import Origin
from fastlm.training.defaults import choose_settings, with_valid_sample
from fastlm.training.presets import Preset, preset_named, split_settings
from fastlm.training.replaced_run import run_lock
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
    encoding: str | None = None,
    errors: str | None = None,
    field: str | None = None,
    skip_bad: bool | None = None,
    cache: bool = True,
    softmax: str | None = None,
    preset: str | None = None,
    callbacks: Sequence[Callback] = (),
    checkpoint: FilePath | None = None,
    checkpoint_every: str | float | None = None,
    keep: int | None = None,
    resume: bool = False,
    restart: bool = False,
    overwrite: bool = False,
    replaces: FilePath | None = None,
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
        0 for no validation. Beside ``texts`` a str or an iterable of them is text as well, and
        files are ``Path`` objects. None: what a store holds out, else 5 % if that is enough text to
        measure on.
    tokenizer : {"char", "word", "whitespace", "byte"} or Tokenizer
        Default ``char``.
    vocab : path, optional
        A vocabulary file in place of counting the corpus.
    min_count, max_vocab : int
        See ``fastlm.tokenizers.build_tokenizer``.
    documents : {"file", "paragraphs", "lines", "stream"}
        What a document is: contexts do not reach across its end. Default ``file``, or as a store
        was made.
    encoding, errors, field, skip_bad
        How files are read (``fastlm.text.decoding.Reading``, which has the defaults).
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
        Where to write checkpoints, every ``checkpoint_every`` ("60s", "5m", "2000 steps"; default
        60 s), at the end, and when interrupted; ``keep`` older ones (default none) stay beside it.
    resume : bool
        Go on from the checkpoint. What is not given is as it was: text, tokenizer, settings. Only
        the length, patience, threads and lr may be others.
    restart : bool
        Begin anew although the checkpoint is one of a run that has not ended.
    overwrite : bool
        Replace the checkpoint of a run on another text or with other settings.
    replaces : path, optional
        A model file that the caller will put the result into: it is protected like the checkpoint.
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
    request = _Request(
        corpus=corpus,
        texts=texts,
        valid=valid,
        tokenizer=tokenizer,
        vocab=vocab,
        min_count=min_count,
        max_vocab=max_vocab,
        documents=documents,
        reading={
            name: value
            for name, value in (
                ("encoding", encoding),
                ("errors", errors),
                ("field", field),
                ("skip_bad", skip_bad),
            )
            if value is not None
        },
        cache=cache,
        softmax=softmax,
        preset=preset,
        settings=settings,
        callbacks=callbacks,
    )
    with run_lock(checkpoint):
        start = RunStart(
            checkpoint=checkpoint,
            checkpoint_every=checkpoint_every,
            keep=keep,
            resume=resume,
            restart=restart,
            init=init,
            init_momentum=init_momentum,
            metrics=metrics,
            overwrite=overwrite,
            replaces=replaces,
        )
        return _fit(start, _resolve(start, request), callbacks)


@dataclass(frozen=True, kw_only=True)
class _Request:
    """The arguments of ``train`` on the text and the settings.

    Attributes
    ----------
    reading : dict
        The fields of ``Reading`` that were given.
    """

    corpus: CorpusSource
    texts: Iterable[str] | None
    valid: CorpusSource | float
    tokenizer: str | Tokenizer | None
    vocab: str | PathLike[str] | None
    min_count: int
    max_vocab: int | None
    documents: Documents | None
    reading: dict[str, Any]
    cache: bool
    softmax: str | None
    preset: str | None
    settings: dict[str, Any]
    callbacks: Sequence[Callback]


@dataclass(frozen=True, kw_only=True)
class _ResolvedRun:
    """A run in which nothing is left to choose."""

    data: Dataset
    origin: Origin
    config: Config
    given: dict[str, Any]  # fields of config.training, which a checkpoint may refuse
    counts: NDArray[np.int64]  # int64[V], how often each token occurs
    reasons: tuple[str, ...]  # why the settings that were not given are what they are


def _resolve(start: RunStart, request: _Request) -> _ResolvedRun:
    """Read the text, and choose the settings that are not given."""
    preset = preset_named(request.preset)
    model_settings, given = split_settings(request.settings, preset)
    training = start.training_config(given)
    data, source = _read_corpus(start, request, preset, training.threads)
    start.check_documents(data.documents)
    start.check_tokenizer(data.tokenizer)
    counts = token_counts(data.train, data.tokenizer.vocab_size)
    reasons: tuple[str, ...] = ()
    window = ""
    if start.saved is None and training.shuffle and training.shuffle_window is None:
        # A checkpoint keeps its own window, whatever the memory is now.
        given["shuffle_window"], window = automatic_window(data.train)
        training = start.training_config(given)
    speed = SpeedProbe(data.train, partial(_announce_compiling, request.callbacks))
    if start.from_scratch and request.preset is None:
        chosen = choose_settings(
            counts,
            documents=data.documents,
            model=model_settings,
            training=given,
            tokens=data.train,
            boundary=data.tokenizer.boundary_id,
            softmax=request.softmax or "auto",
            speed=speed,
        )
        model_settings, given, reasons = chosen.model, chosen.training, chosen.reasons
        training = TrainingConfig(**given)
    elif request.softmax is not None:
        raise ConfigError(
            f"softmax is {request.softmax!r}, but the model's shape is given by a checkpoint, a "
            "model or a preset; leave softmax out"
        )
    model = start.model_config(data.tokenizer, model_settings)
    data, no_valid = _with_valid(data, model, request, preset)
    if no_valid:
        source["valid"] = 0
    sample = ""
    if start.saved is None and data.valid is not None:
        training, sample = with_valid_sample(training, model, data.valid.size, speed)
    config = Config(model=model, training=training, documents=data.documents)
    start.check_replaced(config, data, request.settings)
    return _ResolvedRun(
        data=data,
        origin=Origin(
            tokenizer=data.tokenizer,
            description=data.description,
            corpus_source=source,
            seen=start.with_seen(_seen(data, counts, request)),
        ),
        config=config,
        given=given,
        counts=counts,
        reasons=(*reasons, *filter(None, (window, no_valid, sample))),
    )


def _seen(data: Dataset, counts: NDArray[np.int64], request: _Request) -> Seen:
    are_texts = request.texts is not None and is_one_document(data.documents)
    return Seen.of(counts, data.tokenizer.boundary_id, are_texts=are_texts)


def _read_corpus(
    start: RunStart, request: _Request, preset: Preset, threads: int | None
) -> tuple[Dataset, dict[str, Any]]:
    """Return the tokens, and how a later run finds their text again."""
    corpus, reading = request.corpus, Reading(**request.reading)
    valid = start.source("valid", request.valid, preset.valid)
    if request.texts is None:
        corpus = start.source("corpus", corpus)
        if start.saved is not None and not _is_one_store(corpus):
            # Under another name, too, it is read as it was.
            reading = replace(reading_of(start.saved.corpus), **request.reading)
    tokenizer = request.tokenizer
    if not (tokenizer or request.vocab or request.min_count != 1 or request.max_vocab):
        tokenizer = start.tokenizer
    data = build_dataset(
        corpus,
        TokenizerSpec.of(
            tokenizer,
            default=preset.tokenizer,
            default_options=preset.tokenizer_options,
            vocab=request.vocab,
            min_count=request.min_count,
            max_vocab=request.max_vocab,
        ),
        texts=request.texts,
        valid=valid,
        documents=start.documents if request.documents is None else request.documents,
        reading=reading,
        cache=request.cache,
        threads=threads,
        reporter=ProgressReporter(request.callbacks),
    )
    has_texts = request.texts is not None
    valid = GIVEN if has_texts and valid_is_text(valid) else valid
    source = describe_source(corpus, valid, texts=has_texts)
    return data, source | {"reading": asdict(reading)}


def _is_one_store(corpus: Any) -> bool:
    paths = [corpus] if isinstance(corpus, (str, PathLike)) else corpus
    return isinstance(paths, Sequence) and len(paths) == 1 and is_store(paths[0])


def _fit(start: RunStart, run: _ResolvedRun, callbacks: Sequence[Callback]) -> LanguageModel:
    data = run.data
    trainer = start.trainer(
        run.config,
        data.train,
        data.valid,
        counts=run.counts,
        given=run.given,
        callbacks=callbacks,
        origin=run.origin,
    )
    trainer.reasons = run.reasons
    try:
        result = trainer.fit()
    except TrainingError as error:
        if trainer.run.step:
            error.model = _trained_model(trainer, data, "diverged")
        raise
    lm = _trained_model(trainer, data, result.reason)
    lm.result = result
    return lm


def _trained_model(trainer: Trainer, data: Dataset, reason: str) -> LanguageModel:
    return LanguageModel(
        trainer.config.model,
        trainer.params,
        data.tokenizer,
        documents=trainer.config.documents,
        training=trainer.config.training,
        seen=trainer.origin.seen,
        details=trainer.details(reason)
        | {"corpus": data.description, "corpus_fingerprint": data.fingerprint},
    )


def _announce_compiling(callbacks: Sequence[Callback]) -> None:
    """Tell that the speed is measured by kernels that are not compiled yet."""
    if not kernels_cached():
        for callback in callbacks:
            callback.on_notice(Notice("compiling", compiling_text()))


def _with_valid(
    data: Dataset, model: ModelConfig, request: _Request, preset: Preset
) -> tuple[Dataset, str]:
    """Return the data, and a reason if it loses a validation part too short to predict in.

    Raises CorpusError where the caller asked for that part.
    """
    needed = first_target(model) + 1
    if data.valid is None or data.valid.size >= needed:
        return data, ""
    if request.valid is None and preset.valid is None:
        train = np.concatenate((data.train, data.valid))
        fingerprint = f"{data.fingerprint.rpartition(':')[0]}:{train.size}"
        whole = replace(data, train=train, valid=None, fingerprint=fingerprint)
        return whole, "no validation: the text is too short to hold out a part of it"
    raise CorpusError(
        f"the validation text has {data.valid.size} tokens, but a context of {model.span} needs at "
        f"least {needed}; hold out more or none (0)"
    )
