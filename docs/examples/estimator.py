"""A density estimator over texts with the methods that scikit-learn expects.

    model = TextDensity(context=8, epochs=5).fit(normal_log_lines)
    odd = model.score_samples(new_lines) < threshold

scikit-learn itself is not needed. Its ``Pipeline`` and ``GridSearchCV`` accept the class if it also
derives from ``sklearn.base.BaseEstimator``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

import fastlm


class TextDensity:
    """``fit``, ``score_samples`` and ``score`` as ``sklearn.neighbors.KernelDensity`` has them.

    settings : those of ``fastlm.train``; every text is a document of its own
    """

    def __init__(self, **settings: Any) -> None:
        self.settings = settings

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        return dict(self.settings)

    def set_params(self, **settings: Any) -> TextDensity:
        self.settings |= settings
        return self

    def fit(self, X: Sequence[str], y: object = None) -> TextDensity:
        self.model_ = fastlm.train(texts=X, **({"documents": "lines"} | self.settings))
        return self

    def score_samples(self, X: Sequence[str]) -> NDArray[np.float64]:
        """Log-likelihood per character of each text, in nats, float64[N]: higher is more usual."""
        scores = self.model_.score_arrays(X)
        return scores.log_prob / np.maximum(scores.chars, 1)

    def score(self, X: Sequence[str], y: object = None) -> float:
        """The log-likelihood of all texts together, in nats."""
        return float(self.model_.score_arrays(X).log_prob.sum())
