"""Named sets of settings: the two systems that fastlm grew from, on the compiled engine."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from fastlm.checks import check_choice

__all__ = ["PRESETS", "Preset", "preset_named"]


@dataclass(frozen=True)
class Preset:
    """Settings that stand where the caller gives none.

    tokenizer : kind; fixed if the system defines its own
    tokenizer_options : for ``build_tokenizer``
    model, training : fields of ModelConfig and TrainingConfig
    valid : what is held out when the caller does not say
    """

    tokenizer: str | None = None
    tokenizer_options: dict[str, Any] = field(default_factory=dict)
    model: dict[str, Any] = field(default_factory=dict)
    training: dict[str, Any] = field(default_factory=dict)
    valid: float | None = None


PRESETS: dict[str, Preset] = {
    # fastlm.reference.tiny: example by example in the order of the text, plain gradient descent.
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
    # fastlm.reference.mini: example by example, momentum.
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
    """The preset of this name; None: one without any settings.

    Raises ConfigError for an unknown name.
    """
    if name is None:
        return Preset()
    check_choice("preset", name, PRESETS)
    return PRESETS[name]
