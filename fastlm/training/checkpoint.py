"""Checkpoints: everything needed to resume a run bit for bit.

A checkpoint is a file of kind ``checkpoint`` in the format of ``fastlm.model.model_file``. Its
plain tensor names hold the weights that ``Trainer.params`` has: those of the best validation so far
or, without validation, the current ones. So ``fastlm.load`` reads it as the model so far. The other
tensors:

======================  ============================================================================
tensor                  content
======================  ============================================================================
``state.params``        float32[n], the current weights as the engine has them (rows not settled)
``momentum.NAME``       float32, the momentum of tensor NAME, likewise
``state.FIELD``         every other array of ``fastlm_kernels.runtime.arguments.State``:
                        ``state.row_steps`` int64, ``state.rates`` float64
======================  ============================================================================

The metadata is that of a model, and:

- ``run``: the fields of ``RunState``;
- ``reason``: why training ended, ``running`` if it has not;
- ``checkpoints``: ``every`` and ``keep``, how often they are written and how many older ones stay;
- ``good``: the fields of ``RunState`` of the last snapshot, to which a divergence is rolled back.
  Its arrays are ``state.good.FIELD``, and ``state.good.best`` where its best weights are not the
  file's. Left out where the snapshot is of this step, and of a run that has ended;
- ``corpus``: ``train`` and ``valid``, each ``{"tokens": T, "fingerprint": ...}`` (``valid`` may be
  null), ``description``, and ``recipe``: what ``fastlm.train`` needs to read it again, or null;
- ``tokenizer_fingerprint``, ``versions`` (of Python, NumPy, Numba), ``machine``, ``written``
  (seconds since 1970).

The next steps of training are a function of configuration, tokens, step and these arrays: the order
of the examples and the dropout masks are functions of the seed and the step.
"""

from __future__ import annotations

import dataclasses
import platform
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm.config import ModelConfig, TrainingConfig
from fastlm.data.reread import reread_tokens
from fastlm.engine.network import first_target
from fastlm.engine.training import TrainingEngine
from fastlm.errors import ConfigError, FastlmError, MissingLibraryError, ModelFileError
from fastlm.model.layout import Layout
from fastlm.model.model_file import read_model_file, write_model_file
from fastlm.model.saved_model import config_from_json, params_from_tensors
from fastlm.model.seen import Seen
from fastlm.system.json_values import OBJECT, TEXT, one_of, or_null, read_object
from fastlm.tokenizers import Tokenizer, tokenizer_from_dict
from fastlm.training.checkpoint_parts import (
    check_params,
    read_corpus,
    read_intervals,
    read_snapshot,
    with_prefix,
)
from fastlm.training.divergence import Snapshot
from fastlm.training.run_files import checkpoint_beside
from fastlm.training.run_state import RunState
from fastlm.types import DOCUMENT_MODES, Documents, FilePath
from fastlm.wording import setting

__all__ = [
    "ENDED",
    "Checkpoint",
    "Origin",
    "read_checkpoint",
    "setting_changed_error",
    "settled_state",
    "write_checkpoint",
]


# Settings that may change when a run is resumed; all others decide what a step does.
_MAY_CHANGE = frozenset({"epochs", "steps", "minutes", "threads", "lr", "patience"})

_LENGTHS = ("epochs", "steps", "minutes")

# Reasons of a run that came to its end.
ENDED = ("finished", "early stop", "diverged")


@dataclass(frozen=True)
class Origin:
    """Where the tokens of a run come from, for its checkpoints."""

    tokenizer: Tokenizer | None = None
    """None: the checkpoint can be resumed, but is no model that reads text."""
    description: str = ""
    """Of the corpus, for people."""
    corpus_source: Mapping[str, Any] | None = None
    """What ``fastlm.train`` needs to read the corpus again, as JSON values."""
    seen: Seen = field(default_factory=Seen)
    """What occurs in it."""


