"""How a training step is cut into tiles: from the shapes alone, never from the thread count.

That is what makes the result the same bits for any number of threads.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastlm.config import ModelConfig
from fastlm.model.layout import Layout
from fastlm_kernels.runtime.arguments import EMBEDDING, FAR, PLACE_OF_TABLE, SORT

__all__ = [
    "by_columns",
    "by_table",
    "column_tiles",
    "logit_columns",
    "phases",
    "row_tile",
    "step_flops",
    "transposed_from",
    "update_tiles",
    "vector_tiles",
    "worth_sharing",
]

# A tile of W and its momentum should stay in a core's cache between the product and the update.
_UPDATE_TILE_ELEMENTS = 64 * 1024


# Logits stay in the cache from the product to their exponentials, and from these to the gradient.
# V = 33,278, 128 rows, one core: the output's part of a step 355 ms whole, 310 in blocks of 1 MB,
# 300 of 2 MB. V = 10,000, 64 rows: 16 ms whole, 13.7 in 0.5 MB, 12.8 in 2 MB.
_LOGIT_ELEMENTS = 512 * 1024


_LEAST_LOGITS = 1024


# What is swept by columns (``fastlm_kernels.layers.output_columns``): an output of so many weights
# (1 MB) that is so many times as wide as its input, in so many tiles at most. Each has a gradient
# of the input of its own; together they are at most twice the logits.
_WIDE_OUTPUT = 2**18


_COLUMNS_PER_INPUT = 4


_COLUMN_TILES = 16


# Weights of a block of these columns. Where few inputs are not zero they are listed for each block
# anew: V = 33,278, H = 400, 1,024 rows as trained, one thread 804 ms a step with 64 K, 680 with 128
# K, 652 with 256 K; from the first weights 880, 896 and 968.
_BLOCK_ELEMENTS = 128 * 1024


# What transposing a layer's input takes (0.7 ns an element) it saves from some 300 columns on: the
# gradient reads it along its rows then, 512 x 512 x 1,024 at 0.90 of the rate within registers in
# place of 0.65. One core: V = 10,000, 256 rows 36.8 -> 34.9 ms a step, H = 512, 512, 1,024 rows 306
# -> 272, V = 33,278 710 -> 664; Mini 2.54 -> 2.58 where all its layers are transposed.
_TRANSPOSED_FROM = 512


_MOST_SHARES = 2**26  # numbers: 256 MB


_LARGE = 2**17  # numbers: what is scattered or gathered by several tiles


_COLUMNS = 64  # tiles are multiples of this wide: whole cache lines, whole BLAS micro-tiles


def transposed_from() -> int:
    """The columns of a layer from which on its gradient takes its input transposed."""
    return _TRANSPOSED_FROM


def row_tile(batch: int) -> int:
    """Rows per tile of the row sweep: four tiles a batch, 16 to 128 rows each.

    The product is near its best speed from 16 rows on, and more than 128 gain nothing.
    """
    return min(batch, max(16, min(128, -(-batch // 4))))


def logit_columns(tile: int) -> int:
    """Logits of a row that are worked on together: with those of a tile's other rows 2 MB."""
    return max(_LEAST_LOGITS, _LOGIT_ELEMENTS // tile // _COLUMNS * _COLUMNS)


def by_table(config: ModelConfig, batch: int, tokens: int) -> bool:
    """Whether training computes the first layer as a sum of shares
    (``fastlm_kernels.layers.token_table``).

    tokens : how many different ones the training text has
    Their products must be at most half as many as the batch's, and their shares no memory that
    anybody would miss.
    """
    if config.combine != "concat" or not config.hidden or config.far:
        return False
    return batch >= 2 * tokens and config.context * tokens * config.hidden[0] <= _MOST_SHARES


def update_tiles(config: ModelConfig, batch: int, tokens: int = 0) -> NDArray[np.int64]:
    """The tiles of the update phase, largest work first so that threads end together.

    tokens : of the table, if the first layer is a sum of shares; its tiles then are the places of
        the context, and the embeddings have a phase of their own (``vector_tiles``)
    Returns int64[tiles, 3] as ``fastlm_kernels.runtime.arguments.Plan.updates`` wants it.
    """
    tiles: list[tuple[float, tuple[int, int, int]]] = []
    for layer, (fan_in, fan_out, *_) in enumerate(Layout(config).kernel_table.tolist()):
        if _is_swept(config, layer) or (layer == 0 and tokens):
            continue
        width = _tile_width(fan_in, fan_out, batch, _UPDATE_TILE_ELEMENTS)
        for start in range(0, fan_out, width):
            stop = min(fan_out, start + width)
            tiles.append((fan_in * (stop - start) * batch, (layer, start, stop)))
    # About ten operations a number: additions scattered over rows run far below the GEMM's speed.
    if tokens:
        work = (2 * tokens * config.embed + 10 * batch) * config.hidden[0]
        tiles += [(work, (PLACE_OF_TABLE, place, 0)) for place in range(config.context)]
    else:
        numbers = batch * config.span * config.embed
        buckets = 1 if numbers < _LARGE else 4  # every bucket looks through all ids
        tiles += [(10 * numbers / buckets, (EMBEDDING, rest, buckets)) for rest in range(buckets)]
    if config.far:
        tiles.append((10 * sum(config.far) * config.embed, (FAR, 0, 0)))
    if config.cutoffs:
        tiles.append((10 * batch * config.span, (SORT, 0, 0)))
    tiles.sort(key=lambda tile: -tile[0])
    return np.array([tile for _, tile in tiles], dtype=np.int64)


def vector_tiles(config: ModelConfig, tokens: int) -> int:
    """In how many tiles the embeddings of a table of ``tokens`` are updated; 0: there is none."""
    if not tokens:
        return 0
    return 1 if tokens * config.context * config.embed < _LARGE else min(4, tokens)


def by_columns(config: ModelConfig) -> bool:
    """Whether training sweeps the output layer by columns
    (``fastlm_kernels.layers.output_columns``).

    Where its weights are more than a core's cache holds beside what else is worked on, and its
    input is narrow enough for several tiles to have gradients of it of their own. (V = 30,000,
    H = 256, 512 rows, two threads: 168 ms a step in place of 211; the head of 1,874 words of an
    adaptive softmax, the whole step: 22 in place of 26.)
    """
    fan_in, fan_out = Layout(config).kernel_table[len(config.hidden), :2].tolist()
    return bool(fan_in * fan_out >= _WIDE_OUTPUT and fan_out >= _COLUMNS_PER_INPUT * fan_in)


def column_tiles(config: ModelConfig, batch: int) -> NDArray[np.int64]:
    """The tiles of what is swept by columns: the tails of clusters, the last one's first, and the
    output layer if it is large.

    Returns int64[tiles, 5] as ``fastlm_kernels.runtime.arguments.Plan.columns`` wants it.
    """
    tiles = []
    place = 0
    table = Layout(config).kernel_table
    output = len(config.hidden)
    layers = list(range(len(table) - 1, output, -2))
    if by_columns(config):
        layers.append(output)
    for layer in layers:
        fan_in, fan_out = table[layer, :2].tolist()
        block = _tile_width(fan_in, fan_out, batch, _BLOCK_ELEMENTS)
        blocks = -(-fan_out // block)
        count = max(1, min(_COLUMN_TILES, blocks, 2 * fan_out // fan_in))
        width = -(-blocks // count) * block
        for start in range(0, fan_out, width):
            tiles.append((layer, start, min(fan_out, start + width), block, place))
            place += fan_in
    return np.array(tiles, dtype=np.int64).reshape(len(tiles), 5)


def phases(
    row_tiles: int, column_tiles: int, updates: int, vectors: int, shares: int
) -> NDArray[np.int64]:
    """Where each phase of a step begins among its tiles:
    ``fastlm_kernels.runtime.arguments.Plan.phases``.

    All arguments are numbers of tiles.
    """
    again = row_tiles if column_tiles else 0
    sizes = (row_tiles, column_tiles, again, column_tiles, again, updates, vectors, shares)
    return np.cumsum((0, *sizes), dtype=np.int64)


def _is_swept(config: ModelConfig, layer: int) -> bool:
    """Whether a row of the layout's kernel table is swept by columns."""
    behind = layer - len(config.hidden)
    return by_columns(config) if behind == 0 else behind > 0 and behind % 2 == 0


def _tile_width(fan_in: int, fan_out: int, batch: int, elements: int) -> int:
    """The columns of a layer that are updated together, ``elements`` weights or fewer."""
    width = max(_COLUMNS, elements // fan_in // _COLUMNS * _COLUMNS)
    if fan_in * fan_out * batch < 2**20:
        width = fan_out
    count = -(-fan_out // width)
    # Even widths: the last tile is not a sliver.
    return -(-fan_out // count // _COLUMNS) * _COLUMNS if count > 1 else fan_out


def step_flops(config: ModelConfig, batch: int) -> int:
    """Floating-point operations in the matrix products of a step: 6 per weight and example.

    Clusters of an adaptive softmax are left out: how many examples see them depends on the text.
    So is what few different tokens save (``by_table``).
    """
    table = Layout(config).kernel_table[: len(config.hidden) + 1]
    return 6 * batch * int((table[:, 0] * table[:, 1]).sum())


def worth_sharing(config: ModelConfig, batch: int) -> bool:
    """Whether a second thread pays: not for steps of a few microseconds.

    A step of 1.3 MFLOP (Tiny, batch 256) takes 112 us with one thread and 54 with two.
    """
    return batch > 1 and step_flops(config, batch) >= 1_000_000
