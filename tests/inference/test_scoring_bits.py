"""Batches, parts, threads and tables change no bit of a score."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastlm.engine import losses as first_layer
from fastlm.inference import batching
from fastlm_kernels.runtime.jit import JIT_DISABLED
from tests.inference.models import CORPUS, make_model, oracle

TEXTS = ["the cat", "", "on thé mat", "q", "a fat\tcat sat on the mat", "\0", " ", "猫 the"]

CHARACTERS = st.sampled_from("the catsond.\n 猫\0")
MODELS = [
    make_model(kind, documents, **shape)
    for kind in ("char", "word", "byte")
    for documents in ("file", "lines")
    for shape in (
        {},
        {"combine": "mean", "context": 2, "hidden": (9, 8)},
        {"far": (2, 5), "cutoffs": (4, 8)},
    )
]


@given(
    st.sampled_from(MODELS),
    st.lists(st.text(CHARACTERS, max_size=30), max_size=12),
    st.integers(1, 60),
    st.integers(1, 3),
    st.integers(1, 40),
)
@settings(deadline=None, max_examples=10 if JIT_DISABLED else 60)
def test_batches_parts_and_threads_change_no_bit(lm, texts, batch_chars, threads, part):
    expected = [next(lm.score([text], threads=1)) for text in texts]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batching, "PART_CHARS", part)
        patch.setattr(first_layer, "_TILES_PER_THREAD", 1)
        found = list(lm.score(texts, batch_chars=batch_chars, threads=threads))
    if JIT_DISABLED:
        # With JIT off NumPy multiplies, whose rows depend on each other's number.
        np.testing.assert_allclose(
            [score[0] for score in found], [score[0] for score in expected], rtol=1e-6
        )
        assert [score[1:3] for score in found] == [score[1:3] for score in expected]
    else:
        assert found == expected


def test_many_tiles_and_threads_change_no_bit():
    lm = make_model(context=16, embed=24, hidden=(32, 16))
    rng = np.random.default_rng(1)
    count = 8 if JIT_DISABLED else 40
    texts = ["".join(rng.choice(list(CORPUS), 40 * n % 701)) for n in range(count)]
    expected = lm.score_arrays(texts, threads=1)
    for found in (lm.score_arrays(texts, threads=3), lm.score_arrays(iter(texts), threads=2)):
        for one, other in zip(found.columns, expected.columns, strict=True):
            np.testing.assert_array_equal(one, other)


def test_the_table_and_the_product_agree(monkeypatch):
    lm = make_model(context=9, embed=24, hidden=(40,))
    assert first_layer.table_size(lm.config) == lm.config.vocab
    by_table = lm.score_arrays(TEXTS).log_prob
    monkeypatch.setattr(first_layer, "table_size", lambda model: 0)
    by_product = lm.score_arrays(TEXTS).log_prob
    assert (by_table != by_product).any()
    np.testing.assert_allclose(by_table, by_product, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("rows", [10, 11, 17])
def test_a_table_of_a_few_tokens_gives_the_same_bits(monkeypatch, rows):
    """A table that is full ends its part of the text."""
    lm = make_model(context=9, embed=24, hidden=(40,))
    expected = lm.score_arrays(TEXTS)
    monkeypatch.setattr(first_layer, "table_size", lambda model: rows)
    found = lm.score_arrays(TEXTS)
    if JIT_DISABLED:  # NumPy's products of other numbers of rows may differ in their last bits
        np.testing.assert_allclose(found.log_prob, expected.log_prob, rtol=1e-6)
    else:
        np.testing.assert_array_equal(found.log_prob, expected.log_prob)


def test_changed_parameters_change_the_scores():
    lm = make_model()
    before = next(lm.score(["the cat"])).log_prob
    lm.tensors["embeddings"][:] *= 2
    changed = next(lm.score(["the cat"])).log_prob
    assert changed != before
    assert changed == pytest.approx(-oracle(lm, "the cat")[1][:-1].sum(), rel=1e-5)
    lm.tensors["output.weight"][:] *= 2
    assert next(lm.score(["the cat"])).log_prob != changed
