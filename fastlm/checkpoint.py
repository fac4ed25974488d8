"""Checkpoints: all that a training run needs to go on as if nothing had happened.

A checkpoint is a file of kind ``checkpoint`` in the format of ``fastlm.modelfile``. Under the plain
names lie the weights that ``Trainer.params`` has: those of the best validation so far or, where
there has been none, the current ones. So ``fastlm.load`` reads it as the model so far. Besides:

======================  ============================================================================
tensor                  what
======================  ============================================================================
``state.params``        float32[n], the current weights as the engine has them (rows not settled)
``momentum.NAME``       float32, the momentum of tensor NAME, likewise
``state.row_steps``     int64, see ``fastlm_kernels.arguments.State``; so for every other of its
                        fields: ``state.rates`` float64, ...
======================  ============================================================================

The metadata of a model, and:

- ``run``: the fields of ``RunState``;
- ``reason``: why training ended, ``running`` where it has not;
- ``corpus``: ``train`` and ``valid``, each ``{"tokens": T, "fingerprint": ...}`` (``valid`` may be
  null), ``description`` and ``recipe``, what ``fastlm.train`` needs to read it again, or null;
- ``tokenizer_fingerprint``, ``versions`` (of Python, NumPy, Numba), ``machine``, ``written``
  (seconds since 1970).

What comes next in training is a function of (configuration, tokens, step, these arrays): the order
of the examples and the dropout masks are functions of the seed and the step.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import math
import os
import platform
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast, get_args

import numpy as np
from numpy.typing import NDArray

from fastlm.config import Documents, ModelConfig, TrainingConfig
from fastlm.engine import TrainingEngine
from fastlm.errors import ConfigError, FastlmError, MissingLibraryError, ModelFileError
from fastlm.events import Validation
from fastlm.layout import Layout
from fastlm.modelfile import read_metadata, read_model_file, write_model_file
from fastlm.saved_model import saved_config, saved_params
from fastlm.tokenizers import Tokenizer, tokenizer_from_dict
from fastlm.whole_file import FilePath, reason_of, remove_stale, replace_file
from fastlm_kernels.arguments import Tokens
from fastlm_kernels.embedding import SETTLE_EVERY

__all__ = [
    "Checkpoint",
    "CheckpointFiles",
    "Interval",
    "Origin",
    "RunState",
    "check_unfinished",
    "checkpoint_beside",
    "differs",
    "model_beside",
    "newest_checkpoint",
    "read_checkpoint",
    "tokenizer_text",
    "tokens_identity",
    "write_checkpoint",
]

# What may be another when a run goes on; all else decides what a step does.
_MAY_CHANGE = frozenset({"epochs", "steps", "minutes", "threads", "lr", "patience"})

_LENGTHS = ("epochs", "steps", "minutes")

_ENDED = ("finished", "early stop", "diverged")

_FINGERPRINT_BYTES = 16
_CHUNK = 1 << 20


@dataclass(frozen=True, kw_only=True)
class Origin:
    """Where the tokens of a run come from, for its checkpoints.

    tokenizer : None: the checkpoint can be resumed, but holds no model that reads text
    description : of the corpus, for people
    recipe : what ``fastlm.train`` needs to read the corpus again, in types that JSON has
    """

    tokenizer: Tokenizer | None = None
    description: str = ""
    recipe: Mapping[str, Any] | None = None


# ---------------------------------------------------------------------------- the run's state


@dataclass(kw_only=True)
class RunState:
    """What a run knows besides the engine's arrays; all of it is in the checkpoint.

    step : steps done
    seconds : of training, validation and writing, without compiling; training_seconds of training
    history : the validations so far; best : the place of the best of them
    bad_validations : since the best one
    rate_factor : the learning rate is multiplied by it: halved by every rollback
    rollbacks : how often training went back; each with step, back_to, cause, rate_factor
    since_validation, since_row : [sum, number] of the step losses since the last validation, and
        the last row of the metrics
    recent : [sum, weight] of step losses, each e times less after some thousand examples
    usual : the lowest recent loss so far; before, the loss of the first step
    last_loss : mean loss of the last chunk
    rows : of the metrics file
    """

    step: int = 0
    seconds: float = 0.0
    training_seconds: float = 0.0
    history: list[Validation] = field(default_factory=list)
    best: int | None = None
    bad_validations: int = 0
    rate_factor: float = 1.0
    rollbacks: list[dict[str, Any]] = field(default_factory=list)
    since_validation: tuple[float, int] = (0.0, 0)
    since_row: tuple[float, int] = (0.0, 0)
    recent: tuple[float, float] = (0.0, 0.0)
    usual: float = math.nan
    last_loss: float = math.nan
    rows: int = 0

    def copy(self) -> RunState:
        return dataclasses.replace(self, history=list(self.history), rollbacks=list(self.rollbacks))

    @property
    def best_validation(self) -> Validation | None:
        return None if self.best is None else self.history[self.best]

    def to_dict(self) -> dict[str, Any]:
        form = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        form["history"] = [_finite(dataclasses.asdict(item)) for item in self.history]
        return _finite(form)

    @classmethod
    def from_dict(cls, form: Any) -> RunState:
        """Raises ModelFileError for what no run can have written."""
        values = _checked(form, "run", _RUN_TYPES)
        history = [
            Validation(**_checked(item, f"validation {n}", _VALIDATION_TYPES))
            for n, item in enumerate(values["history"])
        ]
        for item in values["rollbacks"]:
            _checked(item, "rollback", _ROLLBACK_TYPES)
        best = values["best"]
        if best is not None and best >= len(history):
            raise ModelFileError(f"its best validation is {best} of {len(history)}")
        if not 0 < values["rate_factor"] <= 1:
            raise ModelFileError(f"its rate_factor is {values['rate_factor']}, not in 0 to 1")
        values["history"] = history
        return cls(**values)


def _finite(form: dict[str, Any]) -> dict[str, Any]:
    """NaN, which JSON has not, as null."""
    return {
        key: None if isinstance(value, float) and not math.isfinite(value) else value
        for key, value in form.items()
    }


_WHOLE, _NUMBER, _MAYBE, _PAIR = "a whole number", "a number", "a number or null", "two numbers"
_LIST, _TEXT, _FLAG, _PLACE = "a list", "text", "true or false", "a whole number or null"

_RUN_TYPES = {
    "step": _WHOLE,
    "seconds": _NUMBER,
    "training_seconds": _NUMBER,
    "history": _LIST,
    "best": _PLACE,
    "bad_validations": _WHOLE,
    "rate_factor": _NUMBER,
    "rollbacks": _LIST,
    "since_validation": _PAIR,
    "since_row": _PAIR,
    "recent": _PAIR,
    "usual": _MAYBE,
    "last_loss": _MAYBE,
    "rows": _WHOLE,
}
_VALIDATION_TYPES = {
    "step": _WHOLE,
    "epoch": _NUMBER,
    "elapsed": _NUMBER,
    "loss": _NUMBER,
    "perplexity": _NUMBER,
    "train_loss": _MAYBE,
    "best": _FLAG,
}
_ROLLBACK_TYPES = {"step": _WHOLE, "back_to": _WHOLE, "cause": _TEXT, "rate_factor": _NUMBER}


def _checked(form: Any, what: str, types: Mapping[str, str]) -> dict[str, Any]:
    """The values of a JSON object with exactly these keys, each of its type."""
    if not isinstance(form, dict):
        raise ModelFileError(f"its {what} is not a JSON object")
    if form.keys() != types.keys():
        odd = sorted(map(str, form.keys() ^ types.keys()))[0]
        raise ModelFileError(f"its {what} lacks {odd!r}, or has it and should not")
    values = dict(form)
    for key, kind in types.items():
        value = form[key]
        if not _is_of(kind, value):
            raise ModelFileError(f"its {what} has {key} {str(value)[:40]!r}, not {kind}")
        if kind == _PAIR:
            values[key] = tuple(value)
        elif kind == _MAYBE and value is None:
            values[key] = math.nan
    return values


def _is_of(kind: str, value: Any) -> bool:
    whole = isinstance(value, int) and not isinstance(value, bool)
    number = (whole and abs(value) < 2**63) or (isinstance(value, float) and math.isfinite(value))
    if kind == _WHOLE:
        return whole and 0 <= value < 2**62
    if kind == _PLACE:
        return value is None or (whole and value >= 0)
    if kind == _NUMBER:
        return number
    if kind == _MAYBE:
        return value is None or number
    if kind == _PAIR:
        return (
            isinstance(value, list)
            and len(value) == 2
            and all(_is_of(_NUMBER, part) for part in value)
        )
    return isinstance(value, {_LIST: list, _TEXT: str, _FLAG: bool}[kind])


# ---------------------------------------------------------------------------- identity


def tokens_identity(tokens: Tokens) -> dict[str, Any]:
    """How many tokens, and a fingerprint: BLAKE2b over the ids as 32-bit little-endian numbers.

    The same for 16-bit and 32-bit arrays. About a second per billion bytes.
    """
    ids = tokens.ids if tokens.width == 1 else tokens.ids.view(np.uint32)
    digest = hashlib.blake2b(digest_size=_FINGERPRINT_BYTES)
    for start in range(0, ids.size, _CHUNK):
        digest.update(ids[start : start + _CHUNK].astype("<u4").data)
    return {"tokens": int(ids.size), "fingerprint": digest.hexdigest()}


def tokenizer_text(tokenizer: Tokenizer) -> str:
    """For error messages."""
    return (
        f"{tokenizer.kind} of {tokenizer.vocab_size:,} tokens with fingerprint "
        f"{tokenizer.fingerprint()[:12]}"
    )


def identity_text(identity: Mapping[str, Any] | None) -> str:
    """For error messages."""
    if identity is None:
        return "none"
    return f"{identity['tokens']:,} tokens with fingerprint {str(identity['fingerprint'])[:12]}"


# ---------------------------------------------------------------------------- the checkpoint


@dataclass(kw_only=True)
class Checkpoint:
    """What a file of kind ``checkpoint`` holds.

    params : float32[n], of the model so far (best, or current)
    arrays : the engine's ``State``, by field, with ``params`` and ``momentum`` float32[n]
    path : where it was read
    """

    model: ModelConfig
    training: TrainingConfig
    documents: Documents
    tokenizer: Tokenizer | None
    corpus: dict[str, Any]
    run: RunState
    reason: str
    details: dict[str, Any]
    params: NDArray[np.float32]
    arrays: dict[str, NDArray[Any]]
    metadata: dict[str, Any]
    path: Path

    @property
    def ended(self) -> bool:
        """Whether the run came to its end (it may be longer when it goes on)."""
        return self.reason in _ENDED

    def changed_training(self, changes: Mapping[str, Any]) -> TrainingConfig:
        """The training configuration with what may change changed; None stands for no change.

        Raises ConfigError for a setting that decides what the steps do.
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
                raise differs(self.path, name, saved, value)
        if any(name in given for name in _LENGTHS):
            given = dict.fromkeys(_LENGTHS) | given  # one length replaces another
        return dataclasses.replace(self.training, **given)

    def check_model(self, given: Mapping[str, Any]) -> None:
        """ConfigError where a given setting of the model is not the checkpoint's."""
        for name, value in given.items():
            saved = getattr(self.model, name)
            value = tuple(value) if isinstance(value, list) else value
            if value != saved:
                raise differs(self.path, name, saved, value)

    def check_tokenizer(self, tokenizer: Tokenizer | None) -> None:
        """ConfigError where a tokenizer is not the checkpoint's."""
        saved = self.tokenizer
        if saved is not None and tokenizer is not None and saved != tokenizer:
            raise ConfigError(
                f"{self.path} was trained with the tokenizer {tokenizer_text(saved)}, but the one "
                f"given is {tokenizer_text(tokenizer)}; leave the tokenizer's options out to resume"
            )

    def load_into(self, engine: TrainingEngine) -> None:
        """Put the arrays and the step into an engine of this model and training.

        Raises ModelFileError where they are not those of such an engine.
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
        if not self._is_sound(engine):
            raise ModelFileError(
                f"{self.path} is damaged: its state cannot be that after step {self.run.step}"
            )
        for name, array in state.items():
            np.copyto(array, self.arrays[name])
        engine.step = self.run.step

    def _is_sound(self, engine: TrainingEngine) -> bool:
        """Whether the arrays may be those of an engine after so many steps.

        Otherwise a kernel might run for hours to settle a row that claims to lag that far behind.
        """
        rows, step = self.arrays["row_steps"], self.run.step
        by_example = engine.by_example
        settled = rows if by_example else rows[: self.model.vocab]
        return bool(
            np.isfinite(self.arrays["momentum"]).all()
            and np.isfinite(self.arrays["rates"]).all()
            and rows.min(initial=0) >= 0
            and rows.max(initial=0) <= step
            and settled.min(initial=step) >= step - SETTLE_EVERY
        )

    def check_corpus(self, part: str, found: Mapping[str, Any] | None) -> None:
        """ConfigError where the tokens to train or to validate on are not the checkpoint's."""
        saved = self.corpus[part]
        if saved != found:
            text = "training" if part == "train" else "validation"
            raise ConfigError(
                f"{self.path} was made on another {text} text: {identity_text(saved)}, but this "
                f"is {identity_text(found)}; name the same text to resume, or start from the "
                "weights on this one with --init"
            )


