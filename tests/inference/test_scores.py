"""Scores as people and tables take them: reprs, HTML, pandas, Arrow."""

from __future__ import annotations

import math
import sys
from xml.etree import ElementTree

import numpy as np
import pytest

from fastlm.errors import ConfigError, MissingLibraryError
from fastlm.inference.scores import Score
from tests.api.models import TEXT, make_model

TEXTS = ["to be", "", "zzz not", "<b>naïve</b>"]
NAMES = [
    "log_prob", "tokens", "oov", "log_prob_without_oov", "chars", "bytes", "perplexity",
    "perplexity_without_oov", "bits_per_char", "bits_per_byte",
]  # fmt: skip


def test_the_perplexity_is_in_every_repr():
    lm = make_model("word")
    (score,) = lm.score("to be")
    assert repr(score).startswith(f"Score(perplexity={score.perplexity:.4g}, bits_per_char=")
    assert "None" not in repr(score)
    (score,) = lm.score("to be", return_tokens=True)
    assert repr(score).endswith(", token_strings=['to', 'be'])")
    found = lm.evaluate("to be")
    assert repr(found).startswith(f"Evaluation(perplexity={found.perplexity:.4g}, ")
    arrays = lm.score_arrays(TEXTS)
    low, high = np.nanmin(arrays.perplexity), np.nanmax(arrays.perplexity)
    assert repr(arrays).startswith("ScoreArrays(4 texts, ")
    assert f"perplexity {low:.4g} to {high:.4g}, median " in repr(arrays)
    assert repr(lm.score_arrays([])) == "ScoreArrays(0 texts, 0 tokens)"


def test_arrays_are_rows_of_a_table():
    arrays = make_model("word").score_arrays(TEXTS)
    assert len(arrays) == 4
    rows = list(arrays)
    assert [list(row) for row in rows] == [NAMES] * 4
    for name in NAMES:
        np.testing.assert_array_equal([row[name] for row in rows], getattr(arrays, name))
        np.testing.assert_array_equal(arrays.to_dict()[name], getattr(arrays, name))


def test_pandas():
    pandas = pytest.importorskip("pandas")
    arrays = make_model("word").score_arrays(TEXTS)
    frame = arrays.to_pandas()
    assert list(frame.columns) == NAMES
    assert frame.perplexity.iloc[0] == arrays.perplexity[0]
    assert frame.tokens.dtype == np.int64
    pandas.testing.assert_frame_equal(pandas.DataFrame(arrays), frame)


def test_arrow():
    pyarrow = pytest.importorskip("pyarrow")
    arrays = make_model("word").score_arrays(TEXTS)
    table = arrays.to_arrow()
    assert table.column_names == NAMES
    assert table.column("perplexity")[0].as_py() == arrays.perplexity[0]
    column = pyarrow.chunked_array([TEXTS[:2], TEXTS[2:]])
    found = make_model("word").score_arrays(column)
    np.testing.assert_array_equal(found.log_prob, arrays.log_prob)


@pytest.mark.parametrize("library", ["pandas", "pyarrow"])
def test_without_the_library_the_remedy_is_told(monkeypatch, library):
    monkeypatch.setitem(sys.modules, library, None)
    arrays = make_model("word").score_arrays(TEXTS)
    with pytest.raises(MissingLibraryError, match=f"pip install {library}"):
        arrays.to_pandas() if library == "pandas" else arrays.to_arrow()


@pytest.mark.parametrize("kind", ["char", "word", "byte"])
def test_the_text_in_colours(kind):
    lm = make_model(kind)
    text = f"{TEXT}\r\n<b>zzz</b>"
    (score,) = lm.score(text, return_tokens=True)
    page = ElementTree.fromstring(score.to_html(text))
    assert "".join(page.itertext()) == text.replace("\r\n", "\n")  # as XML reads it
    bits = sum(float(span.get("title").split()[0]) for span in page.iter("span"))
    assert bits == pytest.approx(-score.log_prob / math.log(2), abs=0.01 * score.tokens)
    with pytest.raises(ConfigError, match="the score is of a longer one"):
        score.to_html("to be")
    (without,) = lm.score(text)
    with pytest.raises(ConfigError, match="score with return_tokens=True"):
        without.to_html(text)


def test_html_of_every_result():
    lm = make_model("word", documents="lines")
    (score,) = lm.score("to <b> be", return_tokens=True)
    for shown in (score, lm.evaluate("to be"), lm.score_arrays(TEXTS * 100), lm.score_arrays([])):
        page = ElementTree.fromstring(f"<div>{shown._repr_html_()}</div>")
        assert "perplexity" in [cell.text for cell in page.iter("th")]
    page = ElementTree.fromstring(f"<div>{score._repr_html_()}</div>")
    assert "to <unk>b<unk> be<end>" in "".join(page.itertext())
    page = ElementTree.fromstring(f"<div>{lm.score_arrays(TEXTS * 100)._repr_html_()}</div>")
    assert [row[0].text for row in page.iter("tr")][-1] == "399"


def test_a_score_without_offsets_is_shown_too():
    score = Score(-2.0, 2, 0, -2.0, 2, 2, np.array([1, 2]), np.float32([-1, -1]), ["a", "b"])
    assert "b" in score._repr_html_()
