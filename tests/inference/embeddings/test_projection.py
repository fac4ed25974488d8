"""Principal components, groups and weights by place, against what they are defined as."""

from __future__ import annotations

import numpy as np
import pytest

from fastlm.inference.embeddings.projection import groups_of, place_weights, principal_components


def test_components_are_those_of_the_covariance():
    rng = np.random.default_rng(0)
    vectors = rng.normal(size=(40, 6)) * [5, 3, 1, 1, 0.5, 0.1]
    found = principal_components(vectors)
    values, directions = np.linalg.eigh(np.cov(vectors.T))
    expected = (vectors - vectors.mean(axis=0)) @ directions[:, ::-1][:, :2]
    np.testing.assert_allclose(np.abs(found), np.abs(expected), atol=1e-9)
    np.testing.assert_allclose(found.var(axis=0, ddof=1), values[::-1][:2])
    assert (found.max(axis=0) >= -found.min(axis=0)).all()


def test_fewer_dimensions_than_asked():
    found = principal_components(np.array([[1.0], [2.0], [4.0]]))
    assert found.shape == (3, 2)
    assert (found[:, 1] == 0).all()


def test_groups_that_lie_apart_are_found():
    rng = np.random.default_rng(1)
    sizes = (20, 12, 5)
    vectors = np.vstack([rng.normal(size=(size, 4)) * 0.1 + 3 * n for n, size in enumerate(sizes)])
    found = groups_of(vectors, 3)
    assert np.bincount(found).tolist() == list(sizes)
    assert [len(set(part)) for part in np.split(found, [20, 32])] == [1, 1, 1]
    assert (found == groups_of(vectors, 3)).all()
    assert groups_of(np.zeros((2, 3)), 5).max() <= 1


def test_weights_by_place():
    weight = np.zeros((3 * 2 + 2, 4))  # three places, and a pool behind them
    weight[2:4] = 2.0
    weight[4:6] = [[1.0], [-1.0]]
    weight[6:] = 9.0
    assert place_weights(weight, 3, 2) == pytest.approx([0, 2, 1])
