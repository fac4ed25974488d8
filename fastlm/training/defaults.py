"""Which sizes and rates suit a corpus and the time there is, where the caller does not say.

Two kinds of corpora: of *characters* (fewer than 1,000 ids: letters, bytes) and of *words*. Sizes
follow from how often the corpus can be gone through: more passes carry a larger model, and need
more dropout. ``bench/quality.py`` measures what comes out.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm.checks import check_choice
from fastlm.config import ModelConfig, TrainingConfig
from fastlm.engine.tiling import step_flops
from fastlm.errors import ConfigError
from fastlm.model.adaptive_softmax import choose_cutoffs, output_cost
from fastlm.training.schedule import default_epochs
from fastlm.types import Documents

__all__ = ["SOFTMAXES", "ChosenSettings", "choose_settings"]

SOFTMAXES = ("auto", "full", "adaptive")


# From so many ids on tokens are words (or pieces of words).
_WORDS = 1000


# Weight decay is a prior over the weights, against which every token of the text counts as
# evidence: so it goes by one over the tokens, and this is what it is times the tokens. Validation:
# Brown (0.8 million words), 10 passes, perplexity 239 without, 233.2 with 8, 229.7 with 24; 3.3
# passes 256.8 without, 253.7 with 40. Shakespeare (1.0 million characters), 30 passes, 2.121 bits
# without, 2.096 with 30, 2.122 with 100. Names (0.2 million), 80 passes, 1.962 nats with 6, 1.953
# with 20, 1.944 with 40 and half the dropout, 1.973 with 60.
_PRIOR = 30.0


_MOST_DECAY = 2e-4  # for short texts


# An adaptive softmax is taken where the whole step has at most this share of the full one's cost.
_WORTH_IT = 0.6


@dataclass(frozen=True)
class SizeRule:
    """A shape with its dropout and learning rate, and for how many passes over how many tokens it
    is, at least.

    rate : the learning rate over batch / 64
    """

    passes: float
    hidden: tuple[int, ...]
    embed: int
    dropout: float = 0.0
    embed_dropout: float = 0.0
    rate: float = 1.0
    tokens: int = 0


# The last that applies is taken. Shakespeare's characters (1 million), bits on validation text:
# 256,128 in 6 passes 2.242 with dropout 0.1, 2.236 without; 384,128 with 0.1 of the inputs dropped
# 2.225, and in 48 passes with 0.2 and 0.05 2.255; 512,256 in 16 passes 2.152 with 0.1 and 0.1,
# 2.172 with 0.2 and 0.1 at half the rate; in 28 passes 2.171 with 0.15 and 0.1, in 23 with 0.1 and
# 0.1 at half the rate 2.129, in 45 2.109. With weight decay in 30 passes 2.096.
_CHARACTER_SIZES = (
    SizeRule(0, (128, 64), 16),
    SizeRule(3, (256, 128), 32),
    SizeRule(6, (256, 128), 32, 0.0, 0.1),
    SizeRule(7, (256, 128), 48, 0.0, 0.1),
    SizeRule(15, (256, 128), 48, 0.1, 0.05),
    SizeRule(7, (384, 128), 32, 0.0, 0.1, tokens=500_000),
    SizeRule(10, (512, 256), 32, 0.1, 0.1, tokens=500_000),
    SizeRule(24, (512, 256), 32, 0.1, 0.1, 0.5, tokens=500_000),
)


# More passes over words make the model worse, and the more so the wider it is. All of Brown: 800
# units, 9 passes, perplexity 227, 10 to 11 passes 229 to 231, 13 passes 236; 200 units, 10 passes
# 230, 18 passes 236. Its first 20,000 words: 128 units, 8 passes 992, 16 passes 1,026; 320 units,
# 10 passes 1,217, 14 passes 1,441, 30 passes 5,280.
_MOST_WORD_PASSES = 9


# Brown (1 million words), perplexity on validation text. 4 passes: 263.6 with 0.2 and 0.1 and 200
# units, 261.2 with 0.1 and 0.1 and 160, 260.4 with 128, and 254.4 with these at half the rate. 3.3
# passes, 128 units: 262.3 with 0.1 and 0.1 at half the rate, 260.5 with 0 and 0.05, 256.8 with 0
# and 0.1 at five eighths, 266.8 with 0.05 and 0.1 at three eighths. 9 passes, 200 units: 262.5 with
# 0.4 and 0.2, 256.6 with 0.2 and 0.1, and 238.4 with 0.3 and 0.2 at half the rate. More passes do
# not help yet: 241.9 in 20 with 0.4 and 0.2 at 0.31 of the rate, 245.1 with 256 units and 0.4 and
# 0.3, 246.2 in 12 with 320 units and 0.5 and 0.3; 253.7 in 12 with 200, 0.4 and 0.3 and three
# quarters of the rate. With weight decay: 10 passes, 200 units, 229.7 with 0.3 and 0.2; 18 passes
# 236.0; 11 passes, 320 units, 229.1. It takes the place of dropout: 4 passes, 128 units, 244.8 with
# 0 and 0.1, 240.0 with none; 9 passes, 200 units, 231.9 with 0.3 and 0.2, 226.2 with 0.2 and 0.1,
# 228.4 with 0.1 and 0.05. But more passes need it: 16 with 512 units 233.8 with 0.4 and 0.2, 240.5
# with 0.3 and 0.1; 20 with 320 units 248.7 with 0.2 and 0.1. And with any, more than about ten
# make it worse (18 with 512 units 237.0 with 0.4 and 0.2), and ten of a wider one are as good as
# ten of a narrow one (800 units 227.3 with 0.4 and 0.2, 231.6 with 0.3 and 0.1): so width is what
# more time is spent on. Shorter texts carry less: the first 20,000 words, 8 or 9 passes, 1,108 with
# 200 units, 1,503 with 800, 1,013 with 128; 100,000 words 690 with 200, 685 with 128.
_WORD_SIZES = (
    SizeRule(0, (128,), 64),
    SizeRule(2, (128,), 64, 0.0, 0.0, 0.625),
    SizeRule(5, (128,), 64, 0.1, 0.05, 0.5),
    SizeRule(5, (200,), 64, 0.1, 0.05, 0.5, tokens=500_000),
    SizeRule(7, (128,), 64, 0.2, 0.1, 0.5),
    SizeRule(7, (200,), 64, 0.2, 0.1, 0.5, tokens=500_000),
    SizeRule(10, (320,), 64, 0.3, 0.2, 0.5, tokens=500_000),
)


# Only where there is time to spend.
_WIDER_WORD_SIZES = (
    SizeRule(8.5, (512,), 64, 0.4, 0.2, 0.5, tokens=500_000),
    SizeRule(8.5, (800,), 64, 0.4, 0.2, 0.5, tokens=500_000),
    SizeRule(8.5, (1600,), 64, 0.4, 0.2, 0.5, tokens=500_000),
)


@dataclass(frozen=True)
class ChosenSettings:
    """Settings for what the caller left open, and why.

    model, training : fields of ModelConfig and of TrainingConfig
    reasons : for people, a line each
    """

    model: dict[str, Any]
    training: dict[str, Any]
    reasons: tuple[str, ...]


def choose_settings(
    counts: NDArray[Any],
    *,
    documents: Documents,
    model: Mapping[str, Any],
    training: Mapping[str, Any],
    softmax: str = "auto",
    speed: Callable[[ModelConfig, TrainingConfig], float] | None = None,
) -> ChosenSettings:
    """Complete ``model`` and ``training``, which hold what is given.

    counts : int[V], how often each token occurs in the training text
    softmax : ``full``, ``adaptive``, or ``auto``: adaptive where the training step gets much
        cheaper by it
    speed : examples a second that a model would train at; for runs bounded by time

    Raises ConfigError for another softmax, and for ``full`` or ``auto`` beside cut-offs.
    """
    check_choice("softmax", softmax, SOFTMAXES)
    if softmax == "full" and model.get("cutoffs"):
        raise ConfigError("softmax is 'full', but cutoffs are given; leave one of them out")
    vocab, total = counts.size, max(1, int(counts.sum()))
    words = vocab >= _WORDS
    chosen_training = (_word_training if words else _character_training)(training)
    chosen = {**_shape(words, documents), **model}
    sizes: tuple[SizeRule, ...] = _WORD_SIZES if words else _CHARACTER_SIZES
    middle = sizes[len(sizes) // 2]
    if words and training.get("minutes") is not None:
        sizes += _WIDER_WORD_SIZES

    def with_size(size: SizeRule) -> dict[str, Any]:
        shape = {"hidden": size.hidden, "embed": size.embed, **chosen}
        if "cutoffs" not in shape:
            shape["cutoffs"] = _cutoffs(counts, shape, chosen_training["batch"], softmax)
        return shape

    config = TrainingConfig(**chosen_training)
    most = _most_passes(words, config, total)
    length_is_ours = words and config.epochs is None and config.steps is None
    if length_is_ours:
        chosen_training["epochs"] = most

    def with_dropout(size: SizeRule) -> dict[str, Any]:
        dropout = {"dropout": size.dropout, "embed_dropout": size.embed_dropout}
        return {**dropout, **chosen_training}

    def passes_of(size: SizeRule) -> float:
        if config.minutes is None:
            return most
        assert speed is not None
        shape = ModelConfig(vocab=vocab, **with_size(size))
        rate = speed(shape, TrainingConfig(**with_dropout(size)))
        return min(most, 60 * config.minutes * rate / total)

    # What is asked for first is tried out, and the others' speed follows from its.
    expected = {size: passes_of(size) for size in sorted(sizes, key=lambda size: size != middle)}
    picked = [size for size in sizes if expected[size] >= size.passes and total >= size.tokens][-1]
    passes = expected[picked]
    shape = with_size(picked)
    chosen_training = with_dropout(picked)
    chosen_training.setdefault("weight_decay", min(_MOST_DECAY, _PRIOR / total))
    if picked.rate != 1:
        chosen_training.setdefault("lr", picked.rate * config.base_lr)
    limited = length_is_ours and passes == _MOST_WORD_PASSES
    reasons = [
        f"{'words' if words else 'characters'}, about {passes:.3g} passes over {total:,} tokens"
        f"{' (more would make it worse)' if limited else ''}: "
        f"hidden {', '.join(map(str, shape['hidden'])) or 'none'}, dropout "
        f"{chosen_training['dropout']:g}, weight decay {chosen_training['weight_decay']:.2g}"
    ]
    if shape["cutoffs"] and "cutoffs" not in model:
        reasons.append(
            f"adaptive softmax, cut at {', '.join(f'{cut:,}' for cut in shape['cutoffs'])}"
        )
    return ChosenSettings(shape, chosen_training, tuple(reasons))


def _most_passes(words: bool, training: TrainingConfig, total: int) -> float:
    """Passes over ``total`` tokens that are asked for, or else the most that do good."""
    if training.steps is not None:
        return training.steps * training.batch / total
    if training.epochs is not None:
        return training.epochs
    most = default_epochs(total) if training.minutes is None else math.inf
    return min(most, _MOST_WORD_PASSES) if words else most


def _shape(words: bool, documents: Documents) -> dict[str, Any]:
    if not words:
        return {"context": 8}
    # Lines are too short to have far context.
    return {"context": 4, "far": () if documents == "lines" else (12, 48)}


def _character_training(given: Mapping[str, Any]) -> dict[str, Any]:
    return {"batch": 256, **given}


def _word_training(given: Mapping[str, Any]) -> dict[str, Any]:
    return {"batch": 512, "embed_lr_scale": 8.0, **given}


def _cutoffs(
    counts: NDArray[Any], shape: Mapping[str, Any], batch: int, softmax: str
) -> tuple[int, ...]:
    if softmax == "full":
        return ()
    rest = {name: value for name, value in shape.items() if name != "tail_divisor"}
    full = ModelConfig(vocab=counts.size, **rest)
    divisor = float(shape.get("tail_divisor", 2.0))
    width = full.hidden[-1] if full.hidden else full.input_width
    cutoffs = choose_cutoffs(counts, width=width, batch=batch, tail_divisor=divisor)
    if softmax == "adaptive":
        if not cutoffs:
            raise ConfigError(
                f"a vocabulary of {counts.size} is too small for an adaptive softmax; "
                "leave softmax out"
            )
        return cutoffs
    if not cutoffs or not _falling(counts):
        return ()
    before = step_flops(full, batch) / batch
    output = output_cost(counts, (), width, batch, divisor)
    after = before - 6 * width * counts.size + output_cost(counts, cutoffs, width, batch, divisor)
    return cutoffs if after <= _WORTH_IT * (before - 6 * width * counts.size + output) else ()


def _falling(counts: NDArray[Any]) -> bool:
    """Whether ids go by falling frequency, more or less: the first tenth is the most frequent."""
    tenth = max(1, counts.size // 10)
    best = np.sort(counts)[-tenth:].sum()
    return bool(counts[:tenth].sum() >= 0.9 * best)
