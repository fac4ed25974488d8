"""The run of ``fastlm.train``: text and settings are resolved, then a model is fitted."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from os import PathLike
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm.api.counting import (
    AUTO_COUNTS,
    NO_COUNTS,
    CountSettings,
    check_counts_replaced,
    count_dataset,
    counts_model,
    tell,
    with_counts,
)
from fastlm.api.language_model import LanguageModel
from fastlm.api.remembering import check_remembers, lines_of
from fastlm.api.start import RunStart
from fastlm.callbacks import Callback, Notice, model_given
from fastlm.config import Config, ModelConfig, TrainingConfig
from fastlm.data.dataset import Dataset, build_dataset
from fastlm.data.progress import ProgressReporter
from fastlm.data.reread import GIVEN, describe_source, reading_of
from fastlm.data.shuffle_window import automatic_window
from fastlm.data.token_store import is_store
from fastlm.engine.network import first_target
from fastlm.engine.precompile import compiling_text, is_compiled
from fastlm.engine.tokens import token_counts
from fastlm.errors import ConfigError, CorpusError, TrainingError
from fastlm.model.remembered import Remembered
from fastlm.model.seen import Seen
from fastlm.text.decoding import Reading
from fastlm.text.documents import is_one_document
from fastlm.tokenizers import Tokenizer
from fastlm.tokenizers.spec import MOST_WORDS, TokenizerSpec
from fastlm.training.checkpoint import Origin
from fastlm.training.defaults import choose_settings, with_valid_sample
from fastlm.training.presets import Preset, preset_named, split_settings
from fastlm.training.speed_probe import SpeedProbe
from fastlm.training.trainer import Trainer
from fastlm.types import CorpusSource, Documents, FilePath
from fastlm.wording import setting

__all__ = ["Request", "ResolvedRun", "fit", "fit_counts", "resolve"]


@dataclass(frozen=True, kw_only=True)
class Request:
    """The arguments of ``fastlm.train`` on the text and the settings.

    Attributes
    ----------
    reading : dict
        The fields of ``Reading`` that were given.
    keywords : frozenset of str
        Of ``train``: what a misspelt setting may mean.
    """

    corpus: CorpusSource
    texts: str | Iterable[str] | None
    valid: CorpusSource | float
    valid_texts: str | Iterable[str] | None
    tokenizer: str | Tokenizer | None
    vocab: str | PathLike[str] | None
    min_count: int | None
    max_vocab: int | None
    documents: Documents | None
    reading: dict[str, Any]
    cache: bool
    softmax: str | None
    preset: str | None
    settings: dict[str, Any]
    keywords: frozenset[str]
    callbacks: Sequence[Callback]
    counts: CountSettings | None = None
    remember: bool = False


@dataclass(frozen=True, kw_only=True)
class ResolvedRun:
    """A run in which nothing is left to choose."""

    data: Dataset
    origin: Origin
    config: Config
    given: dict[str, Any]  # fields of config.training, which a checkpoint may refuse
    counts: NDArray[np.int64]  # int64[V], how often each token occurs
    reasons: tuple[str, ...]  # why the settings that were not given are what they are
    counting: CountSettings = NO_COUNTS  # what is counted beside the network
    remember: bool = False


def resolve(start: RunStart, request: Request) -> ResolvedRun:
    """Read the text, and choose the settings that are not given."""
    preset = preset_named(request.preset)
    model_settings, given = split_settings(request.settings, preset, request.keywords)
    training = start.training_config(given)
    data, source = _read_corpus(start, request, preset, training.threads)
    start.check_documents(data.documents)
    start.check_tokenizer(data.tokenizer)
    remember = _remembers(start, request, data)
    if remember:
        source["remember"] = True
    counts = token_counts(data.train, data.tokenizer.vocab_size)
    reasons: tuple[str, ...] = ()
    rare = ""
    if start.from_scratch and request.min_count is None and request.max_vocab is None:
        rare = _rare_words(data.tokenizer, counts)
    window = ""
    if start.saved is None and training.shuffle and training.shuffle_window is None:
        # A checkpoint keeps its own window, whatever the memory is now.
        given["shuffle_window"], window = automatic_window(data.train)
        training = start.training_config(given)
    speed = SpeedProbe(data.train, partial(_announce_compiling, request.callbacks))
    is_open = start.from_scratch and request.preset is None
    if is_open:
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
    model = start.model_config(data.tokenizer, model_settings)
    softmax = "adaptive" if model.cutoffs else "full"
    if not is_open and request.softmax not in (None, "auto", softmax):
        raise ConfigError(
            f"{setting('softmax', request.softmax)} is given, but a checkpoint, model or preset "
            f"gives the shape, with {setting('softmax', softmax)}; leave it out"
        )
    data, no_valid = _with_valid(data, model, request, preset)
    if no_valid:
        source["valid"] = 0
    counting = _counting(start, request, data)
    if counting.any:
        source["counts"] = counting.to_dict()
    sample = ""
    if start.saved is None and data.valid is not None:
        training, sample = with_valid_sample(training, model, data.valid.size, speed)
    config = Config(model=model, training=training, documents=data.documents)
    start.check_replaced(config, data, request.settings)
    return ResolvedRun(
        data=data,
        origin=Origin(
            tokenizer=data.tokenizer,
            description=data.description,
            corpus_source=source,
            seen=start.with_seen(_seen(data, counts)),
        ),
        config=config,
        given=given,
        counts=counts,
        reasons=(*reasons, *filter(None, (rare, window, no_valid, sample))),
        counting=counting,
        remember=remember,
    )


def _remembers(start: RunStart, request: Request, data: Dataset) -> bool:
    """Tell whether the model is to remember lines: as asked, or as the run or model before did."""
    asked = request.remember
    if start.saved is not None:
        asked = asked or (start.saved.corpus["recipe"] or {}).get("remember") is True
    if start.base is not None:
        asked = asked or start.base.remembered is not None
    if asked:
        check_remembers(data.tokenizer, data.documents)
    return asked


def _counting(start: RunStart, request: Request, data: Dataset) -> CountSettings:
    """Return what is counted: as given, else as the checkpoint says, else what is worth it."""
    counting = request.counts
    if start.saved is not None:
        recipe = start.saved.corpus["recipe"] or {}
        before = CountSettings.from_dict(recipe.get("counts")) or NO_COUNTS
        if counting not in (None, before):
            raise ConfigError(
                f"{start.saved.path} is of a run with other counts; leave {setting('counts')} out "
                "to resume it"
            )
        counting = before
    elif counting is None:
        counting = AUTO_COUNTS if start.from_scratch and request.preset is None else NO_COUNTS
    if data.valid is not None or not counting.any:
        return counting
    if counting.auto:
        return NO_COUNTS
    raise ConfigError(
        f"counts need validation text, on which they are weighed; give {setting('valid')}, or "
        f"leave {setting('counts')} out"
    )


def _rare_words(tokenizer: Tokenizer, counts: NDArray[np.int64]) -> str:
    """Return a line on the words that the largest vocabulary by default leaves out."""
    unknown = 0 if tokenizer.unk_id is None else int(counts[tokenizer.unk_id])
    if tokenizer.kind != "word" or tokenizer.vocab_size != MOST_WORDS or not unknown:
        return ""
    return (
        f"rarer words are <unk>, {unknown / int(counts.sum()):.1%} of the text; "
        f"{setting('max_vocab')} sets how many are kept"
    )


def _seen(data: Dataset, counts: NDArray[np.int64]) -> Seen:
    are_texts = data.has_records and is_one_document(data.documents)
    return Seen.of(counts, data.tokenizer.boundary_id, are_texts=are_texts)


def _read_corpus(
    start: RunStart, request: Request, preset: Preset, threads: int | None
) -> tuple[Dataset, dict[str, Any]]:
    """Return the tokens, and how a later run finds their text again."""
    corpus, reading = request.corpus, Reading(**request.reading)
    valid: Any = None
    if request.valid_texts is None:
        valid = start.source("valid", request.valid, preset.valid)
    if request.texts is None:
        corpus = start.source("corpus", corpus)
        if start.saved is not None and not _is_one_store(corpus):
            # Under another name, too, it is read as it was.
            reading = replace(reading_of(start.saved.corpus), **request.reading)
    tokenizer = request.tokenizer
    limited = request.min_count not in (None, 1) or request.max_vocab
    if not (tokenizer or request.vocab or limited):
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
        valid_texts=request.valid_texts,
        documents=start.documents if request.documents is None else request.documents,
        reading=reading,
        cache=request.cache,
        threads=threads,
        reporter=ProgressReporter(request.callbacks),
    )
    valid = valid if request.valid_texts is None else GIVEN
    source = describe_source(corpus, valid, texts=request.texts is not None)
    return data, source | {"reading": asdict(reading)}


def _is_one_store(corpus: Any) -> bool:
    paths = [corpus] if isinstance(corpus, (str, PathLike)) else corpus
    return isinstance(paths, Sequence) and len(paths) == 1 and is_store(paths[0])


def fit(start: RunStart, run: ResolvedRun, callbacks: Sequence[Callback]) -> LanguageModel:
    """Train the model of a resolved run; see ``fastlm.train``."""
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
    counted = None
    if run.counting.any and start.leads:
        threads, params = run.config.training.threads, trainer.engine.state.params
        beside = params.nbytes + len(json.dumps(data.tokenizer.to_dict()))
        counted = count_dataset(data, run.counting, threads, callbacks, beside=beside)
        if trainer.run.step == 0:
            trainer.run.seconds += counted.seconds  # of the run's minutes

    def current() -> LanguageModel:
        return _trained_model(trainer, data, "running", trainer.engine.snapshot()[0])

    try:
        with model_given(callbacks, current):
            result = trainer.fit()
    except TrainingError as error:
        if trainer.run.step:
            error.model = _trained_model(trainer, data, "diverged")
        raise
    lm = _trained_model(trainer, data, result.reason)
    lm.result = result
    if counted is not None:
        try:
            lm = with_counts(lm, counted, run.counting, data.valid, callbacks)
        except KeyboardInterrupt:  # a second one, say: the network is worth keeping
            tell(callbacks, "left out: interrupted before they were weighed")
    if run.remember:
        lm.remembered = _lines(data)
        if start.base is not None and start.base.remembered is not None:
            lm.remembered = lm.remembered.with_more(start.base.remembered)
    return lm


def _lines(data: Dataset) -> Remembered:
    return lines_of(data.tokenizer, data.documents, [data.train, data.valid])


def fit_counts(request: Request, replaces: FilePath | None) -> LanguageModel:
    """Return the model of counts alone; see ``fastlm.train``.

    Parameters
    ----------
    request : Request
        With ``counts``.
    replaces : path, optional
        A model file that the caller will put the result into: it must be of the same text.

    Raises
    ------
    ConfigError
        For settings of a network, and where another model would be replaced.
    """
    preset = preset_named(request.preset)
    model_settings, training = split_settings(request.settings, preset, request.keywords)
    threads = training.pop("threads", None)
    given = {*model_settings, *training} & request.settings.keys()
    for name in [*["softmax"] * (request.softmax is not None), *sorted(given)]:
        raise ConfigError(
            f"{setting(name)} is of a network, and {setting('counts_only')} trains none; leave it "
            "out"
        )
    data, _ = _read_corpus(RunStart(), request, preset, threads)
    check_counts_replaced(replaces, data)
    if request.remember:
        check_remembers(data.tokenizer, data.documents)
    assert request.counts is not None
    counted = count_dataset(data, request.counts, threads, request.callbacks)
    seen = _seen(data, token_counts(data.train, data.tokenizer.vocab_size))
    lm = counts_model(data, counted, seen, threads)
    lm.remembered = _lines(data) if request.remember else None
    return lm


def _trained_model(
    trainer: Trainer, data: Dataset, reason: str, params: NDArray[np.float32] | None = None
) -> LanguageModel:
    """Return the model of a trainer, by default with the parameters of the best validation."""
    return LanguageModel(
        trainer.config.model,
        trainer.params if params is None else params,
        data.tokenizer,
        documents=trainer.config.documents,
        training=trainer.config.training,
        seen=trainer.origin.seen,
        details=trainer.details(reason)
        | {"corpus": data.description, "corpus_fingerprint": data.fingerprint},
    )


def _announce_compiling(callbacks: Sequence[Callback]) -> None:
    """Tell that the speed is measured by kernels that are not compiled yet."""
    if not is_compiled("train_steps"):
        for callback in callbacks:
            callback.on_notice(Notice("compiling", compiling_text()))


def _with_valid(
    data: Dataset, model: ModelConfig, request: Request, preset: Preset
) -> tuple[Dataset, str]:
    """Return the data, and a reason if it loses a validation part too short to predict in.

    Raises CorpusError where the caller asked for that part.
    """
    needed = first_target(model) + 1
    if data.valid is None or data.valid.size >= needed:
        return data, ""
    if request.valid is None and request.valid_texts is None and preset.valid is None:
        train = np.concatenate((data.train, data.valid))
        fingerprint = f"{data.fingerprint.rpartition(':')[0]}:{train.size}"
        whole = replace(data, train=train, valid=None, fingerprint=fingerprint)
        return whole, "no validation: the text is too short to hold out a part of it"
    raise CorpusError(
        f"the validation text has {data.valid.size} tokens, but a context of {model.span} needs at "
        f"least {needed}; hold out more or none (0)"
    )
