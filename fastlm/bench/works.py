"""What is to be done: sizes of model and batch, with their tokens, weights and batches."""

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

__all__ = ["TRAINED", "WORKS", "Work", "batches", "initial_params", "tokens", "works_named"]

_SEED = 0

TRAINED = "-trained"
"""What the name of a work ends with that begins as if it were trained."""


@dataclass(frozen=True, kw_only=True)
class Work:
    """Training steps on random tokens: nothing to learn, all of the sums to do.

    The tokens are uniform, or, where ``zipf``, id k occurs as often as 1 / (k + 1): an adaptive
    softmax lives off rare tokens being rare.

    name : for ``--only``; title : for people
    as_trained : the weights are not the first ones, where half of the hidden units are zero, but
        such that five in six are, as they are after some training. What is zero fastlm leaves out.
        (The work ``10k-256`` on English words: 45 % after 55 steps, 61 % after 285, 74 % after
        1,035, 81 % after 2,035, which is half a million words.)
    corpus : T, number of tokens
    lr : constant learning rate
    in_quick : whether the quick form takes it
    The rest as in ``ModelConfig`` and ``TrainingConfig``.
    """

    name: str
    title: str
    vocab: int
    embed: int
    context: int
    hidden: tuple[int, ...]
    batch: int
    lr: float
    combine: Combine = "concat"
    bias: bool = True
    momentum: float = 0.9
    cutoffs: tuple[int, ...] = ()
    zipf: bool = False
    as_trained: bool = False
    corpus: int = 1_000_000
    in_quick: bool = True

    @property
    def model(self) -> ModelConfig:
        return ModelConfig(
            vocab=self.vocab,
            embed=self.embed,
            context=self.context,
            hidden=self.hidden,
            combine=self.combine,
            bias=self.bias,
            cutoffs=self.cutoffs,
        )

    def training(self, threads: int | None) -> TrainingConfig:
        return TrainingConfig(
            batch=self.batch,
            lr=self.lr,
            momentum=self.momentum,
            schedule="constant",
            shuffle=True,
            seed=_SEED,
            threads=threads,
        )

    @property
    def flops_per_token(self) -> float:
        """Floating-point operations per example: 6 per weight that is part of a matrix product.

        A cluster's weights count by the share of the tokens that are in it.
        """
        flops = step_flops(self.model, self.batch) / self.batch
        width = self.hidden[-1] if self.hidden else self.model.input_width
        for start, stop, projected in self.model.clusters:
            share = _shares(self)[start:stop].sum()
            flops += 6 * share * projected * (width + stop - start)
        return float(flops)

    @property
    def is_tiny(self) -> bool:
        """Whether ``fastlm.reference.tiny`` does this work: its form, one example at a time."""
        return self.combine == "mean" and self.batch == 1 and self._has_no_layer and not self.bias

    @property
    def is_mini(self) -> bool:
        """Whether ``fastlm.reference.mini`` does this work."""
        plain = self.combine == "concat" and not self.cutoffs
        return plain and len(self.hidden) in (1, 2) and self.bias

    @property
    def _has_no_layer(self) -> bool:
        return not self.hidden and self.momentum == 0


_TINY: dict[str, Any] = {
    "vocab": 27,
    "embed": 32,
    "context": 5,
    "hidden": (),
    "combine": "mean",
    "bias": False,
    "momentum": 0.0,
}
_MINI: dict[str, Any] = {"vocab": 1_000, "embed": 64, "context": 4, "hidden": (128, 128)}

# The cut-offs of the adaptive softmax are those that ``fastlm.model.adaptive_softmax`` chooses for
# 30 MB of English books.
_WORDS: dict[str, Any] = {
    "vocab": 30_000,
    "embed": 128,
    "context": 4,
    "hidden": (256,),
    "batch": 512,
    "lr": 8.0,
    "zipf": True,
}

