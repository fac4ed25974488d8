"""The estimators keep the rules of scikit-learn, and find what is odd."""

from __future__ import annotations

import builtins
import importlib
import sys
import warnings

import numpy as np
import pytest

import fastlm
from fastlm.errors import ConfigError, CorpusError, MissingLibraryError, ModelFileError
from tests.inference.models import make_model

sklearn = pytest.importorskip("sklearn")
from sklearn.base import clone  # noqa: E402
from sklearn.exceptions import NotFittedError, SkipTestWarning  # noqa: E402
from sklearn.linear_model import LogisticRegression  # noqa: E402
from sklearn.model_selection import GridSearchCV  # noqa: E402
from sklearn.pipeline import make_pipeline, make_union  # noqa: E402
from sklearn.utils.estimator_checks import parametrize_with_checks  # noqa: E402
from sklearn.utils.validation import check_is_fitted, validate_data  # noqa: E402

from fastlm.sklearn import PerplexityFeatures, TextDensity  # noqa: E402

USUAL = ["the cat sat on the mat", "the dog sat on the log", "the cat saw the dog"] * 15
TINY = {"context": 1, "hidden": (2,), "settings": {"batch": 16, "steps": 2}, "threads": 1}
SMALL = {"context": 3, "hidden": (8,), "settings": {"batch": 16, "steps": 200}, "threads": 1}


def of_numbers(X, reset: bool, estimator) -> list[str]:
    """Rows of numbers, checked as other estimators do, as texts."""
    X = validate_data(estimator, X, reset=reset)
    return [" ".join(f"{value:.3g}" for value in row) for row in X]


class Numbers:
    """For the checks, which fit arrays of numbers."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.one_d_array = False
        tags.input_tags.two_d_array = True
        tags.no_validation = False
        return tags


class NumberDensity(Numbers, TextDensity):
    def fit(self, X, y=None):
        return super().fit(of_numbers(X, True, self))

    def score_samples(self, X):
        check_is_fitted(self)
        texts = X if isinstance(X, list) else of_numbers(X, False, self)
        return super().score_samples(texts)

    def score(self, X, y=None):
        return super().score(of_numbers(X, False, self))


class NumberFeatures(Numbers, PerplexityFeatures):
    def fit(self, X, y=None):
        return super().fit(of_numbers(X, True, self))

    def transform(self, X):
        check_is_fitted(self)
        return super().transform(of_numbers(X, False, self))


def checks(estimators):
    """The checks of scikit-learn; of estimators of texts it has few, and says so."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SkipTestWarning)
        return parametrize_with_checks(estimators)  # none is expected to fail


@checks([TextDensity(**SMALL), PerplexityFeatures()])
def test_the_checks_of_scikit_learn(estimator, check):
    check(estimator)


@pytest.fixture(scope="module")
def any_model(tmp_path_factory):
    """A model where the default path of the features is."""
    folder = tmp_path_factory.mktemp("model")
    make_model().save(folder / "model.safetensors")
    return folder


@pytest.mark.thorough
@checks([NumberDensity(**TINY), NumberFeatures()])
def test_the_checks_with_numbers_as_texts(estimator, check, any_model, monkeypatch):
    monkeypatch.chdir(any_model)
    check(estimator)


@pytest.fixture(scope="module")
def density() -> TextDensity:
    return TextDensity(**SMALL).fit(USUAL)


def test_odd_texts_are_found(density):
    texts = ["the dog sat on the mat", "qqq xxx zzz", ""]
    high, low, empty = density.score_samples(texts)
    assert high > low + 1
    assert np.isfinite(empty)
    assert density.predict(texts[:2]).tolist() == [1, -1]
    assert np.mean(density.predict(USUAL) == -1) <= density.contamination
    np.testing.assert_allclose(
        density.decision_function(texts), density.score_samples(texts) - density.offset_
    )
    scores = density.model_.score_arrays(USUAL)
    assert density.score(USUAL) == pytest.approx(scores.log_prob.sum() / scores.chars.sum())
    assert clone(density).fit_predict(USUAL[:6]).shape == (6,)


def test_a_clone_learns_the_same(density):
    again = clone(density).fit(np.array(USUAL, dtype=object))
    assert not hasattr(clone(density), "model_")
    assert again.model_.params.tobytes() == density.model_.params.tobytes()
    column = np.array(USUAL[:3], dtype=object)[:, None]
    np.testing.assert_array_equal(again.score_samples(column), density.score_samples(USUAL[:3]))


def test_a_search_over_settings():
    search = GridSearchCV(TextDensity(**SMALL), {"context": [1, 3]}, cv=2)
    search.fit(USUAL)
    assert search.best_params_ == {"context": 3}
    assert search.predict(USUAL[:2]).tolist() == [1, 1]


def test_features_in_a_pipeline(tmp_path):
    path = tmp_path / "m.safetensors"
    make_model().save(path)
    texts = ["the cat sat on a mat", "and the dog", "zzz qqq", "xx 99 kk"] * 5
    labels = [1, 1, 0, 0] * 5
    features = PerplexityFeatures(path, columns=("bits_per_char", "oov"))
    chain = make_pipeline(make_union(features, PerplexityFeatures(path)), LogisticRegression())
    assert chain.fit(texts, labels).score(texts, labels) == 1
    assert clone(chain).fit(texts, labels).predict(texts[:1]).tolist() == [1]
    found = features.fit_transform([*texts, ""])
    scores = fastlm.load(path).score_arrays(texts)
    np.testing.assert_array_equal(found[:-1, 0], scores.bits_per_char)
    np.testing.assert_array_equal(found[:-1, 1], scores.oov)
    assert found[-1].tolist() == [0, 0]
    assert features.get_feature_names_out().tolist() == ["bits_per_char", "oov"]


def test_what_cannot_be_used(density, tmp_path):
    with pytest.raises(NotFittedError):
        TextDensity().predict(["a"])
    with pytest.raises(NotFittedError):
        PerplexityFeatures().transform(["a"])
    with pytest.raises(ConfigError, match=r"contamination is 0\.9"):
        TextDensity(contamination=0.9).fit(USUAL)
    for X, message in (("text", "X is one str"), ([1], "text 0 is int"), ([None], "NoneType"),
                       (np.zeros((2, 2)), "2 dimensions")):  # fmt: skip
        with pytest.raises(CorpusError, match=message):
            density.predict(X)
    with pytest.raises(ConfigError, match="no 'ppl'"):
        PerplexityFeatures(columns=("ppl",)).fit(["a"])
    with pytest.raises(ModelFileError, match="there is no file"):
        PerplexityFeatures(tmp_path / "gone").fit(["a"])


def test_without_scikit_learn(monkeypatch):
    import_ = builtins.__import__

    def absent(name, *args, **kwargs):
        if name.startswith("sklearn"):
            raise ImportError(name)
        return import_(name, *args, **kwargs)

    monkeypatch.delitem(sys.modules, "fastlm.sklearn")
    monkeypatch.setattr(builtins, "__import__", absent)
    with pytest.raises(MissingLibraryError, match="run pip install scikit-learn"):
        importlib.import_module("fastlm.sklearn")
