"""A row of a mixture: ln p of all tokens, from logits and counts."""

from __future__ import annotations

import pytest

from fastlm.inference.generation import Request
from tests.inference.mixtures import KINDS, make_mixture


@pytest.mark.parametrize("kind", KINDS)
def test_tokens_are_drawn_from_the_mixture(kind):
    """Greedy choices after each prompt are the most probable tokens of the mixture."""
    lm = make_mixture(kind)
    texts = 0
    for prompt in ("the ", "on a m", "", "and the dog", "t:"):
        request = Request.make(lm.text_model, prompt, {"greedy": True, "length": 6})
        ids = list(request.prompt_ids)
        (new,) = request._generation(0, 1, 1).run(6)
        for id in new.tolist():
            p = lm.text_model.distribution(ids)
            p[request.excluded] = 0
            if not ids:
                p[lm.tokenizer.boundary_id] = 0  # no document is empty
            assert p[id] == pytest.approx(p.max(), rel=1e-5)
            ids.append(id)
            texts += 1
    assert texts > 5