# Learning rates are those that fastlm itself takes (batch / 64), or for one example the reference
# systems' own: large enough that a wrong update shows within a few steps.
_FROM_FIRST_WEIGHTS: tuple[Work, ...] = (
    Work(name="tiny-1", title="Tiny, batch 1", batch=1, lr=0.05, **_TINY),
    Work(name="tiny-256", title="Tiny, batch 256", batch=256, lr=4.0, **_TINY),
    Work(name="mini-1", title="Mini, batch 1", batch=1, lr=0.1, **_MINI),
    Work(name="mini-32", title="Mini, batch 32", batch=32, lr=0.5, **_MINI),
    Work(name="mini-256", title="Mini, batch 256", batch=256, lr=4.0, **_MINI),
    Work(
        name="char-256",
        title="character MLP, batch 256",
        vocab=65,
        embed=24,
        context=16,
        hidden=(256,),
        batch=256,
        lr=4.0,
    ),
    Work(
        name="10k-256",
        title="V=10,000 H=256, batch 256",
        vocab=10_000,
        embed=128,
        context=5,
        hidden=(256,),
        batch=256,
        lr=4.0,
    ),
    Work(
        name="10k-1024",
        title="V=10,000 H=512,512, batch 1024",
        vocab=10_000,
        embed=128,
        context=5,
        hidden=(512, 512),
        batch=1024,
        lr=16.0,
        in_quick=False,
    ),
    Work(name="30k-512", title="V=30,000 H=256, batch 512", in_quick=False, **_WORDS),
    Work(
        name="30k-512-adaptive",
        title="V=30,000 H=256, batch 512, adaptive softmax",
        cutoffs=(1872, 6160),
        **_WORDS,
    ),
    Work(
        name="33k-1024",
        title="V=33,278 E=200 H=400, batch 1024",
        vocab=33_278,
        embed=200,
        context=5,
        hidden=(400,),
        batch=1024,
        lr=16.0,
        in_quick=False,
    ),
)

# By name, and whether the quick form takes it.
_AS_TRAINED = {
    "mini-32": False,
    "mini-256": True,
    "char-256": False,
    "10k-256": False,
    "30k-512-adaptive": False,
    "33k-1024": False,
}


def _with_trained() -> Iterator[Work]:
    for work in _FROM_FIRST_WEIGHTS:
        yield work
        if work.name in _AS_TRAINED:
            yield replace(
                work,
                name=f"{work.name}{TRAINED}",
                title=f"{work.title}, as trained",
                as_trained=True,
                in_quick=_AS_TRAINED[work.name],
            )


WORKS = tuple(_with_trained())


def works_named(names: Iterable[str], works: Iterable[Work] = WORKS) -> list[Work]:
    """The works of these names, in the order of ``works``; ConfigError for an unknown name."""
    known = {work.name: work for work in works}
    wanted = set(names)
    for name in sorted(wanted - known.keys()):
        raise ConfigError(f"there is no benchmark {name!r}; choose one of {', '.join(known)}")
    return [work for work in known.values() if work.name in wanted]


@lru_cache(maxsize=4)
def tokens(work: Work) -> NDArray[np.uint16]:
    """uint16[T], the same for every implementation of the work."""
    rng = np.random.default_rng(_SEED)
    if work.zipf:
        edges = np.cumsum(_shares(work))
        drawn = np.searchsorted(edges, rng.random(work.corpus) * edges[-1], side="right")
        return np.asarray(drawn, dtype=np.uint16)
    return rng.integers(0, work.vocab, work.corpus, dtype=np.uint16)


def _shares(work: Work) -> NDArray[np.float64]:
    """float64[V], how often each token occurs, sum 1."""
    weights = 1 / np.arange(1, work.vocab + 1) if work.zipf else np.ones(work.vocab)
    return np.asarray(weights / weights.sum())


def initial_params(work: Work) -> NDArray[np.float32]:
    """float32[n], a new copy: the weights that every implementation starts from."""
    return _first_weights(work).copy()


@lru_cache(maxsize=1)
def _first_weights(work: Work) -> NDArray[np.float32]:
    return as_if_trained(work.model) if work.as_trained else scaled_params(work.model, _SEED)


def batches(work: Work, steps: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The first batches of training, for whoever does not read them from the tokens himself.

    Returns contexts int64[steps, B, C], oldest token first, and targets int64[steps, B]: those of
    the positions that the engine trains on, in its order.
    """
    ids = tokens(work).astype(np.int64)
    examples = ids.size - work.context
    with np.errstate(over="ignore"):  # hashes wrap around; met with JIT off only
        positions = np.array(
            [
                example_position(counter, examples, work.context, 1, 0, 0, _SEED)
                for counter in range(steps * work.batch)
            ]
        )
    contexts = ids[positions[:, None] + np.arange(-work.context, 0)]
    return (
        contexts.reshape(steps, work.batch, work.context),
        ids[positions].reshape(steps, work.batch),
    )
