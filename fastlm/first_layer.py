"""Where a first layer comes from a table (``fastlm_kernels.first_layer``), and for which tokens."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from fastlm.config import ModelConfig
from fastlm_kernels.arguments import Network, Table, Tokens
from fastlm_kernels.first_layer import number_tokens

__all__ = ["NO_TABLE", "first_layer_tables", "table_rows"]

# A table takes at most so many bytes, so that much of it stays in a cache. With V = 30,000, C = 4,
# E = 128, H = 256 that is 8,192 words, enough for some 80,000 words of running text: numbering,
# computing and adding took 0.7 microseconds a word, the product 3.0.
_TABLE_BYTES = 32 * 2**20

# With fewer tokens than that in a table, too many would be computed again and again.
_FEWEST_ROWS = 1024

_NOTHING = np.empty(0, dtype=np.int32)

NO_TABLE = Table(np.empty(0, dtype=np.float32), _NOTHING, _NOTHING)


def table_rows(model: ModelConfig) -> int:
    """How many tokens a table of the first layer holds at most; 0: multiply.

    This depends on the model alone, so that the same text always has the same losses.
    """
    if model.combine != "concat":
        return 0  # the mean is E numbers a token, less than the layer's output
    if model.cutoffs and not model.hidden:
        return 0  # the tails read what the first layer reads
    rows = min(model.vocab, _TABLE_BYTES // (4 * _row_size(model)))
    return rows if rows >= min(model.vocab, max(_FEWEST_ROWS, model.context + 1)) else 0


def _row_size(model: ModelConfig) -> int:
    return model.context * (model.hidden[0] if model.hidden else model.vocab)


def first_layer_tables(
    model: ModelConfig, network: Network, tokens: Tokens, first: int, stop: int
) -> Iterator[tuple[Table, int, int]]:
    """Cut the positions first <= t < stop so that the tokens before each part have one table.

    Yields (table, first, stop) of each part. The table's numbers are not computed yet.
    """
    rows = table_rows(model)
    while first < stop:
        if rows == 0:
            yield NO_TABLE, first, stop
            return
        slots = np.full(model.vocab, -1, dtype=np.int32)
        # The tokens of all contexts, and the one that fills them up.
        ids = np.empty(min(rows, stop - first + model.context), dtype=np.int32)
        known, end = number_tokens(slots, ids, tokens, network, first, stop)
        shares = np.empty(known * _row_size(model), dtype=np.float32)
        yield Table(shares, slots, ids[:known]), first, end
        first = end