def differs(path: Path, name: str, saved: Any, given: Any) -> ConfigError:
    """That a setting is not what it was, with both values."""
    return ConfigError(
        f"{path} was trained with {name} {_text(saved)}, but {_text(given)} is given; leave it out "
        "to resume"
    )


def _text(value: Any) -> str:
    if isinstance(value, tuple):
        return ",".join(map(str, value)) or "none"
    return str(value)


def write_checkpoint(
    path: FilePath,
    *,
    model: ModelConfig,
    training: TrainingConfig,
    documents: Documents,
    origin: Origin,
    corpus: Mapping[str, Any],
    run: RunState,
    reason: str,
    details: Mapping[str, Any],
    params: NDArray[np.float32],
    arrays: Mapping[str, NDArray[Any]],
) -> None:
    """Write a checkpoint whole or not at all; raises ModelFileError when it cannot be written."""
    import numba

    layout = Layout(model)
    tensors = dict(layout.views(params))
    tensors |= {f"momentum.{name}": view for name, view in layout.views(arrays["momentum"]).items()}
    tensors |= {f"state.{name}": array for name, array in arrays.items() if name != "momentum"}
    metadata = {
        "kind": "checkpoint",
        "model": model.to_dict(),
        "training": training.to_dict(),
        "tokenizer": None if origin.tokenizer is None else origin.tokenizer.to_dict(),
        "tokenizer_fingerprint": origin.tokenizer and origin.tokenizer.fingerprint(),
        "documents": documents,
        "details": dict(details),
        "run": run.to_dict(),
        "reason": reason,
        "corpus": dict(corpus)
        | {"description": origin.description, "recipe": _json_copy(origin.recipe)},
        "versions": {
            "python": platform.python_version(),
            "numpy": np.__version__,
            "numba": numba.__version__,
        },
        "machine": f"{platform.system()} {platform.machine()}",
        "written": time.time(),
    }
    write_model_file(path, tensors, metadata, "checkpoint")


