"""Workloads: sizes of model and batch, with their tokens, initial weights and batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm.config import ModelConfig, TrainingConfig
from fastlm.engine.tiling import step_flops
from fastlm.errors import ConfigError
from fastlm.model.initialization import as_if_trained, scaled_params
from fastlm.types import Combine
from fastlm_kernels.passes.contexts import example_position

__all__ = ["WORKLOADS", "Workload", "batches", "initial_params", "select_workloads", "tokens"]

_SEED = 0


@dataclass(frozen=True, kw_only=True)
class Workload:
    """Training steps on random tokens: nothing to learn, all of the arithmetic to do.

    Trained models have more hidden units at zero, which fastlm skips: ``10k-256`` on English words
    has 45 % after 55 steps, 61 % after 285, 74 % after 1,035, 81 % after 2,035 (half a million
    words).
    """

    name: str  # for --only
    title: str  # for people
    vocab: int
    embed: int
    context: int
    hidden: tuple[int, ...]
    batch: int
    lr: float  # constant
    combine: Combine = "concat"
    bias: bool = True
    momentum: float = 0.9
    cutoffs: tuple[int, ...] = ()
    zipf: bool = False  # token k occurs in proportion to 1 / (k + 1), else all alike
    as_trained: bool = False  # five in six hidden units are zero at first, else half of them
    corpus: int = 1_000_000  # number of tokens
    in_default: bool = True  # measured without --rounds

    @property
    def model(self) -> ModelConfig:
        """Sizes and form of the model."""
        sizes = ("vocab", "embed", "context", "hidden", "combine", "bias", "cutoffs")
        return ModelConfig(**{name: getattr(self, name) for name in sizes})

    def training(self, threads: int | None) -> TrainingConfig:
        """Return how the engine trains it, with this number of threads or (None) its choice."""
        settings = {name: getattr(self, name) for name in ("batch", "lr", "momentum")}
        return TrainingConfig(
            schedule="constant", shuffle=True, seed=_SEED, threads=threads, **settings
        )

    @property
    def flops_per_token(self) -> float:
        """Floating-point operations per example: 6 per weight that is part of a matrix product.

        A cluster's weights count by the fraction of the tokens that are in it.
        """
        flops = step_flops(self.model, self.batch) / self.batch
        width = self.hidden[-1] if self.hidden else self.model.input_width
        for start, stop, projected in self.model.clusters:
            fraction = _frequencies(self)[start:stop].sum()
            flops += 6 * fraction * projected * (width + stop - start)
        return float(flops)

    @property
    def is_tiny(self) -> bool:
        """Whether ``fastlm.reference.tiny`` can do it: its form, one example at a time."""
        linear = not self.hidden and self.momentum == 0 and not self.bias
        return linear and self.combine == "mean" and self.batch == 1

    @property
    def is_mini(self) -> bool:
        """Whether ``fastlm.reference.mini`` can do it."""
        plain = self.combine == "concat" and not self.cutoffs
        return plain and len(self.hidden) in (1, 2) and self.bias


_TINY: dict[str, Any] = {
    "vocab": 27, "embed": 32, "context": 5, "hidden": (),
    "combine": "mean", "bias": False, "momentum": 0.0,
}  # fmt: skip
_MINI: dict[str, Any] = {"vocab": 1_000, "embed": 64, "context": 4, "hidden": (128, 128)}
_CHARACTERS: dict[str, Any] = {"vocab": 65, "embed": 24, "context": 16, "hidden": (256,)}
_WORDS: dict[str, Any] = {"vocab": 10_000, "embed": 128, "context": 5}
_BOOKS: dict[str, Any] = {
    "vocab": 30_000, "embed": 128, "context": 4, "hidden": (256,), "lr": 8.0, "zipf": True
}  # fmt: skip
# Cut-offs that the library chooses for 30 MB of English books.
_CUTOFFS = (1872, 6160)

# Learning rates are fastlm's own (batch / 64), for one example those of the reference systems:
# large enough for a wrong update to show within a few steps.
_WITH_INITIAL_WEIGHTS = (
    Workload(name="tiny-1", title="Tiny, batch 1", batch=1, lr=0.05, **_TINY),
    Workload(name="tiny-256", title="Tiny, batch 256", batch=256, lr=4.0, **_TINY),
    Workload(name="mini-1", title="Mini, batch 1", batch=1, lr=0.1, **_MINI),
    Workload(name="mini-32", title="Mini, batch 32", batch=32, lr=0.5, **_MINI),
    Workload(name="mini-256", title="Mini, batch 256", batch=256, lr=4.0, **_MINI),
    Workload(name="char-256", title="character MLP, batch 256", batch=256, lr=4.0, **_CHARACTERS),
    Workload(
        name="10k-256", title="V=10,000 H=256, batch 256", batch=256, lr=4.0,
        hidden=(256,), **_WORDS,
    ),
    Workload(
        name="10k-1024", title="V=10,000 H=512,512, batch 1024", batch=1024, lr=16.0,
        hidden=(512, 512), in_default=False, **_WORDS,
    ),
    Workload(
        name="30k-512", title="V=30,000 H=256, batch 512", batch=512, in_default=False, **_BOOKS
    ),
    Workload(
        name="30k-512-adaptive", title="V=30,000 H=256, batch 512, adaptive softmax", batch=512,
        cutoffs=_CUTOFFS, **_BOOKS,
    ),
    Workload(
        name="33k-1024", title="V=33,278 E=200 H=400, batch 1024", batch=1024, lr=16.0,
        vocab=33_278, embed=200, context=5, hidden=(400,), in_default=False,
    ),
)  # fmt: skip

_ALSO_AS_TRAINED = ("mini-32", "mini-256", "char-256", "10k-256", "30k-512-adaptive", "33k-1024")


def _with_trained() -> Iterator[Workload]:
    for workload in _WITH_INITIAL_WEIGHTS:
        yield workload
        if workload.name in _ALSO_AS_TRAINED:
            yield replace(
                workload,
                name=f"{workload.name}-trained",
                title=f"{workload.title}, as trained",
                as_trained=True,
                in_default=workload.name == "mini-256",
            )


WORKLOADS = tuple(_with_trained())


def select_workloads(names: Iterable[str]) -> list[Workload]:
    """Return the workloads of these names, in the order of ``WORKLOADS``.

    Raises ConfigError for an unknown name.
    """
    known = {workload.name: workload for workload in WORKLOADS}
    wanted = set(names)
    for name in sorted(wanted - known.keys()):
        raise ConfigError(f"there is no workload {name!r}; choose one of {', '.join(known)}")
    return [workload for workload in WORKLOADS if workload.name in wanted]


@lru_cache(maxsize=4)
def tokens(workload: Workload) -> NDArray[np.uint16]:
    """Return the tokens that every implementation trains on, uint16[T]."""
    rng = np.random.default_rng(_SEED)
    if workload.zipf:
        edges = np.cumsum(_frequencies(workload))
        drawn = np.searchsorted(edges, rng.random(workload.corpus) * edges[-1], side="right")
        return np.asarray(drawn, dtype=np.uint16)
    return rng.integers(0, workload.vocab, workload.corpus, dtype=np.uint16)


def _frequencies(workload: Workload) -> NDArray[np.float64]:
    """Relative frequency of each token, float64[V], sum 1."""
    ranks = np.arange(1, workload.vocab + 1)
    weights = 1 / ranks if workload.zipf else np.ones(workload.vocab)
    return np.asarray(weights / weights.sum())


def initial_params(workload: Workload) -> NDArray[np.float32]:
    """Return a new copy of the weights that every implementation starts from, float32[n]."""
    return _initial_params(workload).copy()


@lru_cache(maxsize=1)
def _initial_params(workload: Workload) -> NDArray[np.float32]:
    if workload.as_trained:
        return as_if_trained(workload.model)
    return scaled_params(workload.model, _SEED)


def batches(workload: Workload, steps: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first batches of training, in the engine's order of positions.

    Contexts are int64[steps, B, C], oldest token first, targets int64[steps, B].
    """
    ids, context = tokens(workload).astype(np.int64), workload.context
    found = np.empty((steps, workload.batch), dtype=np.int64)
    with np.errstate(over="ignore"):  # without JIT, NumPy warns of the hash that wraps around
        for number in range(found.size):
            found.flat[number] = example_position(
                number, ids.size - context, context, 1, 0, 0, _SEED
            )
    return ids[found[..., None] + np.arange(-context, 0)], ids[found]
