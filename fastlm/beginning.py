"""How does a run begin: anew, from its checkpoint, or from the weights of another model?"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm.checkpoint import Checkpoint, Origin, differs, read_checkpoint
from fastlm.checkpoint_files import CheckpointFiles, check_unfinished, newest_checkpoint
from fastlm.config import Documents, ModelConfig, TrainingConfig
from fastlm.engine import TrainingEngine, first_target
from fastlm.errors import ConfigError
from fastlm.events import Callback
from fastlm.identity import tokenizer_text
from fastlm.layout import Layout
from fastlm.metrics import MetricsFile
from fastlm.model import LanguageModel
from fastlm.tokenizers import Tokenizer
from fastlm.trainer import Config, Trainer
from fastlm.whole_file import FilePath

__all__ = ["GIVEN", "Beginning", "recipe_of", "recorded", "settled_state"]


class Beginning:
    """What the arguments of ``fastlm.train`` on checkpoints and first weights come to.

    saved : the checkpoint that the run goes on from, or None
    base : the model that it starts from, or None

    Raises ConfigError for arguments that exclude each other and where a checkpoint would be lost,
    ModelFileError for files that cannot be read.
    """

    def __init__(
        self,
        *,
        checkpoint: FilePath | None,
        checkpoint_every: str | float,
        keep: int,
        resume: bool,
        restart: bool,
        init: FilePath | LanguageModel | None,
        init_momentum: bool,
        metrics: FilePath | None,
    ) -> None:
        if (resume or restart) and checkpoint is None:
            raise ConfigError("resume needs the name of the checkpoint; give checkpoint=")
        if resume and (restart or init is not None):
            other = "restart" if restart else "init"
            raise ConfigError(f"resume and {other} are both given; choose one of them")
        self.files = None
        self._said: str | None = None
        self.saved: Checkpoint | None = None
        if checkpoint is not None:
            self.files = CheckpointFiles(checkpoint, checkpoint_every, keep)
        if resume:
            assert checkpoint is not None
            self.saved, self._said = newest_checkpoint(checkpoint)
        elif checkpoint is not None and not restart:
            check_unfinished(checkpoint)
        self.metrics = None if metrics is None else MetricsFile(metrics)
        self.base: LanguageModel | None = None
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
    def anew(self) -> bool:
        """Whether neither a checkpoint nor a model gives the shape."""
        return self.saved is None and self.base is None

    @property
    def tokenizer(self) -> Tokenizer | None:
        """The one that the run must have; None: any."""
        if self.saved is not None:
            return self.saved.tokenizer
        return None if self.base is None else self.base.tokenizer

    @property
    def documents(self) -> Documents | None:
        """What a document is where the caller does not say; None: as the corpus says."""
        if self.saved is not None:
            return self.saved.documents
        return None if self.base is None else self.base.documents

    def source(self, name: str, given: Any, default: Any = None) -> Any:
        """The ``corpus`` or what is ``valid``: as given or, where it is not, as before."""
        if given is not None:
            return given
        return default if self.saved is None else recorded(self.saved, name)

    def check_documents(self, documents: Documents) -> None:
        if self.saved is not None and documents != self.saved.documents:
            raise differs(self.saved.path, "documents", self.saved.documents, documents)

    def check_tokenizer(self, tokenizer: Tokenizer) -> None:
        """ConfigError where it is another than that of the checkpoint or of the model."""
        if self.saved is not None:
            self.saved.check_tokenizer(tokenizer)
        elif self.base is not None and tokenizer != self.base.tokenizer:
            raise ConfigError(
                "the model to start from has the tokenizer "
                f"{tokenizer_text(self.base.tokenizer)}, but the one given is "
                f"{tokenizer_text(tokenizer)}; leave the tokenizer's options out"
            )

    def model_config(self, tokenizer: Tokenizer, given: Mapping[str, Any]) -> ModelConfig:
        """The model's shape; ConfigError where a given setting is not that of the weights."""
        if self.saved is not None:
            self.saved.check_model(given)
            return self.saved.model
        if self.base is None:
            return ModelConfig(vocab=tokenizer.vocab_size, boundary=tokenizer.boundary_id, **given)
        for name, value in given.items():
            theirs = getattr(self.base.config, name)
            if (tuple(value) if isinstance(value, list) else value) != theirs:
                raise ConfigError(
                    f"the model to start from has {name} {theirs}, but {value} is given; leave it "
                    "out, or start without it"
                )
        return self.base.config

    def training_config(self, given: Mapping[str, Any]) -> TrainingConfig:
        """How to train; ConfigError where a checkpoint does not allow a given setting."""
        if self.saved is not None:
            return self.saved.changed_training(given)
        return TrainingConfig(**given)

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
        """The trainer that begins so.

        counts : as ``Trainer`` has them; given : the settings of ``training_config``
        """
        if self.saved is not None:
            assert self.files is not None
            trainer = Trainer.resume(
                self.saved, train_tokens, valid_tokens, callbacks=callbacks, **given
            )
            trainer.checkpoints, trainer.metrics = self.files, self.metrics
            self.files.start(self.saved.run.step)
            if self._said is not None:
                trainer.notice("resume", self._said)
            return trainer
        return Trainer(
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
        )


def settled_state(saved: Checkpoint) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """(params, momentum), each float32[n], of the last step of a checkpoint, all rows settled."""
    # As few as an engine takes: it does not train.
    needed = first_target(dataclasses.replace(saved.model, boundary=None)) + 1
    tokens = np.zeros(needed, dtype=np.uint16)
    params = np.zeros(Layout(saved.model).size, dtype=np.float32)
    engine = TrainingEngine(saved.model, saved.training, tokens, params)
    saved.load_into(engine)
    return engine.settled()


def recorded(saved: Checkpoint, name: str) -> Any:
    """The ``corpus`` of a checkpoint, or what is ``valid``, as ``fastlm.train`` takes it.

    Raises ConfigError where it has to be given again.
    """
    recipe = saved.corpus["recipe"] or {}
    source = recipe.get(name, GIVEN)
    paths = isinstance(source, list) and all(isinstance(path, str) for path in source)
    if paths or source is None or (name == "valid" and isinstance(source, int | float)):
        return source
    option = "the corpus" if name == "corpus" else "--valid"
    raise ConfigError(
        f"{saved.path} does not say where its {name} text is ({saved.corpus['description']}); give "
        f"{option} again to resume"
    )


# In place of a source that cannot be read again: standard input, and text from the caller.
GIVEN = "given"


def recipe_of(corpus: Any, valid: Any, *, texts: bool) -> dict[str, Any]:
    """How to read a corpus again, from any folder; ``GIVEN`` for what has to be given again."""
    recipe: dict[str, Any] = {}
    for name, source in (("corpus", GIVEN if texts else corpus), ("valid", valid)):
        if source is None or source == GIVEN or isinstance(source, int | float):
            recipe[name] = source
            continue
        paths = [source] if isinstance(source, str | os.PathLike) else list(source)
        given = "-" in map(str, paths)
        recipe[name] = GIVEN if given else [str(Path(path).absolute()) for path in paths]
    return recipe
