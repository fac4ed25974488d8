"""Default settings: sizes, rates and passes that suit a corpus and the time there is (--minutes).

There are rules for *characters* (fewer than 1,000 ids: letters, bytes) and for *words*. Sizes
follow from the passes over the corpus: more passes carry a larger model and need more dropout.
``bench/CHOICES.md`` has the trials that led to the rules; ``bench/quality.py`` measures the result.
"""

from __future__ import annotations

import dataclasses
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
from fastlm.training.validation import LEAST_SAMPLE, sample_size
from fastlm.types import Documents

__all__ = [
    "SOFTMAXES",
    "ChosenSettings",
    "choose_settings",
    "default_rate",
    "with_valid_sample",
]

SOFTMAXES = ("auto", "full", "adaptive")

# Vocabularies of at least this many ids are words, or pieces of words.
_WORDS = 1000
# Weight decay times the tokens of the corpus: a prior, against which every token is evidence.
_PRIOR = 30.0
_MOST_DECAY = 2e-4
# An adaptive softmax is chosen if a step costs at most this share of one with a full softmax.
_WORTH_IT = 0.6
# Examples in a batch beyond which the learning rate no longer grows. At 8,192 most runs diverged
# with lr = batch / 64 (bench/CHOICES.md, "Default rates on text that is not prose").
_MOST_RATE_BATCH = 512
# Steps over which the rate of larger batches rises, and their most as a share of the run. Their
# first gradients are too much alike: at 16,384 losses rose by two nats on their way.
_WARMUP = 32
_WARMUP_SHARE = 0.1
# Share of the context's positions that the most frequent token may have. With more, its embedding
# moves further in a step than all others together, and the embeddings' rate is lowered.
_COMMON = 0.2
_COMMON_RATE = 0.125
# Share of different windows (a context and its target) among the first tokens, up to which a text
# repeats itself. It is learnt by heart within some dozen steps, weights grow on without a loss that
# bounds them, and then a single miss makes the loss explode.
_REPEATED = 0.03
_REPEATED_RATE = 0.25
_REPEATED_TOKENS = 1 << 16
_MULTIPLIER = np.uint64(0x9E3779B97F4A7C15)  # odd, of the golden ratio; Knuth, TAOCP 6.4
# More passes over words make the model worse.
_MOST_WORD_PASSES = 9


@dataclass(frozen=True)
class SizeRule:
    """A shape with its dropout and learning rate, and the least passes and tokens it is for."""

    passes: float
    hidden: tuple[int, ...]
    embed: int
    dropout: float = 0.0
    embed_dropout: float = 0.0
    rate: float = 1.0
    """The learning rate in units of batch / 64."""
    tokens: int = 0


def default_rate(batch: int) -> float:
    """Return the learning rate for a batch size, before the factor that comes with a size."""
    return min(batch, _MOST_RATE_BATCH) / 64


_CHARACTER_TRAINING = {"batch": 256}
_WORD_TRAINING = {"batch": 512, "embed_lr_scale": 8.0}

# The last rule that applies is taken.
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

_WORD_SIZES = (
    SizeRule(0, (128,), 64),
    SizeRule(2, (128,), 64, 0.0, 0.0, 0.625),
    SizeRule(5, (128,), 64, 0.1, 0.05, 0.5),
    SizeRule(5, (200,), 64, 0.1, 0.05, 0.5, tokens=500_000),
    SizeRule(7, (128,), 64, 0.2, 0.1, 0.5),
    SizeRule(7, (200,), 64, 0.2, 0.1, 0.5, tokens=500_000),
    SizeRule(10, (320,), 64, 0.3, 0.2, 0.5, tokens=500_000),
)

# For runs bounded by time.
_WIDER_WORD_SIZES = (
    SizeRule(3.5, (256,), 64, 0.1, 0.05, 0.5, tokens=500_000),
    SizeRule(6, (400,), 64, 0.2, 0.1, 0.5, tokens=500_000),
    SizeRule(8.5, (512,), 64, 0.4, 0.2, 0.5, tokens=500_000),
    SizeRule(8.5, (800,), 64, 0.4, 0.2, 0.5, tokens=500_000),
    SizeRule(8.5, (1600,), 64, 0.4, 0.2, 0.5, tokens=500_000),
)


