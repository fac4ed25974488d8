"""What a model is and how it is trained: two dataclasses that check themselves.

A configuration that exists is a valid one; the rest of the library relies on it.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any, Literal

from fastlm.errors import ConfigError

__all__ = ["Combine", "Documents", "FirstWeights", "ModelConfig", "Schedule", "TrainingConfig"]

Combine = Literal["concat", "mean"]
Documents = Literal["file", "paragraphs", "lines"]
FirstWeights = Literal["scaled", "tiny", "mini"]
Schedule = Literal["constant", "linear", "cosine"]


def _whole(name: str, value: Any, least: int) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ConfigError(f"{name} is {value!r}; give a whole number of at least {least}")


def _number(name: str, value: Any, low: float, high: float, *, open_low: bool = False) -> None:
    """Check low <= value < high (low < value if ``open_low``)."""
    allowed = f"{'above' if open_low else 'at least'} {low:g}" + (
        f" and below {high:g}" if math.isfinite(high) else ""
    )
    good = isinstance(value, int | float) and not isinstance(value, bool)
    if not good or not (low < value if open_low else low <= value) or not value < high:
        raise ConfigError(f"{name} is {value!r}; give a number {allowed}")


def _flag(name: str, value: Any) -> None:
    if not isinstance(value, bool):
        raise ConfigError(f"{name} is {value!r}; give True or False")


def _one_of(name: str, value: Any, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ConfigError(f"{name} is {value!r}; choose one of {', '.join(choices)}")


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The shape of a model.

    vocab : V, number of token ids
    context : C, tokens before the target that the model sees
    embed : E, width of an embedding
    hidden : widths of the hidden ReLU layers, none for a linear model
    combine : ``concat`` (the C embeddings side by side) or ``mean``
    bias : whether hidden layers and output have biases
    boundary : id of the token that ends a document, None if the tokenizer has none
    """

    vocab: int
    context: int = 8
    embed: int = 24
    hidden: tuple[int, ...] = (256, 128)
    combine: Combine = "concat"
    bias: bool = True
    boundary: int | None = None

    def __post_init__(self) -> None:
        _whole("vocab", self.vocab, 2)
        _whole("context", self.context, 1)
        _whole("embed", self.embed, 1)
        if isinstance(self.hidden, str) or not hasattr(self.hidden, "__iter__"):
            raise ConfigError(
                f"hidden is {self.hidden!r}; give a tuple of widths such as (256, 128)"
            )
        object.__setattr__(self, "hidden", tuple(self.hidden))
        for width in self.hidden:
            _whole("hidden", width, 1)
        _flag("bias", self.bias)
        _one_of("combine", self.combine, ("concat", "mean"))
        if self.boundary is not None:
            _whole("boundary", self.boundary, 0)
            if self.boundary >= self.vocab:
                raise ConfigError(
                    f"boundary is {self.boundary}; give an id below the vocabulary's {self.vocab}"
                )
        # Offsets inside BLAS are 32-bit; so are ids.
        if max(self.vocab, self.input_width, *self.hidden, 1) >= 2**31:
            raise ConfigError("a layer is wider than 2,147,483,647; make it narrower")

    @property
    def input_width(self) -> int:
        """Width of the first layer's input: C * E, or E for the mean."""
        return self.embed * (self.context if self.combine == "concat" else 1)

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self) | {"hidden": list(self.hidden)}


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How a model is trained.

    batch : B, examples per step
    lr : learning rate for the update m = beta m + (1 - beta) g, w -= lr m with g the mean gradient
        of the batch; None: batch / 64
    embed_lr_scale : the embeddings' learning rate is this many times ``lr``
    momentum : beta
    schedule : ``linear`` and ``cosine`` go down to zero at the end, ``constant`` stays
    warmup : steps over which the rate rises from zero at the start
    epochs, steps, minutes : how long; at most one of them. None at all: as many epochs as suit the
        corpus (see ``fastlm.schedule``)
    dropout, embed_dropout : share of hidden units, of inputs, dropped in training
    patience : stop when the validation loss has not improved for so many validations; None: never
    valid_every : epochs between validations; None: about twenty over the run
    shuffle : a new order of the examples every epoch; False: as they come
    seed : of weights, order and dropout
    threads : None: FASTLM_THREADS, or the processors this process may use
    init : ``scaled`` (the default of this library), or ``tiny`` or ``mini``: the weights
        that these reference systems start from with this seed
    """

    batch: int = 256
    lr: float | None = None
    embed_lr_scale: float = 1.0
    momentum: float = 0.9
    schedule: Schedule = "linear"
    warmup: int = 0
    epochs: float | None = None
    steps: int | None = None
    minutes: float | None = None
    dropout: float = 0.0
    embed_dropout: float = 0.0
    patience: int | None = None
    valid_every: float | None = None
    shuffle: bool = True
    seed: int = 0
    threads: int | None = None
    init: FirstWeights = "scaled"

    def __post_init__(self) -> None:
        infinity = math.inf
        _whole("batch", self.batch, 1)
        if self.lr is not None:
            _number("lr", self.lr, 0, infinity, open_low=True)
        _number("embed_lr_scale", self.embed_lr_scale, 0, infinity)
        _number("momentum", self.momentum, 0, 1)
        _one_of("schedule", self.schedule, ("constant", "linear", "cosine"))
        _whole("warmup", self.warmup, 0)
        given = [name for name in ("epochs", "steps", "minutes") if getattr(self, name) is not None]
        if len(given) > 1:
            raise ConfigError(f"{' and '.join(given)} are both given; choose one of them")
        if self.epochs is not None:
            _number("epochs", self.epochs, 0, infinity, open_low=True)
        if self.steps is not None:
            _whole("steps", self.steps, 1)
        if self.minutes is not None:
            _number("minutes", self.minutes, 0, infinity, open_low=True)
        _number("dropout", self.dropout, 0, 1)
        _number("embed_dropout", self.embed_dropout, 0, 1)
        if self.patience is not None:
            _whole("patience", self.patience, 1)
        if self.valid_every is not None:
            _number("valid_every", self.valid_every, 0, infinity, open_low=True)
        _flag("shuffle", self.shuffle)
        _whole("seed", self.seed, 0)
        if self.seed >= 2**63:
            raise ConfigError(f"seed is {self.seed}; give a whole number below 2**63")
        if self.threads is not None:
            _whole("threads", self.threads, 1)
        _one_of("init", self.init, ("scaled", "tiny", "mini"))

    @property
    def rate(self) -> float:
        """The learning rate before the schedule."""
        return self.batch / 64 if self.lr is None else self.lr

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)