def _json_copy(recipe: Mapping[str, Any] | None) -> Any:
    return None if recipe is None else json.loads(json.dumps(recipe))


def read_checkpoint(path: FilePath) -> Checkpoint:
    """Read a checkpoint of any content.

    Raises ModelFileError when it is not one, is damaged, or comes from a newer version, and
    MissingLibraryError for a tokenizer whose library is not installed.
    """
    tensors, metadata = read_model_file(path)
    kind = metadata.get("kind")
    if kind == "model":
        raise ModelFileError(
            f"{path} is a model, not a checkpoint; resume from {checkpoint_beside(path)}, or "
            "start from the model's weights with --init"
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


def _from_file(
    path: Path, tensors: Mapping[str, NDArray[Any]], metadata: dict[str, Any]
) -> Checkpoint:
    model: ModelConfig = saved_config(ModelConfig, metadata.get("model"), "model")
    training: TrainingConfig = saved_config(TrainingConfig, metadata.get("training"), "training")
    documents = metadata.get("documents")
    if documents not in get_args(Documents):
        raise ModelFileError(f"its documents is {documents!r}")
    form = metadata.get("tokenizer")
    tokenizer = None if form is None else tokenizer_from_dict(form)
    if tokenizer is not None and (tokenizer.vocab_size, tokenizer.boundary_id) != (
        model.vocab,
        model.boundary,
    ):
        raise ModelFileError("its tokenizer is not that of its model")
    reason, details = metadata.get("reason"), metadata.get("details")
    if not isinstance(reason, str) or not isinstance(details, dict):
        raise ModelFileError("it does not say why training ended, or has no details")
    layout = Layout(model)
    run = RunState.from_dict(metadata.get("run"))
    # Before memory is taken: these compare sizes.
    params = saved_params(layout, tensors)
    momentum = {
        name.removeprefix("momentum."): tensor
        for name, tensor in tensors.items()
        if name.startswith("momentum.")
    }
    arrays = {
        name.removeprefix("state."): tensor
        for name, tensor in tensors.items()
        if name.startswith("state.")
    }
    arrays["momentum"] = saved_params(layout, momentum)
    _check_params(arrays.get("params"), layout)
    return Checkpoint(
        model=model,
        training=training,
        documents=cast(Documents, documents),
        tokenizer=tokenizer,
        corpus=_corpus(metadata.get("corpus")),
        run=run,
        reason=reason,
        details=details,
        params=params,
        arrays=arrays,
        metadata=metadata,
        path=path,
    )


def _check_params(params: NDArray[Any] | None, layout: Layout) -> None:
    if params is None or params.shape != (layout.size,) or params.dtype != np.float32:
        raise ModelFileError(f"state.params is not float32 of shape ({layout.size},)")
    if not np.isfinite(params).all():
        raise ModelFileError("state.params holds numbers that are not finite")


def _corpus(form: Any) -> dict[str, Any]:
    corpus = _checked_keys(form, ("train", "valid", "description", "recipe"))
    for part in ("train", "valid"):
        if part == "valid" and corpus[part] is None:
            continue
        _checked(corpus[part], f"{part} corpus", {"tokens": _WHOLE, "fingerprint": _TEXT})
    if not isinstance(corpus["description"], str):
        raise ModelFileError("the description of its corpus is not text")
    if corpus["recipe"] is not None and not isinstance(corpus["recipe"], dict):
        raise ModelFileError("the recipe of its corpus is not a JSON object")
    return corpus


def _checked_keys(form: Any, keys: Sequence[str]) -> dict[str, Any]:
    if not isinstance(form, dict) or form.keys() != set(keys):
        raise ModelFileError(f"its corpus is not a JSON object of {', '.join(keys)}")
    return dict(form)


# ---------------------------------------------------------------------------- the files


def checkpoint_beside(model: FilePath) -> Path:
    """The checkpoint of the run that writes ``model``: m.safetensors, m.checkpoint.safetensors."""
    path = Path(model)
    if path.suffix == ".safetensors":
        return path.with_name(f"{path.stem}.checkpoint.safetensors")
    return path.with_name(f"{path.name}.checkpoint.safetensors")


def model_beside(checkpoint: FilePath) -> Path:
    """The model of the run that writes ``checkpoint``, where it follows ``checkpoint_beside``; a
    model's is itself."""
    path = Path(checkpoint)
    stem = re.sub(r"(\.checkpoint(-\d+)?)?\.safetensors$", "", path.name)
    return path.with_name(f"{stem}.safetensors")


def numbered_checkpoints(path: FilePath) -> list[Path]:
    """The older checkpoints kept beside ``path``, the newest first."""
    path = Path(path)
    pattern = re.compile(rf"{re.escape(path.stem)}-(\d+){re.escape(path.suffix)}")
    try:
        matches = [pattern.fullmatch(name) for name in os.listdir(path.parent)]
    except OSError:
        return []
    steps = {int(match[1]): match[0] for match in matches if match is not None}
    return [path.with_name(steps[step]) for step in sorted(steps, reverse=True)]


def newest_checkpoint(path: FilePath) -> tuple[Checkpoint, str | None]:
    """The newest valid checkpoint among ``path`` and the older ones kept beside it, and a line to
    say when it is not ``path``.

    Raises ModelFileError, with what is wrong with ``path``, when there is none.
    """
    try:
        return read_checkpoint(path), None
    except ModelFileError as error:
        for older in numbered_checkpoints(path):
            try:
                checkpoint = read_checkpoint(older)
            except ModelFileError:
                continue
            return checkpoint, f"{error}; going on from {older}, step {checkpoint.run.step:,}"
        if not Path(path).exists():
            raise ModelFileError(
                f"there is no checkpoint {path} to resume from; check the name, or leave the "
                "resuming out to start"
            ) from None
        raise


class Interval:
    """How often to write: "60", "60s", "5m", "1h", or "2000 steps".

    seconds, steps : one of them is None
    """

    def __init__(self, text: str | float) -> None:
        form = str(text).strip().lower()
        match = re.fullmatch(
            r"(\d+(?:\.\d*)?|\.\d+)\s*(s|sec|seconds|m|min|minutes|h|hours|steps?)?", form
        )
        number = float(match[1]) if match else 0.0
        unit = (match[2] or "s") if match else ""
        self.seconds: float | None = None
        self.steps: int | None = None
        if unit.startswith("step") and number.is_integer():
            self.steps = int(number)
        elif match and not unit.startswith("step"):
            self.seconds = number * {"s": 1, "m": 60, "h": 3600}[unit[0]]
        if not (self.steps or self.seconds):
            raise ConfigError(
                f"checkpoint_every is {text!r}; give a time such as 60s or 5m, or '2000 steps'"
            )


class CheckpointFiles:
    """Where a run writes its checkpoints, and how often.

    path : of the newest one
    every : see ``Interval``
    keep : how many older ones stay beside it, named by their step
    written_step : of the file at ``path``, None while this run has written none
    """

    def __init__(self, path: FilePath, every: str | float = "60s", keep: int = 0) -> None:
        if isinstance(keep, bool) or not isinstance(keep, int) or keep < 0:
            raise ConfigError(f"keep is {keep!r}; give a whole number of at least 0")
        self.path = Path(path)
        self.interval = Interval(every)
        self.keep = keep
        self.written_step: int | None = None
        self._last = time.monotonic()

    def start(self, resumed_step: int | None = None) -> None:
        """Begin a run: remove what killed writers left; the interval runs from now."""
        remove_stale(self.path)
        self.written_step = resumed_step
        self._last = time.monotonic()

    def due(self, step: int) -> bool:
        """Whether to write after ``step`` steps."""
        if self.interval.steps is not None:
            return step % self.interval.steps == 0 and step != self.written_step
        assert self.interval.seconds is not None
        return time.monotonic() - self._last >= self.interval.seconds

    def next_step(self, step: int) -> float:
        """The step at which one is due next, infinite where it goes by the clock."""
        every = self.interval.steps
        return math.inf if every is None else (step // every + 1) * every

    def write(self, step: int, **content: Any) -> None:
        """Write the checkpoint of ``step``; raises ModelFileError when it cannot be written."""
        self._last = time.monotonic()
        first = self.written_step is None
        if self.keep and self.written_step not in (None, step):
            self._keep_copy()
        write_checkpoint(self.path, **content)
        self.written_step = step
        self._last = time.monotonic()
        # At first there are only those of a run before, which this one replaces.
        for older in numbered_checkpoints(self.path)[0 if first else self.keep :]:
            with contextlib.suppress(OSError):
                older.unlink()

    def _keep_copy(self) -> None:
        """Give the checkpoint that is to be replaced a second name, of its step."""
        older = self.path.with_name(f"{self.path.stem}-{self.written_step:010d}{self.path.suffix}")
        try:
            older.unlink(missing_ok=True)
            try:
                os.link(self.path, older)
            except OSError:  # a file system without second names
                replace_file(older, [self.path.read_bytes()])
        except OSError as error:
            raise ModelFileError(
                f"cannot keep the checkpoint of step {self.written_step} as {older}: "
                f"{reason_of(error)}; free some space"
            ) from None


def check_unfinished(path: FilePath) -> None:
    """ConfigError where a new run would overwrite a checkpoint of a run that can go on, or a file
    that is no checkpoint."""
    path = Path(path)
    try:
        if not path.exists() or (path.is_file() and not path.stat().st_size):
            return
        metadata = read_metadata(path)
    except (OSError, ModelFileError) as error:
        raise ConfigError(f"{error}: remove it, or name another checkpoint") from None
    if metadata.get("kind") != "checkpoint":
        raise ConfigError(
            f"{path} exists and is not a checkpoint, so it is not overwritten; name another file"
        )
    run = metadata.get("run")
    if metadata.get("reason") not in _ENDED and isinstance(run, dict):
        raise ConfigError(
            f"{path} is the checkpoint of a run that has not ended (step {run.get('step')}); go on "
            "with --resume, or begin anew with --restart, which drops it"
        )
