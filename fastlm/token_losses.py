"""The losses of consecutive tokens, as fast as the model's shape allows."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple
from weakref import WeakKeyDictionary

import numpy as np
from numpy.typing import NDArray

from fastlm.config import ModelConfig
from fastlm.engine import network_of, position_losses
from fastlm_kernels.arguments import WEIGHT, Tokens
from fastlm_kernels.first_layer import fill_table
from fastlm_kernels.gemm import new_workspace

if TYPE_CHECKING:
    from fastlm.model import LanguageModel

__all__ = ["reach", "table_size", "token_losses"]

# The table may take so many bytes, so that most of what is read of it stays in the cache. With
# V = 105, C = 16, H = 256 (2 MB) the first layer and what follows took 0.5 microseconds a token
# with the table, and 0.6, 0.9, 2.1 without for E = 4, 8, 24; with 60 MB there was no gain.
_TABLE_BYTES = 16 * 2**20


def reach(config: ModelConfig) -> int:
    """How many tokens before a target the model sees."""
    return config.span


def table_size(config: ModelConfig) -> int:
    """Numbers in the table of the first layer (``fastlm_kernels.first_layer``); 0: multiply.

    This depends on the model alone, so that the same text always has the same score.
    """
    if config.combine != "concat":
        return 0  # the mean is E numbers a token, less than the layer's output
    if config.cutoffs and not config.hidden:
        return 0  # the tails read what the first layer reads
    width = config.hidden[0] if config.hidden else config.vocab
    size = config.context * config.vocab * width
    return size if 4 * size <= _TABLE_BYTES else 0


class _Prepared(NamedTuple):
    """The table of a model's first layer, and a copy of the parameters it was made from."""

    source: NDArray[np.float32]
    table: NDArray[np.float32]


_prepared: WeakKeyDictionary[LanguageModel, _Prepared] = WeakKeyDictionary()


def prepared(lm: LanguageModel) -> _Prepared:
    """The table of a model's first layer, kept as long as the model.

    Parameters may be changed in place at any time, so they are compared with what they were: a
    tenth of a millisecond for 400,000 of them.
    """
    size = table_size(lm.config)
    # Embeddings and first layer: the tensors up to the second layer's weight.
    layers = lm.layout.kernel_table
    stop = int(layers[1, WEIGHT]) if len(layers) > 1 else lm.layout.size
    source = lm.params[: stop if size else 0]
    known = _prepared.get(lm)
    # Compared as bits: NaN equals itself, and it is faster.
    if known is None or (known.source.view(np.int32) != source.view(np.int32)).any():
        table = np.empty(size, dtype=np.float32)
        if size:
            source = source.copy()
            fill_table(table, new_workspace(), source, network_of(lm.config))
        known = _prepared[lm] = _Prepared(source, table)
    return known


def token_losses(
    lm: LanguageModel, tokens: Tokens, first: int, threads: int
) -> NDArray[np.float64]:
    """-log p(token | its context) in nats of the tokens from ``first`` on, float64[T - first].

    The same bits for any number of threads, and wherever in the array a token and its context lie.
    """
    stop = tokens.ids.size // tokens.width
    return position_losses(lm.params, lm.config, tokens, first, stop, threads, prepared(lm).table)
