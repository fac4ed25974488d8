"""Weights of a mixture, p = sum of w[k] p[k]: how they are fitted, and what they give.

A weight depends on the class of the context alone. It is fitted on text that no member was trained
on, by expectation-maximisation (Dempster, Laird, Rubin 1977; for language models Jelinek, Mercer
1980). Classes of few positions are drawn towards the weights of all.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastlm_kernels.counts.mixing import mix_losses

__all__ = ["MixtureFit", "cross_fit", "fit_weights", "mixed_losses", "one_bucket"]

# Positions that the weights of all classes count as, in each class.
_PRIOR = 30.0
_MOST_ROUNDS = 200
_ENOUGH = 1e-6  # gain in nats a token at which a fit ends


def one_bucket(size: int) -> NDArray[np.uint8]:
    """Return the classes of contexts where there is one."""
    return np.zeros(size, dtype=np.uint8)


def mixed_losses(
    losses: NDArray[np.float64], buckets: NDArray[np.uint8], weights: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the losses of the mixture, float64[n], in nats.

    Parameters
    ----------
    losses : float64[members, n]
    buckets : uint8[n]
        The class of each position's context.
    weights : float64[classes, members]
    """
    mixed = np.empty(losses.shape[1])
    mix_losses(mixed, losses, buckets, weights)
    return mixed


def fit_weights(
    losses: NDArray[np.float64], buckets: NDArray[np.uint8], classes: int
) -> NDArray[np.float64]:
    """Return the weights float64[classes, members] that make the mixed losses small.

    Parameters
    ----------
    losses : float64[members, n]
    buckets : uint8[n]
    classes : int
        How many there are; one that does not occur has the weights of all.
    """
    # Only ratios within a position matter.
    relative = np.exp(losses.min(axis=0) - losses)
    overall = _maximise(relative, np.full(losses.shape[0], 1 / losses.shape[0]), 0.0)
    weights = np.tile(overall, (classes, 1))
    order = np.argsort(buckets, kind="stable")
    ends = np.searchsorted(buckets[order], np.arange(classes + 1))
    for bucket in np.flatnonzero(np.diff(ends)).tolist():
        rows = order[ends[bucket] : ends[bucket + 1]]
        weights[bucket] = _maximise(relative[:, rows], overall, _PRIOR)
    return weights


def _maximise(
    relative: NDArray[np.float64], start: NDArray[np.float64], prior: float
) -> NDArray[np.float64]:
    """Return the weights float64[members] of one class.

    relative : float64[members, n], probabilities up to a factor for each position
    start : float64[members], where the search begins, and the centre of the prior
    prior : the positions that the prior counts as
    """
    size = relative.shape[1]
    weights, before = start, -np.inf
    for _ in range(_MOST_ROUNDS if size else 0):
        mixed = weights @ relative
        now = float(np.log(mixed).sum())
        if now - before < _ENOUGH * size:
            break
        before = now
        shares = weights * (relative @ (1 / mixed))
        weights = (shares + prior * start) / (size + prior)
        weights = weights / weights.sum()
    return weights


class MixtureFit(NamedTuple):
    """What a mixture gives on held-out text.

    weights : float64[classes, members], fitted on all of it
    loss : mean loss in nats, of each half under the weights of the other
    losses : mean losses of the members by themselves
    """

    weights: NDArray[np.float64]
    loss: float
    losses: tuple[float, ...]


def cross_fit(losses: NDArray[np.float64], buckets: NDArray[np.uint8], classes: int) -> MixtureFit:
    """Fit a mixture, and measure it where it was not fitted: on either half, from the other.

    Parameters
    ----------
    losses : float64[members, n]
        In the order of the text, so that a half is one part of it.
    buckets : uint8[n]
    classes : int
    """
    size = losses.shape[1]
    halves = slice(0, size // 2), slice(size // 2, size)
    total = 0.0
    for fitted, measured in (halves, halves[::-1]):
        weights = fit_weights(losses[:, fitted], buckets[fitted], classes)
        total += float(mixed_losses(losses[:, measured].copy(), buckets[measured], weights).sum())
    return MixtureFit(
        fit_weights(losses, buckets, classes),
        total / size,
        tuple(losses.mean(axis=1).tolist()),
    )
