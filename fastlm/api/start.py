"""The start of a run: from scratch, from its checkpoint, or from another model's weights."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm.api.language_model import LanguageModel
from fastlm.callbacks import Callback
from fastlm.config import Config, ModelConfig, TrainingConfig
from fastlm.data.dataset import Dataset
from fastlm.data.reread import source_of
from fastlm.distributed.communicator import Communicator
from fastlm.engine.tokens import token_array, tokens_identity
from fastlm.errors import ConfigError
from fastlm.model.seen import Seen
from fastlm.tokenizers import Tokenizer
from fastlm.training.checkpoint import (
    Checkpoint,
    Origin,
    read_checkpoint,
    setting_changed_error,
    settled_state,
)
from fastlm.training.checkpoint_files import CheckpointFiles, check_unfinished, newest_checkpoint
from fastlm.training.defaults import default_rate
from fastlm.training.led_trainer import LedTrainer
from fastlm.training.metrics import MetricsFile
from fastlm.training.replaced_run import NewRun, check_replaced
from fastlm.training.trainer import Trainer
from fastlm.types import Documents, FilePath
from fastlm.wording import setting

__all__ = ["RunStart"]


class RunStart:
    """How a run starts: the arguments of ``fastlm.train`` on checkpoints and first weights.

    Attributes
    ----------
    saved : Checkpoint or None
        The checkpoint that the run resumes.
    base : LanguageModel or None
        The model whose weights it starts from.
    communicator : Communicator or None
        Of the ranks that share the steps; None, as at first, for a run of one process.

    Raises
    ------
    ConfigError
        For arguments that exclude each other, and where a checkpoint would be lost.
    ModelFileError
        For files that cannot be read.
    """

    def __init__(
        self,
        *,
        checkpoint: FilePath | None = None,
        checkpoint_every: str | float | None = None,
        keep: int | None = None,
        resume: bool = False,
        restart: bool = False,
        init: FilePath | LanguageModel | None = None,
        init_momentum: bool = False,
        metrics: FilePath | None = None,
        overwrite: bool = False,
        replaces: FilePath | None = None,
    ) -> None:
        if (resume or restart) and checkpoint is None:
            asked = "resume" if resume else "restart"
            raise ConfigError(
                f"{asked} needs the name of the checkpoint; give {setting('checkpoint')}"
            )
        if resume and (restart or init is not None):
            other = "restart" if restart else "init"
            raise ConfigError(f"resume and {other} are both given; choose one of them")
        self._replaced = [Path(path) for path in (replaces, checkpoint) if path is not None]
        self._overwrite = overwrite
        self._restart = restart
        self.files = None
        self._resume_notice: str | None = None
        self.saved: Checkpoint | None = None
        if checkpoint is not None:
            self.files = CheckpointFiles(checkpoint, checkpoint_every, keep, is_locked=True)
        if resume:
            assert checkpoint is not None
            self.saved, self._resume_notice = newest_checkpoint(checkpoint)
        elif checkpoint is not None and not restart:
            check_unfinished(checkpoint)
        self.metrics = None if metrics is None else MetricsFile(metrics)
        self.base: LanguageModel | None = None
        self.communicator: Communicator | None = None
        self._momentum: NDArray[np.float32] | None = None
        if init_momentum and init is None:
            raise ConfigError("init_momentum is given without init; name a checkpoint with init")
        if init is not None:
            self._take_weights(init, init_momentum)

    def _take_weights(self, init: FilePath | LanguageModel, with_momentum: bool) -> None:
        self.base = init if isinstance(init, LanguageModel) else LanguageModel.load(init)
        self._params = self.base.params.copy()
        if not with_momentum:
            return
        if isinstance(init, LanguageModel):
            raise ConfigError(
                "init_momentum needs a checkpoint, but init is a LanguageModel; name the file"
            )
        self._params, self._momentum = settled_state(read_checkpoint(init))

    @property
    def leads(self) -> bool:
        """Whether this process alone, or rank 0, does what is done once."""
        return self.communicator is None or self.communicator.rank == 0

    @property
    def from_scratch(self) -> bool:
        """Whether neither a checkpoint nor a model gives the shape."""
        return self.saved is None and self.base is None

    @property
    def tokenizer(self) -> Tokenizer | None:
        """The tokenizer that the run must have; None: any."""
        if self.saved is not None:
            return self.saved.tokenizer
        return None if self.base is None else self.base.tokenizer

    @property
    def documents(self) -> Documents | None:
        """What a document is if the caller does not say; None: as the corpus says."""
        if self.saved is not None:
            return self.saved.documents
        return None if self.base is None else self.base.documents

    def with_seen(self, seen: Seen) -> Seen:
        """Return what occurred in this run and in those of the model that it starts from."""
        if self.saved is not None:
            return self.saved.seen
        return seen if self.base is None else self.base.seen.with_more(seen)

    def source(self, name: str, given: Any, default: Any = None) -> Any:
        """Return the source ``corpus`` or ``valid``: as given, else the checkpoint's."""
        if given is not None:
            return given
        return (
            default if self.saved is None else source_of(self.saved.corpus, name, self.saved.path)
        )

    def check_replaced(self, config: Config, data: Dataset, given: Mapping[str, Any]) -> None:
        """Raise ConfigError if a new run would replace the files of another run unasked.

        given : the settings that the caller gave; None stands for no setting
        """
        if self.saved is not None or self._overwrite:
            return
        run = NewRun(
            config=config,
            given=frozenset(name for name, value in given.items() if value is not None),
            corpus_fingerprint=data.fingerprint,
            train=lambda: tokens_identity(token_array(data.train, config.model.vocab)),
        )
        for path in self._replaced:
            check_replaced(path, run, unfinished_too=self._restart)

    def check_documents(self, documents: Documents) -> None:
        """Raise ConfigError for other documents than the checkpoint's."""
        if self.saved is not None and documents != self.saved.documents:
            raise setting_changed_error(
                self.saved.path, "documents", self.saved.documents, documents
            )

    def check_tokenizer(self, tokenizer: Tokenizer) -> None:
        """Raise ConfigError for another tokenizer than the checkpoint's or the model's."""
        if self.saved is not None:
            self.saved.check_tokenizer(tokenizer)
        elif self.base is not None and tokenizer != self.base.tokenizer:
            raise ConfigError(
                "the model to start from has the tokenizer "
                f"{self.base.tokenizer.description}, but the one given is "
                f"{tokenizer.description}; leave the tokenizer's options out"
            )

    def model_config(self, tokenizer: Tokenizer, given: Mapping[str, Any]) -> ModelConfig:
        """Return the model's shape; ConfigError for a given setting that differs from it."""
        if self.saved is not None:
            self.saved.check_model(given)
            return self.saved.model
        if self.base is None:
            return ModelConfig(vocab=tokenizer.vocab_size, boundary=tokenizer.boundary_id, **given)
        for name, value in given.items():
            theirs = getattr(self.base.config, name)
            if (tuple(value) if isinstance(theirs, tuple) else value) != theirs:
                raise ConfigError(
                    f"the model to start from has {name} {theirs}, but {value} is given; leave it "
                    "out, or start without it"
                )
        return self.base.config

    def training_config(self, given: Mapping[str, Any]) -> TrainingConfig:
        """Return how to train; ConfigError for a change that a checkpoint does not allow."""
        if self.saved is not None:
            return self.saved.training_with(given)
        config = TrainingConfig(**given)
        rate = default_rate(config.batch)
        if config.lr is None and rate < config.base_lr:
            return dataclasses.replace(config, lr=rate)
        return config

    def trainer(
        self,
        config: Config,
        train_tokens: Any,
        valid_tokens: Any,
        *,
        counts: NDArray[np.int64] | None,
        given: Mapping[str, Any],
        callbacks: Sequence[Callback],
        origin: Origin,
    ) -> Trainer:
        """Return the trainer that starts so; ``given`` are the settings of ``training_config``."""
        kind: type[Trainer] = Trainer
        shared: dict[str, Any] = {}
        if self.communicator is not None:
            kind, shared = LedTrainer, {"communicator": self.communicator}
        if self.saved is not None:
            assert self.files is not None
            trainer = kind.from_checkpoint(
                self.saved,
                train_tokens,
                valid_tokens,
                given,
                callbacks=callbacks,
                checkpoints=self.files,
                metrics=self.metrics,
                **shared,
            )
            if self._resume_notice is not None:
                trainer.notice("resume", self._resume_notice)
            return trainer
        return kind(
            config,
            train_tokens,
            valid_tokens,
            callbacks=callbacks,
            params=None if self.base is None else self._params,
            counts=counts,
            momentum=self._momentum,
            origin=origin,
            checkpoints=self.files,
            metrics=self.metrics,
            **shared,
        )
