"""Configurations of models and of training, which check themselves.

A configuration that exists is a valid one; the rest of the library relies on it.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, ClassVar, Self, TypedDict

from fastlm.checks import check_choice, check_flag, check_known, check_seed, shown, whole_number
from fastlm.errors import ConfigError
from fastlm.limits import MOST_WIDTHS, check_setting
from fastlm.types import Combine, Documents, FirstWeights, Schedule

__all__ = [
    "Config",
    "ModelConfig",
    "ModelSettings",
    "Settings",
    "TrainingConfig",
    "TrainingSettings",
    "as_widths",
]


class _KnownNames:
    """Refuses settings that do not exist, with the one that is meant."""

    __dataclass_fields__: ClassVar[dict[str, Any]]

    def __new__(cls, *args: Any, **given: Any) -> Self:
        check_known(given, cls.__dataclass_fields__, where=f"help(fastlm.{cls.__name__})")
        return super().__new__(cls)


@dataclass(frozen=True, kw_only=True)
class ModelConfig(_KnownNames):
    """The shape of a model; raises ConfigError for a value out of range."""

    vocab: int
    """V, number of token ids, at least 2."""
    context: int = 8
    """C, tokens before the target that the model sees one by one, at least 1."""
    embed: int = 24
    """E, width of an embedding, at least 1."""
    hidden: tuple[int, ...] = (256, 128)
    """H, widths of the hidden ReLU layers; none for a linear model."""
    combine: Combine = "concat"
    """First layer's input: ``concat``, the C embeddings side by side, or ``mean``."""
    far: tuple[int, ...] = ()
    """Sizes, in tokens, of pools further back.

    (12, 48) are the 12 tokens before the context and the 48 before those. Each pool adds E numbers
    to the first layer's input: the sum of its embeddings with learnt weights per position and
    component.
    """
    bias: bool = True
    """Whether hidden layers and output have biases."""
    boundary: int | None = None
    """Id of the boundary token (``<end>``), None if the tokenizer has none."""
    cutoffs: tuple[int, ...] = ()
    """Rising ids at which an adaptive softmax is cut; none for the full softmax.

    (2000, 10000): ids below 2000 are in the head, 2000 to 9999 and 10000 to V - 1 are two clusters.
    Ids should be in order of falling frequency. Source: Grave et al. 2017, "Efficient softmax
    approximation for GPUs".
    """
    tail_divisor: float = 2.0
    """Cluster k = 1, 2, ... projects the last hidden layer to 1 / tail_divisor**k of its width;
    at least 1."""

    def __post_init__(self) -> None:
        _take_numbers(self, "vocab", "context", "embed", "tail_divisor", "boundary")
        for name, example in (
            ("hidden", "widths such as (256, 128)"),
            ("far", "pool sizes such as (12, 48)"),
            ("cutoffs", "ids such as (2000, 10000)"),
        ):
            values = as_widths(getattr(self, name))
            if isinstance(values, str) or not hasattr(values, "__iter__"):
                raise ConfigError(f"{name} is {shown(values)}; give a tuple of {example}")
            numbers = tuple(check_setting(name, value) for value in values)
            if len(numbers) > MOST_WIDTHS:
                raise ConfigError(
                    f"{name} has {len(numbers):,} numbers; give at most {MOST_WIDTHS}"
                )
            object.__setattr__(self, name, numbers)
        edges = (*self.cutoffs, self.vocab)
        if any(low >= high for low, high in pairwise(edges)):
            raise ConfigError(
                f"cutoffs are {self.cutoffs}; give rising ids below the vocabulary's {self.vocab}"
            )
        check_flag("bias", self.bias)
        check_choice("combine", self.combine, ("concat", "mean"))
        if self.boundary is not None and self.boundary >= self.vocab:
            raise ConfigError(
                f"boundary is {self.boundary}; give an id below the vocabulary's {self.vocab}"
            )
        # Offsets inside BLAS are 32-bit; so are ids.
        if max(self.vocab, self.input_width, *self.hidden, 1) >= 2**31:
            raise ConfigError("a layer is wider than 2,147,483,647; make it narrower")

    @property
    def input_width(self) -> int:
        """Width of the first layer's input: C * E, or E for the mean, and E for each pool."""
        return self.embed * ((self.context if self.combine == "concat" else 1) + len(self.far))

    @property
    def span(self) -> int:
        """Tokens before the target that the model sees in all: C and the pools."""
        return self.context + sum(self.far)

    @property
    def clusters(self) -> tuple[tuple[int, int, int], ...]:
        """(first id, end, projection width) of each cluster of the adaptive softmax."""
        width = self.hidden[-1] if self.hidden else self.input_width
        return tuple(
            (low, high, max(1, int(width / self.tail_divisor**number)))
            for number, (low, high) in enumerate(pairwise((*self.cutoffs, self.vocab)), start=1)
        )

    @property
    def head(self) -> int:
        """Width of the output layer: V, or the ids of the head and one entry for each cluster."""
        return self.cutoffs[0] + len(self.cutoffs) if self.cutoffs else self.vocab

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        lists = {name: list(getattr(self, name)) for name in ("hidden", "far", "cutoffs")}
        return dataclasses.asdict(self) | lists


