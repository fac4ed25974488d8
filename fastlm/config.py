"""What a model is and how it is trained: two dataclasses that check themselves.

A configuration that exists is a valid one; the rest of the library relies on it.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from fastlm.checks import check_choice, check_flag, check_number, check_seed, check_whole
from fastlm.errors import ConfigError
from fastlm.types import Combine, Documents, FirstWeights, Schedule

__all__ = ["Config", "ModelConfig", "TrainingConfig"]


@dataclass(frozen=True, kw_only=True)
class ModelConfig:
    """The shape of a model.

    vocab : V, number of token ids
    context : C, tokens before the target that the model sees
    embed : E, width of an embedding
    hidden : widths of the hidden ReLU layers, none for a linear model
    combine : ``concat`` (the C embeddings side by side) or ``mean``
    far : sizes of the pools of tokens further back: (12, 48) are the 12 tokens before the context
        and the 48 before those. A pool is one more vector of E numbers in the first layer's input:
        the sum of its tokens' embeddings, weighted by learnt numbers per position and component
    bias : whether hidden layers and output have biases
    boundary : id of the token that ends a document, None if the tokenizer has none
    cutoffs : none for the full softmax. (2000, 10000): an adaptive softmax (Grave et al. 2017,
        "Efficient softmax approximation for GPUs") with ids below 2000 in its head and two
        clusters, 2000 to 9999 and 10000 to V - 1; ids are meant to go by falling frequency
    tail_divisor : cluster k = 1, 2, ... sees the last hidden layer through a projection to
        1 / tail_divisor**k of its width
    """

    vocab: int
    context: int = 8
    embed: int = 24
    hidden: tuple[int, ...] = (256, 128)
    combine: Combine = "concat"
    far: tuple[int, ...] = ()
    bias: bool = True
    boundary: int | None = None
    cutoffs: tuple[int, ...] = ()
    tail_divisor: float = 2.0

    def __post_init__(self) -> None:
        check_whole("vocab", self.vocab, 2)
        check_whole("context", self.context, 1)
        check_whole("embed", self.embed, 1)
        for name, example in (
            ("hidden", "widths such as (256, 128)"),
            ("far", "pool sizes such as (12, 48)"),
            ("cutoffs", "ids such as (2000, 10000)"),
        ):
            values = getattr(self, name)
            if isinstance(values, str) or not hasattr(values, "__iter__"):
                raise ConfigError(f"{name} is {values!r}; give a tuple of {example}")
            object.__setattr__(self, name, tuple(values))
            for value in getattr(self, name):
                check_whole(name, value, 1)
        edges = (*self.cutoffs, self.vocab)
        if any(low >= high for low, high in pairwise(edges)):
            raise ConfigError(
                f"cutoffs are {self.cutoffs}; give rising ids below the vocabulary's {self.vocab}"
            )
        check_flag("bias", self.bias)
        check_number("tail_divisor", self.tail_divisor, least=1)
        check_choice("combine", self.combine, ("concat", "mean"))
        if self.boundary is not None:
            check_whole("boundary", self.boundary, 0)
            if self.boundary >= self.vocab:
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
        lists = {name: list(getattr(self, name)) for name in ("hidden", "far", "cutoffs")}
        return dataclasses.asdict(self) | lists


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """How a model is trained.

    batch : B, examples per step
    lr : learning rate for the update m = beta m + (1 - beta) g, w -= lr m with g the mean gradient
        of the batch; None: batch / 64
    embed_lr_scale : the embeddings' learning rate is this many times ``lr``
    momentum : beta
    weight_decay : lambda: besides its gradient's step every weight of a layer and every embedding,
        not biases and not the weights of pools, loses its learning rate times lambda of itself a
        step; applied every 256 steps, for these together
    schedule : ``linear`` and ``cosine`` go down to zero at the end, ``constant`` stays
    warmup : steps over which the rate rises from zero at the start
    epochs, steps, minutes : how long. Epochs or steps, not both; with minutes the run ends at what
        comes first. None at all: as many epochs as suit the corpus (see
        ``fastlm.training.schedule``)
    dropout, embed_dropout : share of hidden units, of inputs, dropped in training
    patience : stop when the validation loss has not improved for so many validations; None: never
    valid_every : epochs between validations; None: up to twenty over the run
    shuffle : a new order of the examples every epoch; False: as they come
    shuffle_window : shuffle only within so many examples at a time, for a corpus larger than
        memory: each window is put together from 64 stretches of the corpus, taken in random order.
        None: all at once; ``fastlm.train`` chooses a window for a store that takes more than half
        of the memory
    seed : of weights, order and dropout
    threads : None: FASTLM_THREADS, or the processors this process may use
    init : ``scaled`` (the default of this library), or ``tiny`` or ``mini``: the weights
        that these reference systems start from with this seed
    """

    batch: int = 256
    lr: float | None = None
    embed_lr_scale: float = 1.0
    momentum: float = 0.9
    weight_decay: float = 0.0
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
    shuffle_window: int | None = None
    seed: int = 0
    threads: int | None = None
    init: FirstWeights = "scaled"

    def __post_init__(self) -> None:
        check_whole("batch", self.batch, 1)
        check_number("lr", self.lr, above=0, or_none=True)
        check_number("embed_lr_scale", self.embed_lr_scale, least=0)
        check_number("momentum", self.momentum, least=0, below=1)
        check_number("weight_decay", self.weight_decay, least=0)
        check_choice("schedule", self.schedule, ("constant", "linear", "cosine"))
        check_whole("warmup", self.warmup, 0)
        if self.epochs is not None and self.steps is not None:
            raise ConfigError("epochs and steps are both given; choose one of them")
        check_number("epochs", self.epochs, above=0, or_none=True)
        check_whole("steps", self.steps, 1, or_none=True)
        check_number("minutes", self.minutes, above=0, or_none=True)
        check_number("dropout", self.dropout, least=0, below=1)
        check_number("embed_dropout", self.embed_dropout, least=0, below=1)
        check_whole("patience", self.patience, 1, or_none=True)
        check_number("valid_every", self.valid_every, above=0, or_none=True)
        check_flag("shuffle", self.shuffle)
        check_whole("shuffle_window", self.shuffle_window, 1, or_none=True)
        check_seed("seed", self.seed)
        check_whole("threads", self.threads, 1, or_none=True)
        check_choice("init", self.init, ("scaled", "tiny", "mini"))

    @property
    def base_lr(self) -> float:
        """The learning rate before the schedule."""
        return self.batch / 64 if self.lr is None else self.lr

    def to_dict(self) -> dict[str, Any]:
        return dataclasses.asdict(self)


@dataclass(frozen=True, kw_only=True)
class Config:
    """All of a run: what the model is, how it is trained, and what a document is."""

    model: ModelConfig
    training: TrainingConfig = field(default_factory=TrainingConfig)
    documents: Documents = "file"
