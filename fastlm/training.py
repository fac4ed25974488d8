"""From a corpus to a trained model in one call."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from os import PathLike
from typing import Any

from fastlm.config import Documents, ModelConfig, TrainingConfig
from fastlm.corpus import (
    Corpus,
    CorpusSource,
    corpus_fingerprint,
    documents_from_texts,
    load_corpus,
)
from fastlm.documents import split_train_valid
from fastlm.errors import ConfigError, CorpusError
from fastlm.events import Callback, Result
from fastlm.model import LanguageModel
from fastlm.presets import Preset, preset_named
from fastlm.tokenizers import CharTokenizer, Tokenizer, build_tokenizer
from fastlm.trainer import Config, Trainer

__all__ = ["train"]

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
    documents: Documents = "file",
    preset: str | None = None,
    callbacks: Sequence[Callback] = (),
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
        What a document is: contexts do not reach across its end.
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
    TrainingError
        When training diverges.
    """
    chosen = preset_named(preset)
    model_settings, training_settings = _split_settings(settings, chosen)
    training = TrainingConfig(**training_settings)
    if valid is None:
        valid = chosen.valid
    text = _load(corpus, texts, valid, documents)
    encoder = _tokenizer(tokenizer, text, chosen, vocab, min_count, max_vocab)
    model = ModelConfig(vocab=encoder.vocab_size, boundary=encoder.boundary_id, **model_settings)
    tokens = encoder.encode_documents(text.train_documents)
    held_out = None
    if text.valid_documents:
        held_out = encoder.encode_documents(text.valid_documents)
        if held_out.size < model.context + 1:
            raise CorpusError(
                f"the validation text has {held_out.size} tokens, but a context of "
                f"{model.context} needs at least {model.context + 1}; hold out more or none (0)"
            )
    config = Config(model=model, training=training, documents=documents)
    trainer = Trainer(config, tokens, held_out, callbacks=callbacks)
    result = trainer.fit()
    trained = LanguageModel(
        model,
        trainer.params,
        encoder,
        documents=documents,
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


def _details(result: Result, text: Corpus) -> dict[str, Any]:
    """Facts about the run that stay with the model."""
    details: dict[str, Any] = {
        "reason": result.reason,
        "step": result.step,
        "epoch": result.epoch,
        "seconds": result.elapsed,
        "train_loss": result.train_loss,
        "corpus": text.description,
        "corpus_fingerprint": corpus_fingerprint(text.train_documents),
    }
    if result.best is not None:
        details |= {"valid_loss": result.best.loss, "best_step": result.best.step}
    return details
