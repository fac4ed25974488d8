"""Generation: many texts at once, many tokens each.

A text depends on the seed, its number and its first context only: logits of a row have the same
bits whatever rows stand beside it, and random numbers are functions of (seed, number, position).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastlm_kernels.counts.queries import advance
from fastlm_kernels.layers.exp import bits_from_float
from fastlm_kernels.passes.mixing import mix_row
from fastlm_kernels.passes.rows import forward_rows
from fastlm_kernels.passes.sampling import ChoiceScratch, choose, sampling_uniform
from fastlm_kernels.runtime.jit import inner_kernel, kernel
from fastlm_kernels.runtime.scheduler import next_tile, tile_done

F = np.float32

# States of a text.
RUNNING, ENDED, NOT_FINITE = range(3)
# Added to the position of a token that is drawn a second time: no text is as long.
_AGAIN = np.int64(1 << 62)

_EXPONENT = np.int32(0x7F800000)


class Texts(NamedTuple):
    """S texts that grow.

    contexts : int32[S * span], all that the model sees of each, oldest token first
    numbers : int64[S], the number of each text among those of the seed
    drawn : int64[S], tokens chosen up to now
    states : int64[S], RUNNING, ENDED or NOT_FINITE
    nodes : int64[S, 2], the context of the counts of a mixture (``counts.queries``)
    """

    contexts: np.ndarray
    numbers: np.ndarray
    drawn: np.ndarray
    states: np.ndarray
    nodes: np.ndarray


class GenerationScratch(NamedTuple):
    """Memory of a thread for ``rows`` texts at a time.

    contexts : int32[rows * span]
    running : int64[rows]
    logits : float32[rows * V]
    inputs : float32[rows * widths]
    probabilities : float64[V], of a mixture
    choice : ChoiceScratch
    """

    contexts: np.ndarray
    running: np.ndarray
    logits: np.ndarray
    inputs: np.ndarray
    probabilities: np.ndarray
    choice: ChoiceScratch


@kernel
def generate_tokens(
    tokens, texts, scratch, workspace, worker, excluded, params, network, mixture, rules,
    phases, seed, end, steps, rows,
):  # fmt: skip
    """Generate up to ``steps`` more tokens for every text that is RUNNING.

    tokens : int32[S * steps], written: the new tokens of text s from s * steps on
    texts : Texts, changed
    scratch : GenerationScratch, workspace : Workspace, each thread's own
    worker : Worker, with the same shared counters for all threads of the call
    excluded : int64[...], ids that are never chosen; the others are renormalised
    mixture : Mixture, the members besides the network; or None, which compiles in less time
    rules : Rules
    phases : int64[2]: 0, and the number of tiles of ``rows`` texts
    end : id that ends a text and is not written, or -1
    rows : texts of a tile
    """
    vocab = network.vocab
    count = texts.numbers.size
    context = texts.contexts.size // count
    while True:
        tile = next_tile(worker, phases[1], phases)
        if tile < 0:
            return
        running = np.int64(0)
        for text in range(tile * rows, min(tile * rows + rows, count)):
            if texts.states[text] == RUNNING:
                scratch.running[running] = text
                running += 1
        for turn in range(steps):
            # Only texts that have not ended are computed.
            for row in range(running):
                source = scratch.running[row] * context
                for c in range(context):
                    scratch.contexts[row * context + c] = texts.contexts[source + c]
            forward_rows(
                scratch.logits, scratch.inputs, workspace, scratch.contexts, params, network,
                rows, np.int64(0), running,
            )  # fmt: skip
            left = np.int64(0)
            for row in range(running):
                text = scratch.running[row]
                z = scratch.logits[row * vocab : (row + 1) * vocab]
                if not _all_finite(z):
                    texts.states[text] = NOT_FINITE
                    continue
                if mixture is not None:
                    mix_row(z, scratch.probabilities, mixture, texts.nodes[text], text, count)
                for i in range(excluded.size):
                    z[excluded[i]] = F(-np.inf)
                position = texts.drawn[text]
                while True:
                    uniform = sampling_uniform(seed, texts.numbers[text], position)
                    token = choose(z, scratch.choice, uniform, rules)
                    last = texts.contexts[(text + 1) * context - 1]
                    if token != network.boundary or token != last or position >= _AGAIN:
                        break
                    # The end of a document that is empty, as none was in training. Another token is
                    # drawn here only, so that all other texts are the same with and without.
                    z[token] = F(-np.inf)
                    position += _AGAIN
                texts.drawn[text] += 1
                if token == end:
                    texts.states[text] = ENDED
                    continue
                tokens[text * steps + turn] = token
                if mixture is not None:
                    advance(texts.nodes[text], mixture.tables, np.int64(token))
                _append(
                    texts.contexts[text * context : (text + 1) * context], token, network.boundary
                )
                scratch.running[left] = text
                left += 1
            running = left
            if running == 0:
                break
        tile_done(worker)


# The same for a mixture: Numba leaves out what stands after ``if mixture is not None`` for None.
generate_mixed = kernel(getattr(generate_tokens, "py_func", generate_tokens))


@inner_kernel
def _append(context, token, boundary):
    """Slide the context int32[span] by one token; nothing before a boundary token is seen."""
    if token == boundary:
        for c in range(context.size):
            context[c] = token
        return
    for c in range(context.size - 1):
        context[c] = context[c + 1]
    context[context.size - 1] = token


@inner_kernel
def _all_finite(z):
    """Return whether all logits are finite; by bits, which fast math cannot fold away."""
    bad = np.int32(0)
    for j in range(z.size):
        bad |= np.int32((bits_from_float(z[j]) & _EXPONENT) == _EXPONENT)
    return bad == 0
