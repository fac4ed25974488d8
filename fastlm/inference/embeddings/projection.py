"""What embeddings and first weights look like: two dimensions, groups, sizes by place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["groups_of", "place_weights", "principal_components"]

_ROUNDS = 100
_STARTS = 8


def principal_components(vectors: NDArray[np.floating], count: int = 2) -> NDArray[np.float64]:
    """Return the coordinates of vectors along the directions in which they differ most.

    By singular values of the centred vectors. The sign of each direction is chosen so that the
    coordinate of largest size is positive.

    Parameters
    ----------
    vectors : float[N, E]
    count : int
        Directions; the coordinates of those that there are not are 0.

    Returns
    -------
    float64[N, count]
    """
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    left, sizes, _ = np.linalg.svd(centred, full_matrices=False)
    found = left[:, :count] * sizes[:count]
    if found.size:
        largest = np.abs(found).argmax(axis=0)
        found *= np.where(found[largest, np.arange(found.shape[1])] < 0, -1.0, 1.0)
    coordinates = np.zeros((vectors.shape[0], count))
    coordinates[:, : found.shape[1]] = found
    return coordinates


def groups_of(vectors: NDArray[np.floating], count: int, seed: int = 0) -> NDArray[np.int64]:
    """Return the group of each vector, int64[N], found by k-means over all dimensions.

    The best of eight starts (k-means++, Arthur and Vassilvitskii 2007) counts. Group 0 is the
    largest, then by falling size.

    Parameters
    ----------
    vectors : float[N, E]
    count : int
        Groups, at most N.
    seed : int
    """
    points = vectors.astype(np.float64)
    rng = np.random.default_rng(seed)
    count = min(count, len(points))
    best, least = np.zeros(len(points), dtype=np.int64), np.inf
    for _ in range(_STARTS):
        groups, cost = _k_means(points, count, rng)
        if cost < least - 1e-12:
            best, least = groups, cost
    sizes = np.bincount(best, minlength=count)
    ranks = np.empty(count, dtype=np.int64)
    ranks[np.argsort(-sizes, kind="stable")] = np.arange(count)
    ordered: NDArray[np.int64] = ranks[best]
    return ordered


def _k_means(
    points: NDArray[np.float64], count: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], float]:
    centres = points[[int(rng.integers(len(points)))]]
    while len(centres) < count:
        nearest = _squares(points, centres).min(axis=1)
        total = nearest.sum()
        shares = nearest / total if total > 0 else None
        centres = np.vstack((centres, points[rng.choice(len(points), p=shares)]))
    groups = np.full(len(points), -1)
    for _ in range(_ROUNDS):
        distances = _squares(points, centres)
        new = distances.argmin(axis=1)
        if (new == groups).all():
            break
        groups = new
        for group in range(count):
            if (groups == group).any():
                centres[group] = points[groups == group].mean(axis=0)
    return groups.astype(np.int64), float(_squares(points, centres).min(axis=1).sum())


def _squares(points: NDArray[np.float64], centres: NDArray[np.float64]) -> NDArray[np.float64]:
    squares: NDArray[np.float64] = ((points[:, None, :] - centres[None, :, :]) ** 2).sum(axis=2)
    return squares


def place_weights(weight: NDArray[np.floating], context: int, embed: int) -> NDArray[np.float64]:
    """Return how strongly the first layer takes each place of a context, float64[context].

    The root mean square of its weights, the oldest token first.

    Parameters
    ----------
    weight : float[C * E or more, H]
        Of the first layer, of a model that concatenates embeddings.
    context, embed : int
        C and E.
    """
    near = weight[: context * embed].astype(np.float64).reshape(context, embed * weight.shape[1])
    sizes: NDArray[np.float64] = np.sqrt((near**2).mean(axis=1))
    return sizes
