"""Presets (--preset): the settings of the two reference systems, for the compiled engine."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from fastlm.checks import check_choice, check_known
from fastlm.config import ModelConfig, TrainingConfig, as_widths

__all__ = ["PRESETS", "Preset", "preset_named", "split_settings"]


@dataclass(frozen=True)
class Preset:
    """Settings to use unless the caller gives others."""

    tokenizer: str | None = None
    """Kind of the tokenizer, if the system defines its own."""
    tokenizer_options: dict[str, Any] = field(default_factory=dict)
    """Options of ``build_tokenizer``."""
    model: dict[str, Any] = field(default_factory=dict)
    """Fields of ModelConfig."""
    training: dict[str, Any] = field(default_factory=dict)
    """Fields of TrainingConfig."""
    valid: float | None = None
    """Share of the corpus to validate on."""


PRESETS: dict[str, Preset] = {
    # fastlm.reference.tiny: one example at a time in the order of the text, without momentum.
    "tiny": Preset(
        tokenizer="tiny",
        model={"context": 5, "embed": 32, "hidden": (), "combine": "mean", "bias": False},
        training={
            "batch": 1,
            "lr": 0.05,
            "momentum": 0.0,
            "schedule": "constant",
            "epochs": 100,
            "shuffle": False,
            "init": "tiny",
        },
        valid=0.0,
    ),
    # fastlm.reference.mini: one example at a time, with momentum.
    "mini": Preset(
        tokenizer="word",
        tokenizer_options={"boundary": False, "unk": False, "lowercase": True, "pattern": "mini"},
        model={"context": 4, "embed": 64, "hidden": (128,), "combine": "concat", "bias": True},
        training={
            "batch": 1,
            "lr": 0.1,
            "momentum": 0.9,
            "schedule": "constant",
            "epochs": 20,
            "shuffle": True,
            "init": "mini",
        },
        valid=0.0,
    ),
}


def preset_named(name: str | None) -> Preset:
    """Return a preset, for None one without settings; raise ConfigError for an unknown name."""
    if name is None:
        return Preset()
    check_choice("preset", name, PRESETS)
    return PRESETS[name]


def split_settings(
    settings: Mapping[str, Any], preset: Preset, others: Iterable[str] = ()
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the fields of ModelConfig and those of TrainingConfig: given, else the preset's.

    others : keywords of the caller, which a misspelt setting may mean
    """
    given = {name: value for name, value in settings.items() if value is not None}
    in_model = ModelConfig.__dataclass_fields__.keys() - {"vocab", "boundary"}
    in_training = TrainingConfig.__dataclass_fields__.keys()
    check_known(settings, in_model | in_training, others=others, where="help(fastlm.train)")
    for name in given.keys() & {"hidden", "far", "cutoffs"}:
        given[name] = as_widths(given[name])
    training = dict(preset.training)
    if {"epochs", "steps", "minutes"} & given.keys():
        training.pop("epochs", None)  # another length replaces the preset's
    return (
        preset.model | {name: value for name, value in given.items() if name in in_model},
        training | {name: value for name, value in given.items() if name in in_training},
    )