@dataclass(frozen=True)
class ChosenSettings:
    """Settings for what the caller left open, and why."""

    model: dict[str, Any]
    """Fields of ModelConfig."""
    training: dict[str, Any]
    """Fields of TrainingConfig."""
    reasons: tuple[str, ...]
    """For people, a line each."""


def choose_settings(
    counts: NDArray[Any],
    *,
    documents: Documents,
    model: Mapping[str, Any],
    training: Mapping[str, Any],
    tokens: NDArray[Any] | None = None,
    boundary: int | None = None,
    softmax: str = "auto",
    speed: Callable[[ModelConfig, TrainingConfig], float] | None = None,
) -> ChosenSettings:
    """Complete ``model`` and ``training``, which hold what the caller gave.

    Parameters
    ----------
    counts : int[V]
        How often each token occurs in the training text.
    documents : {"file", "paragraphs", "lines", "stream"}
    model, training : mapping
        Fields of ModelConfig and of TrainingConfig.
    tokens : int[T], optional
        The training tokens, whose beginning tells whether the text repeats itself.
    boundary : int, optional
        Id of the boundary token.
    softmax : {"auto", "full", "adaptive"}
        ``auto`` chooses an adaptive softmax if it makes the training step much cheaper.
    speed : callable, optional
        Gives the examples per second at which a model would train; for runs bounded by time.

    Raises
    ------
    ConfigError
        For another softmax, for ``full`` together with cut-offs, and for ``adaptive`` with a small
        vocabulary.
    """
    check_choice("softmax", softmax, SOFTMAXES)
    if softmax == "full" and model.get("cutoffs"):
        raise ConfigError("softmax is 'full', but cutoffs are given; leave one of them out")
    vocab, total = counts.size, max(1, int(counts.sum()))
    words = vocab >= _WORDS
    chosen_training = {**(_WORD_TRAINING if words else _CHARACTER_TRAINING), **training}
    chosen = {**_context(words, documents), **model}
    sizes: tuple[SizeRule, ...] = _WORD_SIZES if words else _CHARACTER_SIZES
    middle = sizes[len(sizes) // 2]
    if words and training.get("minutes") is not None:
        sizes += _WIDER_WORD_SIZES

    def with_size(size: SizeRule) -> dict[str, Any]:
        shape = {"hidden": size.hidden, "embed": size.embed, **chosen}
        if "cutoffs" not in shape:
            shape["cutoffs"] = _cutoffs(counts, shape, chosen_training["batch"], softmax)
        return shape

    common = _common_share(counts, boundary, ModelConfig(**{"vocab": vocab, **chosen}).context)
    scale = min(chosen_training.get("embed_lr_scale", 1.0), _COMMON_RATE / common)
    lowers_scale = words and "embed_lr_scale" not in training and common > _COMMON
    if lowers_scale:
        chosen_training["embed_lr_scale"] = scale
    config = TrainingConfig(**chosen_training)
    most = _most_passes(words, config, total)
    chooses_length = words and config.epochs is None and config.steps is None
    if chooses_length:
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

    # The speed of the first one is measured, that of the others follows from it.
    expected = {size: passes_of(size) for size in sorted(sizes, key=lambda size: size != middle)}
    picked = [size for size in sizes if expected[size] >= size.passes and total >= size.tokens][-1]
    passes = expected[picked]
    shape, chosen_training = with_size(picked), with_dropout(picked)
    chosen_training.setdefault("weight_decay", min(_MOST_DECAY, _PRIOR / total))
    rate = picked.rate * default_rate(config.batch)
    if config.batch > _MOST_RATE_BATCH and "lr" not in training:
        steps = passes * total / config.batch
        chosen_training.setdefault("warmup", round(min(_WARMUP, _WARMUP_SHARE * steps)))
    repeats = "lr" not in training and _repeats_itself(tokens, ModelConfig(vocab=vocab, **shape))
    if repeats:
        rate *= _REPEATED_RATE
    if rate != config.base_lr:
        chosen_training.setdefault("lr", rate)
    limited = chooses_length and passes == _MOST_WORD_PASSES
    reasons = [
        f"chosen for about {passes:.3g} epoch{'' if f'{passes:.3g}' == '1' else 's'} over "
        f"{total:,} tokens"
        f"{' (more would make it worse)' if limited else ''}: "
        f"hidden {','.join(map(str, shape['hidden'])) or 'none'}, dropout "
        f"{chosen_training['dropout']:g}, weight decay {chosen_training['weight_decay']:.2g}"
    ]
    if shape["cutoffs"] and "cutoffs" not in model:
        cuts = ", ".join(f"{cut:,}" for cut in shape["cutoffs"])
        reasons.append(f"adaptive softmax, cut at {cuts}")
    if lowers_scale:
        reasons.append(
            f"one token has {common:.0%} of the context: the embeddings' rate is {scale:.2g} times "
            "the others'"
        )
    if repeats:
        reasons.append(
            f"the text repeats itself: the learning rate is {_REPEATED_RATE:g} times the usual one"
        )
    return ChosenSettings(shape, chosen_training, tuple(reasons))


def with_valid_sample(
    training: TrainingConfig,
    model: ModelConfig,
    valid_tokens: int,
    speed: Callable[[ModelConfig, TrainingConfig], float],
) -> tuple[TrainingConfig, str]:
    """Return the training of a run bounded by time, with a sample to validate on, and why.

    valid_tokens : the size of the validation text; of a short one, or if a sample is given, the
        training stays as it is
    speed : as in ``choose_settings``
    """
    if training.minutes is None or training.valid_tokens or valid_tokens <= LEAST_SAMPLE:
        return training, ""
    size = sample_size(training.minutes, speed(model, training), valid_tokens)
    if size is None:
        return training, ""
    said = f"validation on {size:,} tokens spread over the {valid_tokens:,}, to keep to the time"
    return dataclasses.replace(training, valid_tokens=size), said


def _repeats_itself(tokens: NDArray[Any] | None, model: ModelConfig) -> bool:
    """Tell whether a text is some lines many times over, by its first tokens, int[T]."""
    if tokens is None:
        return False
    head = np.asarray(tokens[:_REPEATED_TOKENS]).astype(np.uint64)
    windows = head.size - model.context
    if windows < 1:
        return False
    hashes = np.zeros(windows, dtype=np.uint64)
    for place in range(model.context + 1):
        hashes *= _MULTIPLIER
        hashes += head[place : place + windows]
    return bool(np.unique(hashes).size <= _REPEATED * windows)


def _common_share(counts: NDArray[Any], boundary: int | None, context: int) -> float:
    """Return the share of all contexts' positions that the most frequent token has, about.

    The boundary token fills what lies before the start of a document: in one of L tokens, min(L, C)
    contexts have C, C - 1, ... of it.
    """
    total = max(1, int(counts.sum()))
    share = float(counts.max(initial=0)) / total
    if boundary is not None and counts[boundary]:
        length = total / int(counts[boundary])
        first = min(length, context)
        share = max(share, (first * context - first * (first - 1) / 2) / (length * context))
    return max(share, 1e-9)


def _most_passes(words: bool, training: TrainingConfig, total: int) -> float:
    """Return the passes over ``total`` tokens: those asked for, or the most that do good."""
    if training.steps is not None:
        return training.steps * training.batch / total
    if training.epochs is not None:
        return training.epochs
    most = default_epochs(total) if training.minutes is None else math.inf
    return min(most, _MOST_WORD_PASSES) if words else most


def _context(words: bool, documents: Documents) -> dict[str, Any]:
    if not words:
        return {"context": 8}
    # Lines are too short for far context.
    return {"context": 4, "far": () if documents == "lines" else (12, 48)}


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
    rest_of_step = step_flops(full, batch) / batch - 6 * width * counts.size
    before = rest_of_step + output_cost(counts, (), width, batch, divisor)
    after = rest_of_step + output_cost(counts, cutoffs, width, batch, divisor)
    return cutoffs if after <= _WORTH_IT * before else ()


def _falling(counts: NDArray[Any]) -> bool:
    """Whether ids are roughly in order of falling frequency."""
    tenth = max(1, counts.size // 10)
    best = np.sort(counts)[-tenth:].sum()
    return bool(counts[:tenth].sum() >= 0.9 * best)
