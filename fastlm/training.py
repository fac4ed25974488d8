"""From a corpus to a trained model in one call."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from os import PathLike
from typing import Any, get_args

from fastlm.beginning import Beginning, recipe_of, recorded
from fastlm.checkpoint import Checkpoint, Origin
from fastlm.config import Documents, FirstWeights, ModelConfig, TrainingConfig
from fastlm.corpus import (
    Corpus,
    CorpusSource,
    corpus_fingerprint,
    documents_from_texts,
    load_corpus,
)
from fastlm.documents import split_train_valid
from fastlm.errors import ConfigError, CorpusError, TrainingError
from fastlm.events import Callback
from fastlm.model import LanguageModel
from fastlm.modelfile import FilePath
from fastlm.presets import Preset, preset_named
from fastlm.tokenizers import CharTokenizer, Tokenizer, build_tokenizer
from fastlm.trainer import Config, Trainer

__all__ = ["recorded_tokens", "train"]

_VALID_FRACTION = 0.05


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
        Text files. None: the documentation text that every Python ships.
    texts : iterable of str, optional
        Text itself, in place of files.
    valid : path, sequence of paths, float, or None
        What to validate on: files, or the fraction of the corpus to hold out from its end; 0 for no
        validation. None: 5 % if that is enough text to measure on.
    tokenizer : {"char", "word", "whitespace", "byte"} or Tokenizer
        Default ``char``.
    vocab : path, optional
        A vocabulary file in place of counting the corpus.
    min_count, max_vocab : int
        See ``fastlm.tokenizers.build_tokenizer``.
    documents : {"file", "paragraphs", "lines"}
        What a document is: contexts do not reach across its end. Default ``file``.
    preset : {"tiny", "mini"}, optional
        Settings of one of the founding systems; what is given here besides overrides them.
    callbacks : sequence of Callback
        Told how it goes (``fastlm.events``).
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
    if texts is None:
        corpus = start.source("corpus", corpus)
    if documents is None:
        documents = start.documents
    start.check_documents(documents)
    text = _load(corpus, texts, valid, documents)
    encoder = start.tokenizer
    if encoder is None or tokenizer or vocab or min_count != 1 or max_vocab:
        encoder = _tokenizer(tokenizer, text, chosen, vocab, min_count, max_vocab)
        start.check_tokenizer(encoder)
    model = start.model_config(encoder, model_settings)
    tokens, held_out = _encoded(text, encoder, model)
    trainer = start.trainer(
        Config(model=model, training=training, documents=documents),
        tokens,
        held_out,
        given=training_settings,
        callbacks=callbacks,
        origin=Origin(
            tokenizer=encoder,
            description=text.description,
            recipe=recipe_of(corpus, valid, texts=texts is not None),
        ),
    )
    try:
        result = trainer.fit()
    except TrainingError as error:
        if trainer.run.step:
            error.model = _trained(trainer, encoder, _details(trainer, "diverged", text))
        raise
    trained = _trained(trainer, encoder, _details(trainer, result.reason, text))
    trained.result = result
    trained.corpus_description = text.description
    return trained


def _trained(trainer: Trainer, tokenizer: Tokenizer, details: dict[str, Any]) -> LanguageModel:
    return LanguageModel(
        trainer.config.model,
        trainer.params,
        tokenizer,
        documents=trainer.config.documents,
        training=trainer.config.training,
        details=details,
    )


def recorded_tokens(saved: Checkpoint) -> tuple[Any, Any]:
    """(tokens to train on, to validate on or None): the corpus of a checkpoint, read again."""
    assert saved.tokenizer is not None
    text = _load(recorded(saved, "corpus"), None, recorded(saved, "valid"), saved.documents)
    return _encoded(text, saved.tokenizer, saved.model)


def _encoded(text: Corpus, tokenizer: Tokenizer, model: ModelConfig) -> tuple[Any, Any]:
    """(tokens to train on, to validate on or None)."""
    tokens = tokenizer.encode_documents(text.train_documents)
    if not text.valid_documents:
        return tokens, None
    held_out = tokenizer.encode_documents(text.valid_documents)
    if held_out.size < model.context + 1:
        raise CorpusError(
            f"the validation text has {held_out.size} tokens, but a context of {model.context} "
            f"needs at least {model.context + 1}; hold out more or none (0)"
        )
    return tokens, held_out


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


def _load(
    corpus: CorpusSource, texts: Iterable[str] | None, valid: CorpusSource | float, mode: Documents
) -> Corpus:
    if texts is None:
        loaded = load_corpus(corpus, None if isinstance(valid, int | float) else valid, mode)
    elif corpus is not None:
        raise ConfigError("corpus and texts are both given; choose one of them")
    else:
        loaded = Corpus(documents_from_texts(texts, mode), [], "texts")
        if valid is not None and not isinstance(valid, int | float):
            loaded = Corpus(
                loaded.train_documents, load_corpus(valid, None, mode).train_documents, "texts"
            )
    if loaded.valid_documents or (valid is not None and valid == 0):
        return loaded
    fraction = _VALID_FRACTION if valid is None else float(valid)  # type: ignore[arg-type]
    if valid is None and _too_little(loaded.train_documents, mode):
        return Corpus(
            loaded.train_documents,
            [],
            f"{loaded.description}, too short to hold out a validation part",
        )
    train, held_out = split_train_valid(loaded.train_documents, fraction, mode)
    return Corpus(train, held_out, f"{loaded.description}, the last {fraction:.3g} for validation")


def _too_little(documents: list[str], mode: Documents) -> bool:
    """Whether 5 % would say nothing, or cannot be cut off at all."""
    if mode != "file" and len(documents) < 2 / _VALID_FRACTION:
        return True
    return sum(map(len, documents)) < 10_000


def _tokenizer(
    wanted: str | Tokenizer | None,
    text: Corpus,
    preset: Preset,
    vocab: str | PathLike[str] | None,
    min_count: int,
    max_vocab: int | None,
) -> Tokenizer:
    if isinstance(wanted, Tokenizer):
        return wanted
    kind = wanted or preset.tokenizer or "char"
    if kind == "tiny":
        return CharTokenizer.tiny()
    options = preset.tokenizer_options if kind == preset.tokenizer else {}
    return build_tokenizer(
        kind,
        text.train_documents,
        min_count=min_count,
        max_vocab=max_vocab,
        vocab_file=vocab,
        **options,
    )


def _details(trainer: Trainer, reason: str, text: Corpus) -> dict[str, Any]:
    """Facts about the run that stay with the model."""
    return trainer.details(reason) | {
        "corpus": text.description,
        "corpus_fingerprint": corpus_fingerprint(text.train_documents),
    }
