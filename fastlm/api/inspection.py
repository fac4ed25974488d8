"""Facts about a model or a checkpoint: sizes, settings, history, nearest neighbours."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm.api.history import sound_rows
from fastlm.api.language_model import LanguageModel, load
from fastlm.config import ModelConfig
from fastlm.engine.network import first_target
from fastlm.errors import ConfigError
from fastlm.inference.embeddings.neighbors import nearest_tokens
from fastlm.inference.text_model import TextModel
from fastlm.model.layout import Layout
from fastlm.model.model_file import read_metadata
from fastlm.model.remembered import HASH_BYTES
from fastlm.system.json_values import LIST, NUMBER, TEXT, WHOLE, Kind
from fastlm.tokenizers import Tokenizer
from fastlm.training.checkpoint import Checkpoint, read_checkpoint
from fastlm.training.schedule import RunPlan
from fastlm.types import FilePath

__all__ = ["Inspection"]

_NEIGHBORS = 10

# Of a run; more is no time that one took.
_LONGEST_SECONDS = 1e12


class Inspection:
    """The contents of a model file or checkpoint, read and checked.

    Attributes
    ----------
    facts : dict
        In types that JSON has; see ``fastlm inspect --json``.
    tokenizer : Tokenizer or None
        None where a checkpoint was written without one.

    Raises
    ------
    ModelFileError
        When it is neither a model nor a checkpoint.
    """

    def __init__(self, path: FilePath) -> None:
        self.path = Path(path)
        metadata = read_metadata(path)
        self.facts: dict[str, Any] = {
            "file": str(path),
            "kind": metadata.get("kind"),
            "bytes": os.path.getsize(path),
            "format_version": metadata.get("format_version"),
            "library_version": metadata.get("library_version"),
        }
        details: dict[str, Any]
        self.tokenizer: Tokenizer | None
        if metadata.get("kind") == "checkpoint":
            saved = read_checkpoint(path)
            self._take(saved.model, saved.params, saved.tokenizer, saved)
            details = saved.details
            self.facts |= _run_facts(saved)
        else:
            lm: LanguageModel = load(path)
            config, params = (lm.config, lm.params) if lm.has_network else (None, None)
            self._take(config, params, lm.tokenizer, lm)
            self.facts |= _member_facts(lm.text_model)
            if lm.remembered is not None:
                lines = len(lm.remembered)
                self.facts["remembered"] = {"lines": lines, "bytes": lines * HASH_BYTES}
            details = lm.details
        # What the file says of itself never takes the place of what was found.
        self.facts = _sound_details(details) | self.facts

    def _take(
        self,
        config: ModelConfig | None,
        params: NDArray[np.float32] | None,
        tokenizer: Tokenizer | None,
        source: Checkpoint | LanguageModel,
    ) -> None:
        self.tokenizer = tokenizer
        self._embeddings = None
        if config is not None and params is not None:
            self._embeddings = Layout(config).views(params)["embeddings"]
        self.facts |= {
            "parameters": 0 if params is None else int(params.size),
            "model": None if config is None else config.to_dict(),
            "documents": source.documents,
            "tokenizer": None
            if tokenizer is None
            else {"kind": tokenizer.kind, "vocab": tokenizer.vocab_size},
            "training": None if source.training is None else source.training.to_dict(),
        }

    def neighbors(self, token: str) -> list[tuple[str, float]]:
        """Return the ten tokens with the nearest embeddings to ``token``, and their cosines.

        Raises
        ------
        ConfigError
            For text that is not one token of the vocabulary.
        """
        if self.tokenizer is None:
            raise ConfigError(f"{self.path} has no tokenizer, so its tokens have no names")
        if self._embeddings is None:
            raise ConfigError(f"{self.path} has counts alone, so its tokens have no embeddings")
        return nearest_tokens(self.tokenizer, self._embeddings, token, _NEIGHBORS)


def _member_facts(model: TextModel) -> dict[str, Any]:
    """Return the facts about further networks, counts, and the weights of all."""
    facts: dict[str, Any] = {}
    if len(model.networks) > 1:
        facts["others"] = [
            {"parameters": network.params.size, "model": network.config.to_dict()}
            for network in model.networks[1:]
        ]
    if model.counts is not None:
        counts = model.counts.model
        facts["counts"] = {
            "order": counts.order,
            "ngrams": list(counts.counts),
            "bytes": counts.nbytes,
            "estimate": counts.metadata,
        }
    if model.weights is not None:
        facts["weights"] = model.weights.tolist()
    return facts


_TIME = Kind("a number", lambda value: NUMBER.holds(value) and 0 <= value < _LONGEST_SECONDS)
_DETAILS = {
    "reason": TEXT,
    "step": WHOLE,
    "epoch": _TIME,
    "seconds": _TIME,
    "train_loss": NUMBER,
    "valid_loss": NUMBER,
    "network_valid_loss": NUMBER,
    "counts_valid_loss": NUMBER,
    "best_step": WHOLE,
    "corpus": TEXT,
    "history": LIST,
}
# Facts of a checkpoint's run and of the command, which details cannot give.
_NO_DETAILS = {
    "counts", "ended", "fraction", "lr", "machine", "neighbors", "others", "rate_factor",
    "remembered", "resume", "tokenizer_fingerprint", "total_epochs", "total_steps", "train",
    "valid", "versions", "weights", "written",
}  # fmt: skip


def _sound_details(details: Mapping[str, Any]) -> dict[str, Any]:
    """Return the details of a file, without those that cannot be what they are called.

    The others, which only people or ``--json`` read, may be anything.
    """
    sound = {
        name: value
        for name, value in details.items()
        if name not in _NO_DETAILS and (name not in _DETAILS or _DETAILS[name].holds(value))
    }
    sound["history"] = sound_rows(sound)
    return sound


def _run_facts(saved: Checkpoint) -> dict[str, Any]:
    run, training = saved.run, saved.training
    examples = max(1, saved.corpus["train"]["tokens"] - first_target(saved.model))
    plan = RunPlan(training, examples)
    total = plan.total_steps
    return {
        "reason": saved.reason,
        "step": run.step,
        "total_steps": total,
        "fraction": plan.fraction(run),
        "total_epochs": None if total is None else plan.epoch(total),
        "seconds": run.seconds,
        "lr": float(plan.rates(run, 1)[0]),
        "rate_factor": run.rate_factor,
        "rollbacks": run.rollbacks,
        "corpus": saved.corpus["description"],
        "train": saved.corpus["train"],
        "valid": saved.corpus["valid"],
        "tokenizer_fingerprint": saved.metadata.get("tokenizer_fingerprint"),
        "versions": saved.metadata.get("versions"),
        "machine": saved.metadata.get("machine"),
        "written": saved.metadata.get("written"),
        "ended": saved.ended,
    }
