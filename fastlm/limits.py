"""The table of limits: what a setting may be, wherever it comes from.

Options, configuration files, calls and files of models and stores go through it, so that no number
makes memory, time or a number that overflows grow faster than what was read.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from fastlm.checks import check_most, check_number, check_whole
from fastlm.errors import ConfigError, FastlmError

__all__ = ["LARGEST_WHOLE", "LIMITS", "MOST_WIDTHS", "Limit", "check_setting"]

LARGEST_WHOLE = 10**15
"""The most of anything that is counted in a run; products with a batch still fit 63 bits or so."""

MOST_WIDTHS = 100
"""Layers, pools or clusters of a model."""


class Limit(NamedTuple):
    """What a number may be; the limits themselves are allowed but for ``above`` and ``below``."""

    whole: bool
    least: float | None = None
    above: float | None = None
    below: float | None = None
    most: float | None = None
    or_none: bool = False


# A real number whose powers and products with counts stay finite.
_LARGEST_REAL = 1e9
# A pool's or context's tokens: the arrays of contexts have as many columns.
_MOST_CONTEXT = 1 << 16
_MOST_WIDTH = (1 << 31) - 1

LIMITS: dict[str, Limit] = {
    # The model.
    "vocab": Limit(True, least=2, most=_MOST_WIDTH),
    "context": Limit(True, least=1, most=_MOST_CONTEXT),
    "embed": Limit(True, least=1, most=_MOST_WIDTH),
    "hidden": Limit(True, least=1, most=_MOST_WIDTH),
    "far": Limit(True, least=1, most=_MOST_CONTEXT),
    "cutoffs": Limit(True, least=1, most=_MOST_WIDTH),
    "boundary": Limit(True, least=0, most=_MOST_WIDTH, or_none=True),
    # Its power of MOST_WIDTHS is a float still.
    "tail_divisor": Limit(False, least=1, most=1000),
    # Training.
    "batch": Limit(True, least=1, most=1 << 24),
    # A rate that ruins all weights is found by training, which says so.
    "lr": Limit(False, above=0, most=1e300, or_none=True),
    "embed_lr_scale": Limit(False, least=0, most=_LARGEST_REAL),
    "momentum": Limit(False, least=0, below=1),
    "weight_decay": Limit(False, least=0, most=_LARGEST_REAL),
    "warmup": Limit(True, least=0, most=LARGEST_WHOLE),
    # Passes over 10**12 tokens are an int64 of steps.
    "epochs": Limit(False, above=0, most=1e6, or_none=True),
    "steps": Limit(True, least=1, most=LARGEST_WHOLE, or_none=True),
    "minutes": Limit(False, above=0, most=_LARGEST_REAL, or_none=True),
    "dropout": Limit(False, least=0, below=1),
    "embed_dropout": Limit(False, least=0, below=1),
    "patience": Limit(True, least=1, most=LARGEST_WHOLE, or_none=True),
    "valid_every": Limit(False, above=0, most=_LARGEST_REAL, or_none=True),
    "valid_tokens": Limit(True, least=1, most=LARGEST_WHOLE, or_none=True),
    "shuffle_window": Limit(True, least=1, most=LARGEST_WHOLE, or_none=True),
    "threads": Limit(True, least=1, most=4096, or_none=True),
    # Files and text.
    "keep": Limit(True, least=0, most=LARGEST_WHOLE),
    "min_count": Limit(True, least=1, most=LARGEST_WHOLE),
    "max_vocab": Limit(True, least=1, most=_MOST_WIDTH, or_none=True),
    "length": Limit(True, least=0, most=LARGEST_WHOLE),
    "cache": Limit(True, least=1, most=1 << 24),
    "batch_chars": Limit(True, least=1, most=LARGEST_WHOLE),
}


def check_setting(name: str, value: Any, *, error: type[FastlmError] = ConfigError) -> Any:
    """Return a setting as an int or a float of Python (or None, where it may be None).

    Parameters
    ----------
    name : str
        A key of ``LIMITS``.
    value : Any
    error : type
        What is raised.

    Raises
    ------
    FastlmError
        Of the type ``error``, for what is no number or beyond its limits.
    """
    limit = LIMITS[name]
    if limit.whole:
        least = int(limit.least or 0)
        number = check_whole(name, value, least, or_none=limit.or_none, error=error)
    else:
        number = check_number(
            name,
            value,
            least=limit.least,
            above=limit.above,
            below=limit.below,
            or_none=limit.or_none,
        )
    if limit.most is not None and number is not None:
        check_most(name, number, limit.most, error=error)
    return number