@dataclass(frozen=True, kw_only=True)
class TrainingConfig(_KnownNames):
    """How a model is trained; raises ConfigError for a value out of range.

    The update is m = beta m + (1 - beta) g, w -= lr m, with g the mean gradient of the batch.
    """

    batch: int = 256
    """B, examples per step, at least 1."""
    lr: float | None = None
    """Learning rate before the schedule, above 0; None: batch / 64."""
    embed_lr_scale: float = 1.0
    """Learning rate of the embeddings in units of ``lr``, at least 0."""
    momentum: float = 0.9
    """beta, in [0, 1)."""
    weight_decay: float = 0.0
    """lambda, at least 0: a step takes lr * lambda of every weight and embedding.

    Biases and the weights of pools do not decay. Applied every 256 steps, for these together.
    """
    schedule: Schedule = "linear"
    """``linear`` and ``cosine`` fall to zero at the end of the run, ``constant`` stays."""
    warmup: int = 0
    """Steps over which the learning rate rises from zero at the start."""
    epochs: float | None = None
    """Length in passes over the examples, above 0; without ``steps`` and ``minutes`` too, as many
    as make about five million examples, 1 to 30."""
    steps: int | None = None
    """Length in steps, at least 1; not together with ``epochs``."""
    minutes: float | None = None
    """Length in minutes, above 0; with ``epochs`` or ``steps`` the run ends at what comes first."""
    dropout: float = 0.0
    """Share of hidden units dropped in training, in [0, 1)."""
    embed_dropout: float = 0.0
    """Share of the first layer's inputs dropped in training, in [0, 1)."""
    patience: int | None = None
    """Validations without a new best after which training stops; None: never."""
    valid_every: float | None = None
    """Epochs between validations, above 0; None: up to twenty over the run."""
    valid_tokens: int | None = None
    """Tokens to validate on, at least 1, evenly spread over the validation text; None: all.

    ``fastlm.train`` chooses so many for a run bounded by minutes that a validation takes a fortieth
    of them.
    """
    shuffle: bool = True
    """Whether every epoch has a new order of the examples; False: as in the corpus."""
    shuffle_window: int | None = None
    """Examples that are shuffled at a time, for a corpus larger than memory; None: all.

    A window is put together from 64 stretches of the corpus, taken in random order.
    ``fastlm.train`` chooses a window for a store that takes more than half of the memory.
    """
    seed: int = 0
    """Random seed for initial weights, data order and dropout, 0 to 2**63 - 1."""
    threads: int | None = None
    """None: FASTLM_THREADS, or the processors that this process may use."""
    init: FirstWeights = "scaled"
    """First weights: ``scaled``, or those of the reference systems ``tiny`` and ``mini``."""

    def __post_init__(self) -> None:
        _take_numbers(self, *_TRAINING_NUMBERS)
        if self.epochs is not None and self.steps is not None:
            raise ConfigError("epochs and steps are both given; choose one of them")
        check_choice("schedule", self.schedule, ("constant", "linear", "cosine"))
        check_flag("shuffle", self.shuffle)
        object.__setattr__(self, "seed", check_seed("seed", self.seed))
        check_choice("init", self.init, ("scaled", "tiny", "mini"))

    @property
    def base_lr(self) -> float:
        """The learning rate before the schedule."""
        return self.batch / 64 if self.lr is None else self.lr

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return dataclasses.asdict(self)


class ModelSettings(TypedDict, total=False):
    """The fields of ``ModelConfig`` that ``fastlm.train`` takes; None: chosen for the corpus."""

    context: int | None
    embed: int | None
    hidden: int | Sequence[int] | None
    combine: Combine | None
    far: int | Sequence[int] | None
    bias: bool | None
    cutoffs: int | Sequence[int] | None
    tail_divisor: float | None


class TrainingSettings(TypedDict, total=False):
    """The fields of ``TrainingConfig`` but for ``init``; None: chosen for the corpus."""

    batch: int | None
    lr: float | None
    embed_lr_scale: float | None
    momentum: float | None
    weight_decay: float | None
    schedule: Schedule | None
    warmup: int | None
    epochs: float | None
    steps: int | None
    minutes: float | None
    dropout: float | None
    embed_dropout: float | None
    patience: int | None
    valid_every: float | None
    valid_tokens: int | None
    shuffle: bool | None
    shuffle_window: int | None
    seed: int | None
    threads: int | None


class Settings(ModelSettings, TrainingSettings, total=False):
    """The settings of ``fastlm.train``; the two configurations explain them."""


def as_widths(value: Any) -> Any:
    """Return one whole number as a tuple of it, as ``hidden=64`` means; anything else as it is."""
    return value if whole_number(value) is None else (value,)


_TRAINING_NUMBERS = (
    "batch", "lr", "embed_lr_scale", "momentum", "weight_decay", "warmup", "epochs", "steps",
    "minutes", "dropout", "embed_dropout", "patience", "valid_every", "valid_tokens",
    "shuffle_window", "threads",
)  # fmt: skip


def _take_numbers(config: Any, *names: str) -> None:
    """Check numbers, and keep them as Python's, so that JSON has them."""
    for name in names:
        object.__setattr__(config, name, check_setting(name, getattr(config, name)))


@dataclass(frozen=True, kw_only=True)
class Config:
    """All settings of a run."""

    model: ModelConfig
    training: TrainingConfig = field(default_factory=TrainingConfig)
    documents: Documents = "file"
    """What a document is: a context never reaches across its end."""
