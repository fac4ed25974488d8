from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from fastlm.counts.array_memory import ArrayMemory
from fastlm.counts.pruning import keep_ngrams
from tests.counts.models import model_of, ngrams_of, tiny_model


@given(st.sets(st.sampled_from([g for g in ngrams_of(tiny_model()) if len(g) > 1])))
@settings(deadline=None, max_examples=50)
def test_the_n_grams_that_are_kept_stay_as_they_were(chosen: set[tuple[int, ...]]) -> None:
    model = tiny_model()
    ngrams = ngrams_of(model)
    kept = {gram for gram in ngrams if len(gram) == 1}
    for gram in chosen:  # with all that is part of it
        kept |= {gram[i:j] for i in range(len(gram)) for j in range(i + 1, len(gram) + 1)}
    masks = [
        np.array([gram in kept for gram in ngrams if len(gram) == n], dtype=np.bool_)
        for n in (1, 2, 3)
    ]
    smaller = keep_ngrams(model, masks, ArrayMemory())
    smaller.check()
    assert ngrams_of(smaller) == {gram: ngrams[gram] for gram in ngrams if gram in kept}
    rebuilt = model_of(ngrams_of(smaller), 5, 0)  # without levels that are empty
    for ours, theirs in zip(smaller.suffixes, rebuilt.suffixes, strict=False):
        np.testing.assert_array_equal(ours, theirs)
