"""Every error of the library can be caught as one, as Python's own kind, and in another process."""

from __future__ import annotations

import pickle

import pytest

from fastlm import errors
from fastlm.errors import FastlmError, TextError, TrainingError

KINDS = {
    "ConfigError": ValueError,
    "CorpusError": ValueError,
    "ExportError": RuntimeError,
    "MissingFileError": FileNotFoundError,
    "MissingLibraryError": ImportError,
    "MissingModelError": FileNotFoundError,
    "MissingStoreError": FileNotFoundError,
    "ModelFileError": ValueError,
    "SamplingError": RuntimeError,
    "StoreError": ValueError,
    "TextError": ValueError,
    "TokenizerError": ValueError,
    "TrainingError": RuntimeError,
}


def test_the_table_is_complete() -> None:
    found = {
        name
        for name in errors.__all__
        if issubclass(getattr(errors, name), FastlmError) and name != "FastlmError"
    }
    assert found == set(KINDS)


@pytest.mark.parametrize(("name", "kind"), KINDS.items())
def test_an_error_is_of_both_kinds(name: str, kind: type[Exception]) -> None:
    assert issubclass(getattr(errors, name), FastlmError)
    assert issubclass(getattr(errors, name), kind)


def test_a_text_error_crosses_a_process() -> None:
    error = pickle.loads(pickle.dumps(TextError(3, "it is not a str")))
    assert (error.index, error.reason) == (3, "it is not a str")
    assert str(error) == "text 3: it is not a str"


def test_a_training_error_has_no_model_until_it_is_given_one() -> None:
    assert TrainingError("the loss is nan").model is None


@pytest.mark.parametrize(
    ("kind", "general"),
    [
        (errors.MissingFileError, errors.CorpusError),
        (errors.MissingModelError, errors.ModelFileError),
        (errors.MissingStoreError, errors.StoreError),
    ],
)
def test_a_file_that_is_missing_is_an_error_of_both_kinds(
    kind: type[FastlmError], general: type[FastlmError]
) -> None:
    error = pickle.loads(pickle.dumps(kind("a.txt: no such file; check the name")))
    assert isinstance(error, general)
    assert str(error) == "a.txt: no such file; check the name"
