"""The tiles of a training step: from the shapes alone, never from the number of threads.

The result of a step is therefore the same bits for any number of threads. Measurements that led to
the constants: bench/CHOICES.md, "Kernels".
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm.config import ModelConfig
from fastlm.engine.tokens import token_counts
from fastlm.model.layout import Layout
from fastlm_kernels.runtime.arguments import EMBEDDING, FAR, SORT, TABLE_POSITION, Tokens

__all__ = [
    "column_tiles",
    "logit_columns",
    "phase_starts",
    "row_tile",
    "step_flops",
    "sweeps_columns",
    "table_embedding_tiles",
    "table_ids",
    "transposed_from",
    "update_tiles",
    "uses_token_table",
    "worth_sharing",
]

# With more ids than this tokens are words, of which a batch sees mostly different ones.
_MAX_TABLE_VOCAB = 4096

_NO_IDS = np.empty(0, dtype=np.int32)

# Elements of a tile of W; it and its momentum stay in a core's cache from product to update.
_UPDATE_TILE_ELEMENTS = 64 * 1024

# Logits of a block, 2 MB: they stay in the cache up to their exponentials, and from there to the
# gradient (V = 10,000, 64 rows: the output's part of a step 16 ms whole, 12.8 in blocks).
_LOGIT_ELEMENTS = 512 * 1024
_MIN_LOGIT_COLUMNS = 1024

# An output is swept by columns if it has this many weights (1 MB) and is this many times as wide as
# its input. Each of its tiles has a gradient of the input of its own; together they are at most
# twice the logits.
_MIN_SWEPT_WEIGHTS = 2**18
_MIN_SWEPT_RATIO = 4
_MAX_COLUMN_TILES = 16

# Weights of a block of these columns (V = 33,278, H = 400, 1,024 rows as trained: 804 ms a step
# with 64 K, 680 with 128 K, 652 with 256 K; from the first weights 880, 896, 968).
_BLOCK_ELEMENTS = 128 * 1024

# Columns from which on a layer's gradient takes its input transposed: it saves what transposing
# takes (0.7 ns an element) from 300 on (V = 10,000, 256 rows: 36.8 -> 34.9 ms a step).
_TRANSPOSED_FROM = 512

_MAX_TABLE_ELEMENTS = 2**26  # of a token table in training: 256 MB
_LARGE = 2**17  # elements scattered or gathered from which on several tiles share them
_COLUMNS = 64  # tiles are multiples of this wide: whole cache lines and register blocks


def transposed_from() -> int:
    """Return the columns of a layer from which on its gradient takes its input transposed."""
    return _TRANSPOSED_FROM


def row_tile(batch: int) -> int:
    """Return the rows per tile of the row sweep: four tiles a batch, 16 to 128 rows each.

    The product is near its best speed from 16 rows on; more than 128 gain nothing.
    """
    return min(batch, max(16, min(128, -(-batch // 4))))


def logit_columns(tile: int) -> int:
    """Return the logits of a row that are worked on together: 2 MB with a tile's other rows."""
    return max(_MIN_LOGIT_COLUMNS, _LOGIT_ELEMENTS // tile // _COLUMNS * _COLUMNS)


def uses_token_table(config: ModelConfig, batch: int, tokens: int) -> bool:
    """Return whether training computes the first layer by a token table (``layers.token_table``).

    Used when batch >= 2 * tokens, so that its products are at most half as many as the batch's, and
    the table takes at most 256 MB.

    tokens : the number of different tokens in the training text
    """
    if config.combine != "concat" or not config.hidden or config.far:
        return False
    return batch >= 2 * tokens and config.context * tokens * config.hidden[0] <= _MAX_TABLE_ELEMENTS


def update_tiles(config: ModelConfig, batch: int, tokens: int = 0) -> NDArray[np.int64]:
    """Return the tiles of the update phase, the most work first so that threads end together.

    Parameters
    ----------
    config : ModelConfig
        The shape of the model.
    batch : int
        Examples of a step.
    tokens : int
        The size of the token table, or 0. With a table the first layer has a tile per context
        position, and the embeddings have a phase of their own (``table_embedding_tiles``).

    Returns
    -------
    int64[tiles, 3]
        See ``fastlm_kernels.runtime.arguments.Plan.updates``.
    """
    tiles: list[tuple[float, tuple[int, int, int]]] = []
    for layer, (fan_in, fan_out, *_) in enumerate(Layout(config).kernel_table.tolist()):
        if _is_swept(config, layer) or (layer == 0 and tokens):
            continue
        width = _tile_width(fan_in, fan_out, batch, _UPDATE_TILE_ELEMENTS)
        for start in range(0, fan_out, width):
            stop = min(fan_out, start + width)
            tiles.append((fan_in * (stop - start) * batch, (layer, start, stop)))
    # About ten operations an element: scattered additions run far below the product's speed.
    if tokens:
        work = (2 * tokens * config.embed + 10 * batch) * config.hidden[0]
        tiles += [(work, (TABLE_POSITION, position, 0)) for position in range(config.context)]
    else:
        elements = batch * config.span * config.embed
        buckets = 1 if elements < _LARGE else 4  # each bucket reads all ids
        tiles += [(10 * elements / buckets, (EMBEDDING, rest, buckets)) for rest in range(buckets)]
    if config.far:
        tiles.append((10 * sum(config.far) * config.embed, (FAR, 0, 0)))
    if config.cutoffs:
        tiles.append((10 * batch * config.span, (SORT, 0, 0)))
    tiles.sort(key=lambda tile: -tile[0])
    return np.array([tile for _, tile in tiles], dtype=np.int64)


def table_embedding_tiles(config: ModelConfig, tokens: int) -> int:
    """Return the number of tiles that update a token table's embeddings; 0: there is none."""
    if not tokens:
        return 0
    return 1 if tokens * config.context * config.embed < _LARGE else min(4, tokens)


def sweeps_columns(config: ModelConfig) -> bool:
    """Return whether training sweeps the output layer by columns (``layers.output_columns``).

    It pays where the weights exceed a core's cache and the input is narrow enough for several tiles
    with gradients of it of their own (V = 30,000, H = 256, 512 rows, two threads: 211 -> 168 ms a
    step).
    """
    fan_in, fan_out = Layout(config).kernel_table[len(config.hidden), :2].tolist()
    return bool(fan_in * fan_out >= _MIN_SWEPT_WEIGHTS and fan_out >= _MIN_SWEPT_RATIO * fan_in)


def column_tiles(config: ModelConfig, batch: int) -> NDArray[np.int64]:
    """Return the tiles of what is swept by columns.

    They are those of the tails of clusters, the last one's first, and of the output layer if
    ``sweeps_columns``.

    Returns
    -------
    int64[tiles, 5]
        See ``fastlm_kernels.runtime.arguments.Plan.columns``.
    """
    tiles = []
    width_before = 0
    table = Layout(config).kernel_table
    output = len(config.hidden)
    layers = list(range(len(table) - 1, output, -2))
    if sweeps_columns(config):
        layers.append(output)
    for layer in layers:
        fan_in, fan_out = table[layer, :2].tolist()
        block = _tile_width(fan_in, fan_out, batch, _BLOCK_ELEMENTS)
        blocks = -(-fan_out // block)
        count = max(1, min(_MAX_COLUMN_TILES, blocks, 2 * fan_out // fan_in))
        width = -(-blocks // count) * block
        for start in range(0, fan_out, width):
            tiles.append((layer, start, min(fan_out, start + width), block, width_before))
            width_before += fan_in
    return np.array(tiles, dtype=np.int64).reshape(len(tiles), 5)


def phase_starts(
    row_tiles: int, column_tiles: int, updates: int, table_tiles: int, table_positions: int
) -> NDArray[np.int64]:
    """Return where each phase of a step begins among its tiles, int64[9] (``Plan.phases``).

    All arguments are numbers of tiles.
    """
    again = row_tiles if column_tiles else 0
    sizes = (
        row_tiles, column_tiles, again, column_tiles, again, updates, table_tiles, table_positions,
    )  # fmt: skip
    return np.cumsum((0, *sizes), dtype=np.int64)


def _is_swept(config: ModelConfig, layer: int) -> bool:
    """Return whether a row of the layout's kernel table is swept by columns."""
    after_output = layer - len(config.hidden)
    if after_output == 0:
        return sweeps_columns(config)
    return after_output > 0 and after_output % 2 == 0


def _tile_width(fan_in: int, fan_out: int, batch: int, elements: int) -> int:
    """Return the columns of a layer that are updated together: at most ``elements`` weights."""
    width = max(_COLUMNS, elements // fan_in // _COLUMNS * _COLUMNS)
    if fan_in * fan_out * batch < 2**20:
        width = fan_out
    count = -(-fan_out // width)
    # Even widths: the last tile is not a sliver.
    return -(-fan_out // count // _COLUMNS) * _COLUMNS if count > 1 else fan_out


def step_flops(config: ModelConfig, batch: int) -> int:
    """Return the floating-point operations of a step's products: 6 per weight and example.

    Clusters of an adaptive softmax are left out, since the text decides how many examples see them;
    so is what a token table saves (``uses_token_table``).
    """
    table = Layout(config).kernel_table[: len(config.hidden) + 1]
    return 6 * batch * int((table[:, 0] * table[:, 1]).sum())


def worth_sharing(config: ModelConfig, batch: int) -> bool:
    """Return whether a second thread pays: not for steps of a few microseconds.

    A step of 1.3 MFLOP (Tiny, batch 256) takes 112 us with one thread, 54 with two.
    """
    return batch > 1 and step_flops(config, batch) >= 1_000_000


def table_ids(given: Any, tokens: Tokens, model: ModelConfig, batch: int) -> NDArray[np.int32]:
    """Return the tokens int32[D] of training's token table; none: there is no table.

    Parameters
    ----------
    given : int[T] or an object with counts
        The training tokens as they came.
    tokens : Tokens
        The same, checked.
    model : ModelConfig
        The shape of the model.
    batch : int
        Examples of a step.
    """
    if not uses_token_table(model, batch, 2) or model.vocab > _MAX_TABLE_VOCAB:
        return _NO_IDS
    known = getattr(given, "counts", None)
    used = token_counts(tokens if known is None else given, model.vocab) > 0
    used[model.boundary or 0] = True  # fills up a context
    ids = np.flatnonzero(used).astype(np.int32)
    return ids if uses_token_table(model, batch, ids.size) else _NO_IDS