@dataclass(kw_only=True)
class Checkpoint:
    """The content of a checkpoint."""

    model: ModelConfig
    training: TrainingConfig
    documents: Documents
    tokenizer: Tokenizer | None
    corpus: dict[str, Any]
    """``train``, ``valid``, ``description`` and ``recipe``, as in the metadata."""
    run: RunState
    reason: str
    """Why training ended, ``running`` if it has not."""
    details: dict[str, Any]
    """Facts about the run, as JSON values."""
    params: NDArray[np.float32]
    """float32[n] of the model so far: of the best validation, or current."""
    arrays: dict[str, NDArray[Any]]
    """The engine's ``State`` by field, with ``params`` and ``momentum`` float32[n]."""
    seen: Seen = field(default_factory=Seen)
    """What occurs in the training text."""
    good: Snapshot | None = None
    """The snapshot that a divergence goes back to; None: this state itself."""
    every: str = "60s"
    """How often checkpoints are written."""
    keep: int | None = None
    """How many older ones stay; None: a file of a version that did not say."""
    metadata: dict[str, Any] = field(default_factory=dict)
    """All metadata of the file that it was read from."""
    path: Path = Path()
    """The file that it was read from."""

    @property
    def origin(self) -> Origin:
        """Where the tokens come from."""
        return Origin(self.tokenizer, self.corpus["description"], self.corpus["recipe"], self.seen)

    @property
    def ended(self) -> bool:
        """Whether the run came to its end; resuming may still make it longer."""
        return self.reason in ENDED

    def training_with(self, changes: Mapping[str, Any]) -> TrainingConfig:
        """Return the training configuration with ``changes``; None stands for no change.

        Raises ConfigError for an unknown setting, and for one that decides what the steps do.
        """
        given = {name: value for name, value in changes.items() if value is not None}
        for name, value in given.items():
            if name not in TrainingConfig.__dataclass_fields__:
                raise ConfigError(
                    f"unknown setting {name!r}; there are "
                    f"{', '.join(TrainingConfig.__dataclass_fields__)}"
                )
            saved = getattr(self.training, name)
            if name not in _MAY_CHANGE and value != saved:
                raise setting_changed_error(self.path, name, saved, value)
        if any(name in given for name in _LENGTHS):
            given = dict.fromkeys(_LENGTHS) | given  # one length replaces another
        return dataclasses.replace(self.training, **given)

    def check_model(self, given: Mapping[str, Any]) -> None:
        """Raise ConfigError if a given setting of the model is not the checkpoint's."""
        for name, value in given.items():
            saved = getattr(self.model, name)
            value = tuple(value) if isinstance(saved, tuple) else value
            if value != saved:
                raise setting_changed_error(self.path, name, saved, value)

    def check_tokenizer(self, tokenizer: Tokenizer | None) -> None:
        """Raise ConfigError if a tokenizer is not the checkpoint's."""
        saved = self.tokenizer
        if saved is not None and tokenizer is not None and saved != tokenizer:
            raise ConfigError(
                f"{self.path} was trained with the tokenizer {saved.description}, but the one "
                f"given is {tokenizer.description}; leave the tokenizer's options out to resume"
            )

    def check_corpus(self, corpus: Mapping[str, Any]) -> None:
        """Raise ConfigError if the tokens ``train`` or ``valid`` are not the checkpoint's."""
        for part, text in (("train", "training"), ("valid", "validation")):
            saved, found = self.corpus[part], corpus[part]
            if saved != found:
                raise ConfigError(
                    f"{self.path} was made on another {text} text: {_identity_text(saved)}, but "
                    f"this is {_identity_text(found)}; name the same text to resume, or start from "
                    f"the weights on this one with {setting('init')}"
                )

    def reread_tokens(self) -> tuple[Any, Any]:
        """Return the tokens to train and to validate on, read again; raise ConfigError."""
        if self.corpus["recipe"] is None or self.tokenizer is None:
            raise ConfigError(
                f"{self.path} does not say where its corpus is; pass train_tokens (and "
                "valid_tokens)"
            )
        return reread_tokens(self.corpus, self.tokenizer, self.documents, self.path)

    def load_into(self, engine: TrainingEngine) -> None:
        """Put the arrays and the step into an engine of this model and training.

        Raises ModelFileError if they cannot be those of such an engine.
        """
        state = engine.state._asdict()
        if self.arrays.keys() != state.keys():
            raise ModelFileError(
                f"{self.path} has the state {', '.join(sorted(self.arrays))}, but this version "
                f"trains with {', '.join(sorted(state))}; use the version that wrote it"
            )
        for name, array in state.items():
            given = self.arrays[name]
            if given.shape != array.shape or given.dtype != array.dtype:
                raise ModelFileError(
                    f"{self.path} is damaged: its {name} is {given.dtype} of shape "
                    f"{given.shape}, not {array.dtype} of shape {array.shape}"
                )
        good = self.good
        if not engine.may_hold(self.arrays, self.run.step) or not (
            good is None or engine.may_hold(good.arrays, good.run.step)
        ):
            raise ModelFileError(
                f"{self.path} is damaged: its state cannot be that after step {self.run.step}"
            )
        for name, array in state.items():
            np.copyto(array, self.arrays[name])
        engine.step = self.run.step


def setting_changed_error(path: Path, name: str, saved: Any, given: Any) -> ConfigError:
    """Return the error for a setting that must stay as it was, with both values."""
    return ConfigError(
        f"{path} was trained with {name} {_text(saved)}, but {_text(given)} is given; leave it out "
        "to resume"
    )


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    return str(value)


def _identity_text(identity: Mapping[str, Any] | None) -> str:
    if identity is None:
        return "none"
    return f"{identity['tokens']:,} tokens with fingerprint {str(identity['fingerprint'])[:12]}"


