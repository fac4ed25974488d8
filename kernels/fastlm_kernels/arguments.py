"""What kernels are handed: named tuples of arrays and integers, made once by the caller.

All integers are int64, all arrays C-contiguous, so that every kernel has exactly one signature.
"""

from typing import NamedTuple

import numpy as np

# Columns of Network.layers.
FAN_IN, FAN_OUT, WEIGHT, BIAS, WIDTH_BEFORE = range(5)

# Columns of Plan.updates. LAYER is the layer whose weight columns START to STOP the tile updates;
# EMBEDDING there means the embedding rows whose id leaves START when divided by STOP.
LAYER, START, STOP = range(3)
EMBEDDING = -1


class Network(NamedTuple):
    """What the model is.

    layers : int64[L, 5], a row per affine layer: fan-in K, fan-out N, offset of the weight [K, N]
        in the flat parameters, offset of the bias [N] or -1, and the sum of the fan-ins of the
        layers before (so that B times it is the offset of the layer's input in the scratch).
    The embeddings [V, E] start the flat parameters.
    """

    vocab: int
    context: int
    embed: int
    mean: int  # 1: the input is the mean of the C embeddings; 0: their concatenation
    boundary: int  # id of the token that ends a document, or -1
    layers: np.ndarray


class Tokens(NamedTuple):
    """A token array: uint16[width * T], width 1 (16-bit ids) or 2 (32-bit ids, low half first)."""

    ids: np.ndarray
    width: int


class Plan(NamedTuple):
    """How a training step is cut into tiles and what it does; the thread count is not in it.

    updates : int64[tiles, 3], see LAYER, START, STOP
    """

    batch: int
    row_tile: int
    row_tiles: int
    updates: np.ndarray
    first_target: int
    examples: int
    shuffle: int
    seed: int
    dropout: float
    embed_dropout: float
    beta: float
    embed_scale: float  # the embeddings' learning rate is this many times the others'


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

    contexts : int32[2, B * C], targets : int32[2, B]: of the even steps and of the odd ones
    inputs, d_inputs : float32[B * sum of fan-ins], the input of every layer and its gradient
    logits : float32[B * V], turned in place into the gradient d_logits
    tile_losses : float64[row tiles], sums of nats
    """

    contexts: np.ndarray
    targets: np.ndarray
    inputs: np.ndarray
    d_inputs: np.ndarray
    logits: np.ndarray
    tile_losses: np.ndarray
