"""Estimators of scikit-learn over texts: a density, and figures as features.

Importing it needs scikit-learn; ``import fastlm`` does not import it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fastlm.api.train import train
from fastlm.errors import ConfigError, CorpusError, MissingLibraryError
from fastlm.inference.scores import SCORE_FIGURES
from fastlm.pipelines.batches import text_list
from fastlm.pipelines.loaded import absolute_path, loaded_model
from fastlm.types import Documents, FilePath
from fastlm.wording import install

try:
    from sklearn.base import BaseEstimator, OutlierMixin, TransformerMixin
    from sklearn.utils.validation import check_is_fitted
except ImportError:
    raise MissingLibraryError(
        f"fastlm.sklearn needs scikit-learn; run {install('scikit-learn')}"
    ) from None

__all__ = ["PerplexityFeatures", "TextDensity"]


def _texts(X: Any) -> list[str]:
    """Return texts as a list; CorpusError for what is none."""
    if isinstance(X, str):
        raise CorpusError("X is one str; give a list or a column of texts")
    if getattr(X, "ndim", 1) == 2 and X.shape[1] == 1:
        X = np.asarray(X)[:, 0]
    if getattr(X, "ndim", 1) != 1:
        raise CorpusError(f"X has {X.ndim} dimensions; give a list or a column of texts")
    texts = text_list(X)
    for place, text in enumerate(texts):
        if not isinstance(text, str):
            raise CorpusError(f"text {place} is {type(text).__name__}, not str; convert or drop it")
    return texts


class _TextEstimator(BaseEstimator):
    """What both have in common: X is a column of texts."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.one_d_array = True
        tags.input_tags.two_d_array = False
        tags.no_validation = True
        return tags


class TextDensity(OutlierMixin, _TextEstimator):
    """The density of texts: a model is trained on them, and odd ones are found.

    Parameters
    ----------
    documents : {"lines", "paragraphs", "file"}
        What a document is (see ``fastlm.train``).
    tokenizer : str
        "char", "word", "byte", ...
    context : int, optional
        Tokens that the model sees. None, here and below: as ``fastlm.train`` chooses.
    hidden : sequence of int, optional
        Widths of the hidden layers.
    epochs, minutes : float, optional
        How long it is trained.
    contamination : float
        The share of the texts of ``fit`` that ``predict`` finds odd; above 0, at most 0.5.
    random_state : int, optional
        The seed; None: 0.
    threads : int, optional
    settings : dict, optional
        Others of ``fastlm.train``, such as ``{"lr": 2.0}``.

    Attributes
    ----------
    model_ : LanguageModel
    offset_ : float
        The log-likelihood per character below which a text is odd.
    """

    def __init__(
        self,
        documents: Documents = "lines",
        tokenizer: str = "char",
        context: int | None = None,
        hidden: Sequence[int] | None = None,
        epochs: float | None = None,
        minutes: float | None = None,
        contamination: float = 0.1,
        random_state: int | None = None,
        threads: int | None = None,
        settings: dict[str, Any] | None = None,
    ) -> None:
        self.documents = documents
        self.tokenizer = tokenizer
        self.context = context
        self.hidden = hidden
        self.epochs = epochs
        self.minutes = minutes
        self.contamination = contamination
        self.random_state = random_state
        self.threads = threads
        self.settings = settings

    def fit(self, X: Any, y: object = None) -> Self:
        """Train a model on texts.

        Parameters
        ----------
        X : sequence of str
        y : ignored

        Raises
        ------
        FastlmError
            For texts and settings that cannot be used.
        """
        if not 0 < self.contamination <= 0.5:
            raise ConfigError(
                f"contamination is {self.contamination}; give a share above 0, at most 0.5"
            )
        texts = _texts(X)
        given = {"context": self.context, "hidden": self.hidden, "epochs": self.epochs,
                 "minutes": self.minutes, "threads": self.threads}  # fmt: skip
        settings = {name: value for name, value in given.items() if value is not None}
        self.model_ = train(
            texts=texts,
            documents=self.documents,
            tokenizer=self.tokenizer,
            seed=0 if self.random_state is None else self.random_state,
            **(settings | (self.settings or {})),
        )
        self.offset_ = float(np.quantile(self.score_samples(texts), self.contamination))
        return self

    def score_samples(self, X: Any) -> NDArray[np.float64]:
        """Return the log-likelihood per character of each text, in nats: higher is more usual.

        Returns
        -------
        float64[n]
            0 for a text in which nothing is predicted.
        """
        check_is_fitted(self)
        scores = self.model_.score_arrays(_texts(X), threads=self.threads)
        likelihoods: NDArray[np.float64] = scores.log_prob / np.maximum(scores.chars, 1)
        return likelihoods

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """Return ``score_samples`` less ``offset_``: negative for odd texts."""
        odd: NDArray[np.float64] = self.score_samples(X) - self.offset_
        return odd

    def predict(self, X: Any) -> NDArray[np.int64]:
        """Return 1 for usual texts and -1 for odd ones, int64[n]."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def score(self, X: Any, y: object = None) -> float:
        """Return the log-likelihood of all texts together per character, in nats."""
        check_is_fitted(self)
        scores = self.model_.score_arrays(_texts(X), threads=self.threads)
        return float(scores.log_prob.sum() / max(int(scores.chars.sum()), 1))


class PerplexityFeatures(TransformerMixin, _TextEstimator):
    """Figures of texts under a model, as columns of features.

    Parameters
    ----------
    path : path
        A model file. It is loaded once a process.
    columns : sequence of str
        Figures of a score, as ``fastlm.Score`` has them.
    missing : float
        Stands for a figure that is not defined, as the perplexity of an empty text, or infinite.
    threads : int, optional
    """

    def __init__(
        self,
        path: FilePath = "model.safetensors",
        columns: Sequence[str] = ("bits_per_char", "perplexity"),
        missing: float = 0.0,
        threads: int | None = None,
    ) -> None:
        self.path = path
        self.columns = columns
        self.missing = missing
        self.threads = threads

    def fit(self, X: Any, y: object = None) -> Self:
        """Check the settings; nothing is learnt.

        Raises
        ------
        ConfigError, ModelFileError
            For a column that is none, and a file that is no model.
        """
        for name in self.columns:
            if name not in SCORE_FIGURES:
                raise ConfigError(
                    f"a score has no {str(name)[:40]!r}; choose from {', '.join(SCORE_FIGURES)}"
                )
        _texts(X)
        loaded_model(absolute_path(self.path))
        self.n_features_out_ = len(self.columns)
        return self

    def transform(self, X: Any) -> NDArray[np.float64]:
        """Return the figures of texts, float64[n, columns]."""
        check_is_fitted(self)
        lm = loaded_model(absolute_path(self.path))
        scores = lm.score_arrays(_texts(X), threads=self.threads)
        features = np.column_stack([getattr(scores, name) for name in self.columns])
        found: NDArray[np.float64] = np.where(np.isfinite(features), features, self.missing)
        return found

    def get_feature_names_out(self, input_features: object = None) -> NDArray[Any]:
        """Return the names of the columns."""
        return np.array(list(self.columns), dtype=object)
