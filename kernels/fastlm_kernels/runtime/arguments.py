"""What kernels are handed: named tuples of arrays and integers, made once by the caller.

All integers are int64, all arrays C-contiguous, so that every kernel has exactly one signature.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

# Columns of Network.layers.
FAN_IN, FAN_OUT, WEIGHT, BIAS, WIDTH_BEFORE = range(5)


# Columns of Plan.updates. LAYER is the layer whose weight columns START to STOP the tile updates;
# EMBEDDING there means the embedding rows whose id leaves START when divided by STOP, FAR the
# weights of the pools, SORT the sorting of the next step's rows by cluster, and PLACE_OF_TABLE the
# first layer's rows for place START of the context (``learnt_shares``).
# Plan.columns has two more. BLOCK: how many columns are worked on together, PLACE: how many floats
# per row of the batch the tiles before have in Scratch.d_columns.
LAYER, START, STOP, BLOCK, PLACE = range(5)


EMBEDDING, FAR, SORT, PLACE_OF_TABLE = -1, -2, -3, -4


# The phases of a step; see ``training.train_steps``.
ROWS, COLUMNS, SUMS, COLUMNS_BACK, ROWS_BACK, UPDATES, VECTORS, SHARES = range(8)


class Network(NamedTuple):
    """What the model is.

    layers : int64[L, 5], a row per affine layer: fan-in K, fan-out N, offset of the weight [K, N]
        in the flat parameters, offset of the bias [N] or -1, and how many floats per row of the
        batch lie before the layer's input in the scratch (so that B times it is its offset).
        The first ``depth`` rows lead from the embeddings to the output; then follow, for each
        cluster of an adaptive softmax, its projection and its tail.
    far : int64[pools], how many tokens each pool of far context sums up
    cutoffs : int64[K + 1], for each of K clusters of an adaptive softmax its first id, then V
    widths : floats of activations per row of the batch
    places : int64[span, 2], for each place of a context where in the first layer's input its
        embedding goes, and where in the pools' weights its own begin (-1: it is in no pool)
    The embeddings [V, E] start the flat parameters, then come the pools' weights [sum of far, E].
    """

    vocab: int
    context: int
    embed: int
    mean: int  # 1: the input is the mean of the C embeddings; 0: their concatenation
    boundary: int  # id of the token that ends a document, or -1
    layers: np.ndarray
    depth: int
    far: np.ndarray
    span: int  # context + sum of far: the tokens that an example sees
    cutoffs: np.ndarray
    widths: int
    places: np.ndarray


class Tokens(NamedTuple):
    """A token array: uint16[width * T], width 1 (16-bit ids) or 2 (32-bit ids, low half first)."""

    ids: np.ndarray
    width: int


class Table(NamedTuple):
    """What each of D tokens adds to the first layer from each place of the context.

    shares : float32[C * D * N]: the share of token ids[d] at place c (0 the oldest) starts at
        (c D + d) N. By place: rows a power of two of bytes apart would share few lines of a cache
    slots : int32[V], d of each token of the table, -1 for others
    ids : int32[D]
    All empty: there is no table.
    """

    shares: np.ndarray
    slots: np.ndarray
    ids: np.ndarray


class Plan(NamedTuple):
    """How a training step is cut into tiles and what it does; the thread count is not in it.

    phases : int64[9], where in a step's tiles each phase begins, and how many there are
    columns : int64[tiles, 5], see LAYER, START, STOP, BLOCK, PLACE: the columns of the output that
        are swept by columns (``columns``), those of a layer in their order
    by_columns : 1: the output layer is among them, and not only the tails of clusters
    updates : int64[tiles, 3], see LAYER, START, STOP: of all other weights
    logit_columns : logits of a row that are worked on together
    transposed_from : the gradient of a layer with so many columns takes its input transposed
    by_table : the tiles of VECTORS where the first layer is a sum of shares (``learnt_shares``), 0
        where it is not
    embed_scale : how many times the others' learning rate that of the embeddings is
    """

    batch: int
    row_tile: int
    row_tiles: int
    phases: np.ndarray
    columns: np.ndarray
    by_columns: int
    updates: np.ndarray
    logit_columns: int
    transposed_from: int
    by_table: int
    first_target: int
    examples: int
    shuffle: int  # 1: an order of its own for each epoch
    block: int  # then 0: over all examples; else over blocks of so many, and in
    window: int  # windows of so many blocks
    seed: int
    dropout: float
    embed_dropout: float
    beta: float
    embed_scale: float


class State(NamedTuple):
    """What training changes, and all that it needs to go on.

    params, momentum : float32[n]
    row_steps : int64[V + sum of fan-ins], up to which step the momentum of a row has been applied:
        the rows of the embeddings, then, for a batch of one, of every weight
    rates : float64[SETTLE_EVERY + 1], the learning rate of step s at s mod (SETTLE_EVERY + 1)
    """

    params: np.ndarray
    momentum: np.ndarray
    row_steps: np.ndarray
    rates: np.ndarray


class Scratch(NamedTuple):
    """Memory of a step, allocated once.

    contexts : int32[3, B * span], targets : int32[3, B]: of the even steps, of the odd ones, and
        of the next step before its rows are sorted by cluster (adaptive softmax). For a batch of
        one [any number, span] and [any number, 1]: of so many steps in a row
    starts : int64[2, K + 1], the first row of each cluster, 0 being the head, of the even steps and
        of the odd ones; the rows of the last cluster come first
    inputs, d_inputs : float32[B * widths], the input of every layer and its gradient
    inputs_t : float32[B * widths], the inputs [fan-in, B] of the layers of which Plan says so;
        empty where there is none
    d_columns : float32[B * any], what each tile of Plan.columns adds to the gradient of its input
    logits : float32[B * head + B * largest cluster], turned in place into the gradient d_logits
    marks : float64[B * (1 + tiles of Plan.columns), BLOCK_TOPS + blocks], see
        ``softmax.softmax_block``: of the rows, then of each tile
    tile_losses : float64[row tiles], sums of nats
    d_far : float32[row tiles * sum of far * E], gradient of the pools' weights by row tile
    far : float32[sum of far * E], the pools' weights as the row sweep had them
    occurrences : int32[tiles of the embeddings, B * span]
    decays : float64[2, SETTLE_EVERY + 1], see ``embedding.fill_decays``
    table : Table of the tokens in the training text, or empty. See ``learnt_shares``; going back
        its shares are replaced by the sums of their gradients
    starts_of_shares : int32[B * C], where in it the share of each place of each row starts
    vectors : float32[C * D * E], the embeddings of its tokens, behind dropout; then their gradients
    rows_by_token : int32[C * B], for each place the rows of the batch by the token they have there
    token_starts : int32[C * (D + 1)], for each place where in these each token's rows begin
    """

    contexts: np.ndarray
    targets: np.ndarray
    starts: np.ndarray
    inputs: np.ndarray
    d_inputs: np.ndarray
    inputs_t: np.ndarray
    d_columns: np.ndarray
    logits: np.ndarray
    marks: np.ndarray
    tile_losses: np.ndarray
    d_far: np.ndarray
    far: np.ndarray
    occurrences: np.ndarray
    decays: np.ndarray
    table: Table
    starts_of_shares: np.ndarray
    vectors: np.ndarray
    rows_by_token: np.ndarray
    token_starts: np.ndarray