def settled_state(saved: Checkpoint) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return (params, momentum), each float32[n], of the last step with all rows up to date."""
    # As few tokens as an engine takes: it does not train.
    needed = first_target(dataclasses.replace(saved.model, boundary=None)) + 1
    tokens = np.zeros(needed, dtype=np.uint16)
    params = np.zeros(Layout(saved.model).size, dtype=np.float32)
    engine = TrainingEngine(saved.model, saved.training, tokens, params)
    saved.load_into(engine)
    return engine.snapshot()


def write_checkpoint(path: FilePath, checkpoint: Checkpoint) -> None:
    """Write a checkpoint atomically; raise ModelFileError if it cannot be written."""
    import numba

    layout, arrays, tokenizer = Layout(checkpoint.model), checkpoint.arrays, checkpoint.tokenizer
    tensors = dict(layout.views(checkpoint.params))
    tensors |= {f"momentum.{name}": view for name, view in layout.views(arrays["momentum"]).items()}
    tensors |= {f"state.{name}": array for name, array in arrays.items() if name != "momentum"}
    good = checkpoint.good
    if good is not None:
        tensors |= {f"state.good.{name}": array for name, array in good.arrays.items()}
        if good.best is not None and good.best is not checkpoint.params:
            tensors["state.good.best"] = good.best
    metadata = {
        "kind": "checkpoint",
        "model": checkpoint.model.to_dict(),
        "training": checkpoint.training.to_dict(),
        "tokenizer": None if tokenizer is None else tokenizer.to_dict(),
        "tokenizer_fingerprint": None if tokenizer is None else tokenizer.fingerprint(),
        "documents": checkpoint.documents,
        "details": checkpoint.details,
        "run": checkpoint.run.to_dict(),
        "good": None if good is None else good.run.to_dict(),
        "reason": checkpoint.reason,
        "checkpoints": {"every": checkpoint.every, "keep": checkpoint.keep or 0},
        "corpus": checkpoint.corpus,
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "numba": numba.__version__,
        },
        "machine": f"{platform.system()} {platform.machine()}",
        "written": time.time(),
    } | checkpoint.seen.to_dict()
    write_model_file(path, tensors, metadata, "checkpoint")


def read_checkpoint(path: FilePath) -> Checkpoint:
    """Read a checkpoint and check it.

    Raises
    ------
    ModelFileError
        If the file is no checkpoint, is damaged, or comes from a newer version.
    MissingLibraryError
        For a tokenizer whose library is not installed.
    """
    tensors, metadata = read_model_file(path)
    kind = metadata.get("kind")
    if kind == "model":
        raise ModelFileError(
            f"{path} is a model, not a checkpoint; resume from {checkpoint_beside(path)}, or "
            f"start from the model's weights with {setting('init')}"
        )
    if kind != "checkpoint":
        raise ModelFileError(f"{path} is a file of kind {kind!r}, not a checkpoint")
    try:
        return _from_file(Path(path), tensors, metadata)
    except MissingLibraryError:
        raise
    except FastlmError as error:
        raise ModelFileError(
            f"{path} does not hold a sound checkpoint: {error}; use another copy of the file"
        ) from None


_FILE_KINDS = {
    "model": OBJECT,
    "training": OBJECT,
    "documents": one_of(*DOCUMENT_MODES),
    "tokenizer": or_null(OBJECT),
    "corpus": OBJECT,
    "run": OBJECT,
    "reason": TEXT,
    "details": OBJECT,
}


def _from_file(
    path: Path, tensors: Mapping[str, NDArray[Any]], metadata: dict[str, Any]
) -> Checkpoint:
    values = read_object(metadata, "it", _FILE_KINDS, ModelFileError, others=True)
    model: ModelConfig = config_from_json(ModelConfig, values["model"], "model")
    training: TrainingConfig = config_from_json(TrainingConfig, values["training"], "training")
    form = values["tokenizer"]
    tokenizer = None if form is None else tokenizer_from_dict(form)
    if tokenizer is not None and (tokenizer.vocab_size, tokenizer.boundary_id) != (
        model.vocab,
        model.boundary,
    ):
        raise ModelFileError("its tokenizer is not that of its model")
    layout = Layout(model)
    run = RunState.from_dict(values["run"])
    # Sizes are compared before memory is taken.
    params = params_from_tensors(layout, tensors)
    arrays = with_prefix("state.", tensors)
    good_arrays = with_prefix("good.", arrays)
    arrays = {name: array for name, array in arrays.items() if not name.startswith("good.")}
    arrays["momentum"] = params_from_tensors(layout, with_prefix("momentum.", tensors))
    check_params("state.params", arrays.get("params"), layout)
    files = metadata.get("checkpoints", {"every": Checkpoint.every, "keep": None})
    files = read_intervals(files)
    return Checkpoint(
        model=model,
        training=training,
        documents=values["documents"],
        tokenizer=tokenizer,
        corpus=read_corpus(values["corpus"]),
        run=run,
        reason=values["reason"],
        details=values["details"],
        params=params,
        arrays=arrays,
        seen=Seen.from_dict(metadata, model.vocab),
        good=read_snapshot(layout, good_arrays, metadata.get("good"), run, params),
        every=files["every"],
        keep=files["keep"],
        metadata=metadata,
        path=path,
    )
