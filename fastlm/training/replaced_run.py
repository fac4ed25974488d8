"""The files that a run replaces: those of another run are protected, and one run writes at once."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastlm.config import Config, ModelConfig, TrainingConfig
from fastlm.errors import ConfigError, FastlmError, ModelFileError
from fastlm.model.model_file import read_metadata
from fastlm.model.saved_model import config_from_json
from fastlm.system.file_lock import FileLock
from fastlm.training.checkpoint import ENDED
from fastlm.types import FilePath
from fastlm.wording import setting

__all__ = ["NewRun", "check_replaced", "run_lock"]

# Settings that do not decide what comes out, or follow from the memory there is.
_ANY = frozenset({"threads", "shuffle_window"})


@dataclass(frozen=True, kw_only=True)
class NewRun:
    """What a new run trains on, and how."""

    config: Config
    given: frozenset[str]
    """Names of the settings that the caller gave; the others may follow from measured speed."""
    corpus_fingerprint: str
    """Of the text, see ``Dataset``."""
    train: Callable[[], Mapping[str, Any]]
    """Returns ``tokens_identity`` of the training tokens, which costs a pass over them."""


@contextlib.contextmanager
def run_lock(path: FilePath | None) -> Iterator[None]:
    """Hold the lock of a run's file, None for no file; raise ConfigError if another run does."""
    if path is None:
        yield
        return
    with FileLock(f"{os.fspath(path)}.lock") as lock:
        if not lock.acquire():
            raise ConfigError(
                f"another run is writing {path} now; wait for its end, or name another file"
            )
        yield


def check_replaced(path: FilePath, run: NewRun, *, unfinished_too: bool) -> None:
    """Raise ConfigError if ``path`` is the model or checkpoint of another run than ``run``.

    With ``unfinished_too`` those of a run that has not ended may be replaced in any case.
    """
    path = Path(path)
    if not path.is_file() or not path.stat().st_size:
        return
    try:
        metadata = read_metadata(path)
    except (OSError, ModelFileError):
        return  # whether such a file is replaced is checked elsewhere
    details = metadata.get("details")
    details = details if isinstance(details, dict) else {}
    reason = metadata.get("reason", details.get("reason"))
    if unfinished_too and reason not in ENDED:
        return
    difference = _difference(metadata, details, run)
    if difference is not None:
        raise ConfigError(
            f"{path} is a {metadata.get('kind')} {difference}, so it is not overwritten; name "
            f"another file, or replace it with {setting('overwrite', True)}"
        )


def _difference(metadata: Mapping[str, Any], details: Mapping[str, Any], run: NewRun) -> str | None:
    """Return in words how a file's run differs; None if it is the same."""
    corpus = metadata.get("corpus")
    if isinstance(corpus, dict):
        same_text = corpus.get("train") == run.train()
    else:
        same_text = details.get("corpus_fingerprint") == run.corpus_fingerprint
    if not same_text:
        known = corpus.get("description") if isinstance(corpus, dict) else details.get("corpus")
        return f"of another text or tokenizer ({' '.join(str(known or 'unknown').split())})"
    try:
        model = config_from_json(ModelConfig, metadata.get("model"), "model")
        training = config_from_json(TrainingConfig, metadata.get("training"), "training")
    except FastlmError:
        return "with other settings"
    by_speed = run.config.training.minutes is not None
    for mine, theirs in ((run.config.model, model), (run.config.training, training)):
        for name, value in mine.to_dict().items():
            other = theirs.to_dict()[name]
            chosen = by_speed and name not in run.given
            if value != other and name not in _ANY and not chosen:
                return f"trained with {name} {other}, not {value}"
    if metadata.get("documents") != run.config.documents:
        return f"trained with documents {metadata.get('documents')}, not {run.config.documents}"
    return None
