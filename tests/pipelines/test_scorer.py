"""The scorer's columns are the model's scores; it travels as its path."""

from __future__ import annotations

import multiprocessing
import pickle
import subprocess
import sys
import warnings
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import pytest

import fastlm
from fastlm.api.language_model import LanguageModel
from fastlm.errors import ConfigError, ModelFileError, ScoreWarning, TextError

from .models import TEXTS, expected, saved_model


@pytest.fixture
def path(tmp_path) -> str:
    return saved_model(tmp_path)


def test_the_columns_are_the_models_scores(path):
    columns = ("perplexity", "log_prob", "tokens", "bits_per_char")
    scorer = fastlm.Scorer(path, field="t", columns=columns, prefix="lm_")
    found = scorer({"t": TEXTS, "n": [1] * 5})
    assert list(found) == ["t", "n", *(f"lm_{name}" for name in columns)]
    for name in columns:
        assert found[f"lm_{name}"] == expected(name)
    assert fastlm.Scorer(path, columns="oov")({"text": ["the"]})["oov"] == [0]
    assert repr(fastlm.Scorer(path)).startswith(f"Scorer({path!r}, field='text'")


def test_all_kinds_agree(path):
    scorer = fastlm.Scorer(path)
    (values,) = list(scorer({"text": TEXTS}).values())[1:]
    assert scorer.column(TEXTS) == values
    rows = [{"text": text} for text in TEXTS]
    assert [row["perplexity"] for row in scorer(rows)] == values
    array = scorer({"text": np.array(TEXTS, dtype=object)})["perplexity"]
    assert [None if np.isnan(value) else value for value in array] == values
    assert list(scorer.iter(iter([rows[:2], rows[2:]]))) == [scorer(rows[:2]), scorer(rows[2:])]
    pa = pytest.importorskip("pyarrow")
    assert scorer(pa.table({"text": TEXTS}))["perplexity"].to_pylist() == values
    assert scorer({"text": pa.array(TEXTS)})["perplexity"] == values


def test_it_is_small_and_goes_to_processes(path):
    scorer = fastlm.Scorer(path, columns=("tokens",))
    scorer({"text": ["the cat"]})
    assert len(pickle.dumps(scorer)) < 1000
    again = pickle.loads(pickle.dumps(scorer))
    assert again({"text": TEXTS}) == scorer({"text": TEXTS})


@pytest.mark.thorough
def test_spawned_processes(path):
    scorer = fastlm.Scorer(path)
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        found = list(pool.map(scorer, [{"text": TEXTS}] * 2))
    assert found == [scorer({"text": TEXTS})] * 2


def test_what_is_no_text_is_told_with_its_place(path):
    with pytest.raises(TextError, match="text 2: int, not str") as caught:
        fastlm.Scorer(path)({"text": ["a", None, 3]})
    assert caught.value.index == 2


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"columns": ("ppl",)}, "a score has no 'ppl'; choose from log_prob"),
        ({"columns": ()}, "columns is empty"),
        ({"threads": 0}, "threads is 0"),
        ({"field": None}, "field is None"),
        ({"prefix": 3}, "prefix is 3"),
    ],
)
def test_settings_that_make_no_sense(path, settings, message):
    with pytest.raises(ConfigError, match=message):
        fastlm.Scorer(path, **settings)


def test_files_that_are_no_model(tmp_path):
    with pytest.raises(ModelFileError, match="there is no file"):
        fastlm.Scorer(tmp_path / "gone")
    (tmp_path / "text").write_text("text")
    with pytest.raises(ModelFileError):
        fastlm.Scorer(tmp_path / "text")({"text": ["a"]})


def test_it_warns_once_of_text_that_the_model_does_not_know(path):
    scorer = fastlm.Scorer(path)
    batch = {"text": ["Привет, мир"] * 200}
    with pytest.warns(ScoreWarning, match="most letters of the text are Cyrillic"):
        scorer(batch)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scorer(batch)
        fastlm.Scorer(path)({"text": ["the cat sat on a mat"] * 100})


def test_a_batch_is_scored_at_once(path):
    scorer, calls = fastlm.Scorer(path), []
    score_arrays = LanguageModel.score_arrays

    def counted(lm, texts, **options):
        calls.append(list(texts))
        return score_arrays(lm, texts, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(LanguageModel, "score_arrays", counted)
        scorer({"text": ["a", None, "b"]})
    assert calls == [["a", "b"]]


def test_no_library_of_batches_is_imported():
    libraries = ("datasets", "narwhals", "pandas", "polars", "pyarrow", "sklearn")
    code = (
        "import sys, fastlm; print('numba' in sys.modules); fastlm.Scorer; fastlm.DocumentFilter; "
        f"print([name for name in {libraries} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["False", "[]"]
