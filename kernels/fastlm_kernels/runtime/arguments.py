"""Arguments of the kernels: named tuples of arrays and integers, made once by the caller.

All integers are int64 and all arrays C-contiguous, so that every kernel has exactly one signature.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

# Columns of Network.layers.
FAN_IN, FAN_OUT, WEIGHT, BIAS, WIDTH_BEFORE = range(5)

# Columns of Plan.updates and Plan.columns: a tile is the columns START to STOP of a layer. The last
# two are columns of Plan.columns only: the columns worked on together, and the floats per row of
# the batch that the tiles before take in Scratch.d_columns.
LAYER, START, STOP, BLOCK, D_INPUT_BEFORE = range(5)

# Values of LAYER in Plan.updates that are not layers.
EMBEDDING = -1  # embedding rows whose id leaves START when divided by STOP
FAR = -2  # weights of the pools of far context
SORT = -3  # sort the next step's rows by cluster
TABLE_POSITION = -4  # the first layer's rows for context position START (``token_table_training``)

# The phases of a step, see ``passes.training.train_steps``.
(
    ROWS, COLUMNS, COLUMN_SUMS, COLUMNS_BACKWARD, ROWS_BACKWARD, UPDATES, TABLE_EMBEDDINGS,
    TABLE_FILL,
) = range(8)  # fmt: skip


class Network(NamedTuple):
    """The shape of a model.

    The flat parameters hold the embeddings [V, E], the pools' weights [sum of far, E], and then the
    layers.

    layers : int64[L, 5], one row per affine layer: fan-in K, fan-out N, offset of the weight [K, N]
        in the flat parameters, offset of the bias [N] or -1, and WIDTH_BEFORE: floats per row of
        the batch before the layer's input in the scratch (B times it is the offset). The first
        ``depth`` rows lead from the embeddings to the output. Then follow, for each cluster of an
        adaptive softmax, its projection and its tail
    far : int64[pools], the number of tokens in each pool of far context
    cutoffs : int64[clusters + 1], the first id of each cluster of an adaptive softmax, then V
    widths : floats of activations per row of the batch
    position_offsets : int64[span, 2], for each position of a context the offset of its embedding in
        the first layer's input, and the offset of its weights in the pools' weights (-1: no pool)
    """

    vocab: int
    context: int
    embed: int
    mean: int  # 1: the input is the mean of the C embeddings; 0: their concatenation
    boundary: int  # id of the boundary token, or -1
    layers: np.ndarray
    depth: int
    far: np.ndarray
    span: int  # context + sum of far
    cutoffs: np.ndarray
    widths: int
    position_offsets: np.ndarray


class Tokens(NamedTuple):
    """A token array.

    ids : uint16[width * T]; width 1: 16-bit ids; width 2: 32-bit ids, low half first
    """

    ids: np.ndarray
    width: int


class TokenTable(NamedTuple):
    """The contribution of each of D tokens to the first layer, per context position.

    All arrays are empty where there is no table. See ``layers.token_table``.

    values : float32[C * D * N], the row of token ids[d] at position c (0 the oldest) starts at
        (c D + d) N; position-major, since rows a power of two apart would share few cache lines
    rows : int32[V], d for each token of the table, -1 for others
    ids : int32[D]
    """

    values: np.ndarray
    rows: np.ndarray
    ids: np.ndarray


class Plan(NamedTuple):
    """The settings of a training step and its tiles, which do not depend on the thread count.

    phases : int64[9], the first tile of each phase within a step, then the number of tiles
    columns : int64[tiles, 5], see LAYER to D_INPUT_BEFORE: the output columns that are swept by
        columns (``layers.output_columns``), those of a layer in order
    sweeps_columns : 1: the output layer is among them; 0: at most the tails of clusters
    updates : int64[tiles, 3], see LAYER, START, STOP: all other weights
    logit_columns : logits of a row that are worked on together
    transposed_from : gradients of layers with at least this many columns take their input
        transposed
    table_tiles : tiles of TABLE_EMBEDDINGS; 0: the first layer uses no token table
    shuffle : 1: each epoch has an order of its own
    shuffle_block : 0: shuffle over all examples; else shuffle blocks of this many examples, and
        the examples within windows of ``shuffle_window`` blocks
    embed_scale : learning rate of the embeddings, in units of the others' rate
    first_row, row_stride : row r has the dropout masks of row first_row + r * row_stride; other
        than 0 and 1 where the rows are a shard of a larger batch (``passes.shards``)
    """

    batch: int
    row_tile: int
    row_tiles: int
    phases: np.ndarray
    columns: np.ndarray
    sweeps_columns: int
    updates: np.ndarray
    logit_columns: int
    transposed_from: int
    table_tiles: int
    first_target: int
    examples: int
    shuffle: int
    shuffle_block: int
    shuffle_window: int
    seed: int
    dropout: float
    embed_dropout: float
    beta: float
    embed_scale: float
    first_row: int
    row_stride: int


class State(NamedTuple):
    """What training changes, and all that it needs to go on.

    params, momentum : float32[n]
    row_steps : int64[V + sum of fan-ins], the step up to which the momentum of a row is applied:
        rows of the embeddings, then, for a batch of one, of every weight. Between two steps it is
        at least step - step mod SETTLE_EVERY, before which no rate is tabulated
    rates : float64[SETTLE_EVERY + 1], the learning rate of step s at s mod (SETTLE_EVERY + 1)
    """

    params: np.ndarray
    momentum: np.ndarray
    row_steps: np.ndarray
    rates: np.ndarray


class Scratch(NamedTuple):
    """Memory of a step, allocated once.

    contexts : int32[3, B * span], targets : int32[3, B], of even steps, of odd steps, and of the
        next step before its rows are sorted by cluster (adaptive softmax). For a batch of one
        [lookahead, span] and [lookahead, 1], of that many steps in a row
    cluster_starts : int64[2, clusters + 1], the first row of each cluster (0: the head), of even
        and odd steps; the rows of the last cluster come first
    inputs, d_inputs : float32[B * widths], the input of every layer and its gradient
    inputs_t : float32[B * widths], the inputs as [fan-in, B], for layers that take them transposed;
        empty if there are none
    d_columns : float32[B * any], the share of each tile of Plan.columns in its input's gradient
    logits : float32[B * head + B * largest cluster], turned in place into the gradient d_logits
    softmax_state : float64[B * (1 + tiles of Plan.columns), STATE_BLOCK_MAX + blocks], see
        ``layers.softmax.softmax_block``: of the rows, then of each tile
    tile_losses : float64[row tiles], sums of nats
    d_far : float32[row tiles * sum of far * E], gradient of the pools' weights by row tile
    far_weights : float32[sum of far * E], the pools' weights as the row sweep read them
    occurrences : int32[tiles of the embeddings, B * span]
    decays : float64[2, SETTLE_EVERY + 1], see ``layers.embedding.fill_decays``
    token_table : TokenTable of the tokens in the training text, or empty; the backward pass
        replaces its values by the sums of their gradients
    table_offsets : int32[B * C], the offset of the table row of each position of each row
    table_embeddings : float32[C * D * E], the embeddings of its tokens after dropout; then their
        gradients
    rows_by_token : int32[C * B], for each position the rows of the batch, grouped by token
    token_starts : int32[C * (D + 1)], for each position where in these each token's rows begin
    """

    contexts: np.ndarray
    targets: np.ndarray
    cluster_starts: np.ndarray
    inputs: np.ndarray
    d_inputs: np.ndarray
    inputs_t: np.ndarray
    d_columns: np.ndarray
    logits: np.ndarray
    softmax_state: np.ndarray
    tile_losses: np.ndarray
    d_far: np.ndarray
    far_weights: np.ndarray
    occurrences: np.ndarray
    decays: np.ndarray
    token_table: TokenTable
    table_offsets: np.ndarray
    table_embeddings: np.ndarray
    rows_by_token: np.ndarray
    token_starts: np.ndarray
