"""Scores of texts: sums of the losses of their tokens."""

from __future__ import annotations

from fastlm_kernels.passes.contexts import token_at
from fastlm_kernels.runtime.jit import exact_kernel


@exact_kernel
def sum_texts(nats, known_nats, counts, oov, losses, tokens, counted, ends, first, unk):
    """Add up the losses of each text, one after the other in float64.

    A sum so depends neither on where the text lies nor on where a long text was cut: its next part
    continues it.

    nats, known_nats : float64[texts], sums over all tokens and over those that are not ``unk``
    counts, oov : int64[texts], all tokens and those that are ``unk``
        All four are added to.
    losses : float64[n], of the tokens from ``first`` on
    counted : bool[n], which of these count
    ends : int64[texts], where in ``losses`` each text ends
    unk : the id of the unknown token, or -1
    """
    position = 0
    for text in range(ends.size):
        for i in range(position, ends[text]):
            if not counted[i]:
                continue
            counts[text] += 1
            nats[text] += losses[i]
            if token_at(tokens.ids, tokens.width, first + i) == unk:
                oov[text] += 1
            else:
                known_nats[text] += losses[i]
        position = ends[text]
