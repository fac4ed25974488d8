"""What every kernel must compute: the float64 oracle, slow and obvious.

Pure NumPy in float64, and Python integers for the hashes. It imports nothing of fastlm and nothing
of its kernels, so a mistake there cannot hide here.

Letters: B batch, C context, E embedding width, H hidden width, L hidden layers, V vocabulary,
T tokens. Losses are in nats. Gradients are those of the batch's MEAN
loss, under the names of the parameters.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Float64 = NDArray[np.float64]
Int64 = NDArray[np.int64]
Tensors = dict[str, Float64]


# ---------------------------------------------------------------------------- parameters


@dataclass(frozen=True)
class NaiveConfig:
    """A feed-forward language model's shape: what fixes its tensors and its loss.

    ``hidden`` holds the widths of the L hidden layers; ``dropout`` applies to each of them,
    ``embed_dropout`` to the combined embeddings. Raises ValueError outside those ranges.
    """

    vocab: int
    context: int
    embed: int
    hidden: tuple[int, ...] = ()
    combine: str = "concat"
    bias: bool = True
    dropout: float = 0.0
    embed_dropout: float = 0.0
    far: tuple[int, ...] = ()
    cutoffs: tuple[int, ...] = ()
    tail_divisor: float = 2.0

    def __post_init__(self) -> None:
        if self.combine not in ("concat", "mean"):
            raise ValueError(f"combine is {self.combine!r}; use 'concat' or 'mean'")
        for name in ("vocab", "context", "embed"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}; use at least 1")
        if any(width < 1 for width in self.hidden):
            raise ValueError(f"hidden is {self.hidden}; use widths of at least 1")
        for name in ("dropout", "embed_dropout"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ValueError(f"{name} is {getattr(self, name)}; use 0 <= p < 1")

    @property
    def input_width(self) -> int:
        """fan_in of the first layer: C*E for concat, E for mean, and E for each pool."""
        near = self.context if self.combine == "concat" else 1
        return self.embed * (near + len(self.far))

    @property
    def span(self) -> int:
        """Tokens before the target that an example sees."""
        return self.context + sum(self.far)

    @property
    def output_width(self) -> int:
        """fan_in of the output layer."""
        return self.hidden[-1] if self.hidden else self.input_width

    def cluster(self, id: int) -> int:
        """0 for an id of the adaptive softmax's head, else the number of its cluster."""
        return sum(id >= cutoff for cutoff in self.cutoffs)

    def ids_of(self, cluster: int) -> range:
        """The ids of a cluster, or of the head (0): all of them without cut-offs."""
        edges = (0, *self.cutoffs, self.vocab)
        return range(edges[cluster], edges[cluster + 1])


def parameter_table(config: NaiveConfig) -> list[tuple[str, tuple[int, ...]]]:
    """(name, shape) of every parameter in the flat array's order; weights are (fan_in, fan_out)."""
    table: list[tuple[str, tuple[int, ...]]] = [("embeddings", (config.vocab, config.embed))]
    layers = [(f"hidden.{layer}", width) for layer, width in enumerate(config.hidden, start=1)]
    for pool, size in enumerate(config.far, start=1):
        table.append((f"far.{pool}.weight", (size, config.embed)))
    clusters = len(config.cutoffs)
    fan_in = config.input_width
    for name, fan_out in [*layers, ("output", len(config.ids_of(0)) + clusters)]:
        table.append((f"{name}.weight", (fan_in, fan_out)))
        if config.bias:
            table.append((f"{name}.bias", (fan_out,)))
        fan_in = fan_out
    for cluster in range(1, clusters + 1):
        width = max(1, int(config.output_width / config.tail_divisor**cluster))
        size = len(config.ids_of(cluster))
        table.append((f"tail.{cluster}.projection", (config.output_width, width)))
        table.append((f"tail.{cluster}.weight", (width, size)))
        if config.bias:
            table.append((f"tail.{cluster}.bias", (size,)))
    return table


def parameter_count(config: NaiveConfig) -> int:
    """Length n of the flat array."""
    return sum(int(np.prod(shape)) for _, shape in parameter_table(config))


def split(flat: NDArray[Any], config: NaiveConfig) -> dict[str, NDArray[Any]]:
    """Views of ``flat[n]`` by name, row-major, no padding; the dtype stays.

    Raises ValueError where the length is not the table's.
    """
    count = parameter_count(config)
    if flat.shape != (count,):
        raise ValueError(f"flat array has shape {flat.shape}; this model needs ({count},)")
    views: dict[str, NDArray[Any]] = {}
    start = 0
    for name, shape in parameter_table(config):
        stop = start + int(np.prod(shape))
        views[name] = flat[start:stop].reshape(shape)
        start = stop
    return views


def flatten(tensors: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
    """The flat array of ``tensors``, a copy, in the table's order whatever the mapping's order."""

    def place(name: str) -> tuple[int, int, int]:
        group, *rest = name.split(".")
        layer = int(rest[0]) if group in ("hidden", "far", "tail") else 0
        kind = ("projection", "weight", "bias").index(rest[-1]) if rest else 0
        return ("embeddings", "far", "hidden", "output", "tail").index(group), layer, kind

    return np.concatenate([tensors[name].ravel() for name in sorted(tensors, key=place)])


def random_parameters(config: NaiveConfig, seed: int) -> Tensors:
    """float64 weights randn * sqrt(2 / (fan_in + fan_out)), and biases that are not zero.

    Zero biases, a trainer's usual start, would hide a kernel that forgets to add them.
    """
    rng = np.random.default_rng(seed)
    tensors = split(np.empty(parameter_count(config)), config)
    for name, tensor in tensors.items():
        scale = 0.3 if name.endswith(".bias") else np.sqrt(2.0 / sum(tensor.shape))
        tensor[...] = scale * rng.standard_normal(tensor.shape)
    return tensors


def _require_float64(**groups: Mapping[str, NDArray[Any]]) -> None:
    for group, tensors in groups.items():
        for name, tensor in tensors.items():
            if tensor.dtype != np.float64:
                raise ValueError(f"{group}[{name!r}] is {tensor.dtype}; the oracle needs float64")


# ---------------------------------------------------------------------------- hashes

GOLDEN = 0x9E3779B97F4A7C15
GOLDEN32 = 0x9E3779B9
PURPOSE_ORDER = 1
PURPOSE_DROPOUT = 2
ODD = (
    0xD6E8FEB86659FD93,
    0xA0761D6478BD642F | 1,
    0xE7037ED1A0B428DB,
    0x8EBC6AF09C88C6E3,
)
_MASK64 = 2**64 - 1
_MASK32 = 2**32 - 1


def mix64(x: int) -> int:
    """SplitMix64's finalizer: a bijection of the 64-bit integers (Steele, Lea, Flood 2014)."""
    x ^= x >> 30
    x = (x * 0xBF58476D1CE4E5B9) & _MASK64
    x ^= x >> 27
    x = (x * 0x94D049BB133111EB) & _MASK64
    x ^= x >> 31
    return x


def absorb(h: int, w: int) -> int:
    """The 64-bit state ``h`` after the word ``w``: mix64((h ^ w) + GOLDEN)."""
    return mix64(((h ^ w) + GOLDEN) & _MASK64)


def key(seed: int, purpose: int, a: int, b: int) -> int:
    """uint64 key of four words of 64 bits; ValueError for one that is negative or too large."""
    h = 0
    for word in (seed, purpose, a, b):
        if not 0 <= word <= _MASK64:
            raise ValueError(f"key word is {word}; use 0 <= word < 2**64")
        h = absorb(h, int(word))
    return h


def order_key(seed: int, epoch: int, part: int = 0) -> int:
    """uint64 key of the order of examples in one epoch, or of the blocks (part 0) and windows."""
    return key(seed, PURPOSE_ORDER, epoch, part)


def permute(i: int, n: int, k: int) -> int:
    """Where the bijection of range(n) with key ``k`` (uint64) sends ``i``.

    Four rounds of add, odd multiply and xor-shift permute range(2**bits); values that land outside
    range(n) walk on along their cycle, which keeps the map a bijection of range(n).
    """
    if not 0 <= i < n:
        raise ValueError(f"i is {i}; use 0 <= i < {n}")
    if n == 1:
        return 0
    bits = (n - 1).bit_length()
    mask = 2**bits - 1
    shift = (bits + 1) // 2
    x = i
    while True:
        for odd in ODD:
            x = (x + (((k * odd) & _MASK64) >> 17)) & mask
            x = (x * odd) & mask
            x ^= x >> shift
        if x < n:
            return x


def lowbias32(x: int) -> int:
    """A bijection of the 32-bit integers with low bias (C. Wellons, "hash-prospector")."""
    x ^= x >> 16
    x = (x * 0x7FEB352D) & _MASK32
    x ^= x >> 15
    x = (x * 0x846CA68B) & _MASK32
    x ^= x >> 16
    return x


def dropout_mask(seed: int, step: int, layer: int, rows: int, cols: int, p: float) -> Float64:
    """Inverted dropout's factors float64[rows, cols]: 0, or 1/(1-p) where kept.

    ``layer`` is l for hidden layer l (``input_mask`` is for layer 0); ``rows`` counts the
    batch's rows from 0. ValueError unless 0 <= p < 1.
    """
    if not 0.0 <= p < 1.0:
        raise ValueError(f"p is {p}; use 0 <= p < 1")
    layer_key = key(seed, PURPOSE_DROPOUT, step, layer)
    return np.array([_mask_row(layer_key, row, cols, p) for row in range(rows)]).reshape(rows, cols)


def _mask_row(layer_key: int, row: int, cols: int, p: float) -> Float64:
    threshold = int(p * 2**32)
    row_key = absorb(layer_key, row) & _MASK32
    mask = np.zeros(cols)
    for col in range(cols):
        if lowbias32((row_key + col * GOLDEN32) & _MASK32) >= threshold:
            mask[col] = 1.0 / (1.0 - p)
    return mask


def input_mask(config: NaiveConfig, contexts: Int64, seed: int, step: int) -> Float64:
    """Dropout's factors float64[B, input width] of the combined embeddings.

    Side by side, each token's embedding has the mask of its place and id, as if it were the row
    place * V + id; the rest (the mean, the pools) has that of row C * V + its own.
    """
    rows, p = len(contexts), config.embed_dropout
    numbers = config.vocab * config.context

    def mask(row: int, cols: int) -> Float64:
        return _mask_row(key(seed, PURPOSE_DROPOUT, step, 0), row, cols, p)

    near = contexts[:, config.span - config.context :] if config.combine == "concat" else None
    factors = []
    for row in range(rows):
        parts = []
        if near is not None:
            ids = enumerate(near[row].tolist())
            parts = [mask(place * config.vocab + id, config.embed) for place, id in ids]
        parts.append(mask(numbers + row, config.input_width - config.embed * len(parts)))
        factors.append(np.concatenate(parts))
    return np.array(factors).reshape(rows, config.input_width)


# ---------------------------------------------------------------------------- examples


def windowed_order(n: int, block: int, window: int, seed: int, epoch: int) -> list[int]:
    """range(n) in the order of an epoch that is shuffled a window at a time.

    Blocks of ``block`` are put in random order; each ``window`` of them in a row is shuffled. What
    fills no block comes last, shuffled by itself.
    """
    blocks = n // block
    shuffled = [permute(k, blocks, order_key(seed, epoch)) for k in range(blocks)]
    order: list[int] = []
    for number, first in enumerate(range(0, blocks, window), start=1):
        pool = [k * block + i for k in shuffled[first : first + window] for i in range(block)]
        key_ = order_key(seed, epoch, number)
        order += [pool[permute(i, len(pool), key_)] for i in range(len(pool))]
    rest = n - blocks * block
    key_ = order_key(seed, epoch, blocks + 1)
    return order + [blocks * block + permute(i, rest, key_) for i in range(rest)]


def by_cluster(contexts: ArrayLike, targets: ArrayLike, config: NaiveConfig) -> tuple[Int64, Int64]:
    """A batch with the rows of the last cluster first and the head's at the end, else in order.

    Dropout counts rows so.
    """
    ids = np.asarray(targets, dtype=np.int64)
    order = sorted(range(len(ids)), key=lambda row: -config.cluster(int(ids[row])))
    return np.asarray(contexts, dtype=np.int64)[order], ids[order]


def context_before(tokens: ArrayLike, position: int, context: int, boundary: int) -> list[int]:
    """The C ids before ``position`` (0..T), oldest first, blind to all before a boundary token.

    From the first boundary token met on the way back, or the start of the array, everything reads
    as ``boundary``. With ``boundary`` = -1 no token is special and the start reads as id 0.
    """
    ids = np.asarray(tokens).tolist()
    if not 0 <= position <= len(ids):
        raise ValueError(f"position is {position}; use 0 <= position <= {len(ids)}")
    beyond = 0 if boundary == -1 else boundary
    newest_first: list[int] = []
    blocked = False
    for back in range(1, context + 1):
        index = position - back
        if index < 0 or ids[index] == boundary:
            blocked = True
        newest_first.append(beyond if blocked else ids[index])
    return newest_first[::-1]


def contexts_and_targets(
    tokens: ArrayLike, positions: ArrayLike, context: int, boundary: int
) -> tuple[Int64, Int64]:
    """Contexts int64[B, C], oldest token first, and targets int64[B]; ``positions`` in 0..T-1."""
    ids = np.asarray(tokens, dtype=np.int64)
    where = np.asarray(positions, dtype=np.int64)
    if where.size and not 0 <= where.min() <= where.max() < len(ids):
        raise ValueError(f"positions {where.min()}..{where.max()}; use 0..{len(ids) - 1}")
    contexts = np.empty((len(where), context), dtype=np.int64)
    for row, position in enumerate(where.tolist()):
        contexts[row] = context_before(ids, position, context, boundary)
    return contexts, ids[where]


def first_target(context: int, boundary: int) -> int:
    """The first position trained on: 0 where a boundary can stand for what is missing, else C."""
    return context if boundary == -1 else 0


def batch_positions(
    seed: int, step: int, batch: int, token_count: int, context: int, boundary: int, shuffle: bool
) -> Int64:
    """int64[B]: target positions of batch ``step``; a batch may run across an epoch's end.

    ``token_count`` is T. ValueError where T leaves nothing to predict.
    """
    first = first_target(context, boundary)
    n = token_count - first
    if n < 1:
        raise ValueError(f"{token_count} tokens with context {context}; use at least {first + 1}")
    positions = np.empty(batch, dtype=np.int64)
    for row in range(batch):
        epoch, i = divmod(step * batch + row, n)
        positions[row] = first + (permute(i, n, order_key(seed, epoch)) if shuffle else i)
    return positions


# ---------------------------------------------------------------------------- the model


@dataclass(frozen=True)
class Activations:
    """All that a forward pass computed.

    ``outputs[0]``: float64[B, input width] combined embeddings; ``outputs[l]``: float64[B, H_l],
    both after dropout. ``masks`` are dropout's factors, of the same shapes.
    ``pre_activations[l-1]``: float64[B, H_l] before ReLU. ``logits``: float64[B, V], or with an
    adaptive softmax the log-probabilities.
    """

    outputs: list[Float64]
    masks: list[Float64]
    pre_activations: list[Float64]
    logits: Float64


def _affine(x: Float64, params: Mapping[str, Float64], name: str, bias: bool) -> Float64:
    product = x @ params[f"{name}.weight"]
    return product + params[f"{name}.bias"] if bias else product


def pool_places(config: NaiveConfig) -> list[slice]:
    """The places of each pool in a context, which is oldest first: pool 1 lies next to the near."""
    stop = config.span - config.context
    places = []
    for size in config.far:
        places.append(slice(stop - size, stop))
        stop -= size
    return places


def forward(
    params: Mapping[str, Float64],
    config: NaiveConfig,
    contexts: ArrayLike,
    seed: int = 0,
    step: int = 0,
    training: bool = False,
) -> Activations:
    """Activations for ``contexts`` int[B, C]; dropout, of (seed, step), only in training."""
    _require_float64(params=params)
    ids = np.asarray(contexts, dtype=np.int64)
    if ids.ndim != 2 or ids.shape[1] != config.span:
        raise ValueError(f"contexts have shape {ids.shape}; use (B, {config.span})")
    if ids.size and not 0 <= ids.min() <= ids.max() < config.vocab:
        raise ValueError(f"contexts hold {ids.min()}..{ids.max()}; use 0..{config.vocab - 1}")
    rows = len(ids)

    def factors(layer: int, cols: int, p: float) -> Float64:
        if not training:
            return np.ones((rows, cols))
        return dropout_mask(seed, step, layer, rows, cols, p)

    embedded = params["embeddings"][ids]
    near = embedded[:, config.span - config.context :]
    if config.combine == "concat":
        x = near.reshape(rows, config.context * config.embed)
    else:
        x = near.mean(axis=1)
    for pool, places in enumerate(pool_places(config), start=1):
        weighted = embedded[:, places] * params[f"far.{pool}.weight"]
        x = np.concatenate([x, weighted.sum(axis=1)], axis=1)
    masks = [input_mask(config, ids, seed, step) if training else np.ones(x.shape)]
    outputs = [x * masks[0]]
    pre_activations = []
    for layer, width in enumerate(config.hidden, start=1):
        z = _affine(outputs[-1], params, f"hidden.{layer}", config.bias)
        pre_activations.append(z)
        masks.append(factors(layer, width, config.dropout))
        outputs.append(np.maximum(z, 0.0) * masks[-1])
    logits = _affine(outputs[-1], params, "output", config.bias)
    if config.cutoffs:
        head = log_softmax(logits)
        ids_of_head = len(config.ids_of(0))
        parts = [head[:, :ids_of_head]]
        for cluster in range(1, len(config.cutoffs) + 1):
            projected = outputs[-1] @ params[f"tail.{cluster}.projection"]
            within = log_softmax(_affine(projected, params, f"tail.{cluster}", config.bias))
            parts.append(head[:, ids_of_head + cluster - 1, None] + within)
        logits = np.concatenate(parts, axis=1)
    return Activations(outputs, masks, pre_activations, logits)


def log_softmax(logits: Float64) -> Float64:
    """Natural logarithm of softmax, float64[B, V] -> float64[B, V]."""
    shifted: Float64 = logits - logits.max(axis=1, keepdims=True)
    logs: Float64 = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    return logs


def cross_entropy(logits: Float64, targets: ArrayLike) -> Float64:
    """-log softmax(logits)[target] in nats, float64[B]."""
    ids = np.asarray(targets, dtype=np.int64)
    if ids.shape != (len(logits),):
        raise ValueError(f"targets have shape {ids.shape}; use ({len(logits)},)")
    if ids.size and not 0 <= ids.min() <= ids.max() < logits.shape[1]:
        raise ValueError(f"targets hold {ids.min()}..{ids.max()}; use 0..{logits.shape[1] - 1}")
    losses: Float64 = -log_softmax(logits)[np.arange(len(ids)), ids]
    return losses


def loss_and_gradients(
    params: Mapping[str, Float64],
    config: NaiveConfig,
    contexts: ArrayLike,
    targets: ArrayLike,
    seed: int = 0,
    step: int = 0,
    training: bool = True,
) -> tuple[Float64, Tensors]:
    """(losses float64[B] in nats, gradients of their MEAN by name, in the table's order).

    ReLU's derivative at 0 is 0. Raises ValueError for tensors that are not float64 and for ids
    outside the vocabulary.
    """
    pass_ = forward(params, config, contexts, seed, step, training)
    losses = cross_entropy(pass_.logits, targets)
    contexts = np.asarray(contexts, dtype=np.int64)
    targets = np.asarray(targets, dtype=np.int64)
    rows = len(contexts)
    grads: Tensors = {}

    def through_affine(delta: Float64, x: Float64, name: str) -> Float64:
        grads[f"{name}.weight"] = x.T @ delta
        if config.bias:
            grads[f"{name}.bias"] = delta.sum(axis=0)
        return delta @ params[f"{name}.weight"].T

    h = pass_.outputs[-1]
    clusters = np.array([config.cluster(id) for id in targets.tolist()])
    ids_of_head = len(config.ids_of(0))
    head_targets = np.where(clusters == 0, targets, ids_of_head + clusters - 1)
    delta = np.exp(log_softmax(_affine(h, params, "output", config.bias)))
    delta[np.arange(rows), head_targets] -= 1.0
    delta /= rows
    d_output = through_affine(delta, h, "output")
    for cluster in range(1, len(config.cutoffs) + 1):
        inside = np.flatnonzero(clusters == cluster)
        projection = params[f"tail.{cluster}.projection"]
        projected = h[inside] @ projection
        delta = np.exp(log_softmax(_affine(projected, params, f"tail.{cluster}", config.bias)))
        delta[np.arange(len(inside)), targets[inside] - config.ids_of(cluster).start] -= 1.0
        delta /= rows
        d_projected = through_affine(delta, projected, f"tail.{cluster}")
        grads[f"tail.{cluster}.projection"] = h[inside].T @ d_projected
        d_output[inside] += d_projected @ projection.T
    for layer in range(len(config.hidden), 0, -1):
        active = pass_.pre_activations[layer - 1] > 0.0
        delta = d_output * pass_.masks[layer] * active
        d_output = through_affine(delta, pass_.outputs[layer - 1], f"hidden.{layer}")
    d_x = d_output * pass_.masks[0]

    d_embeddings = np.zeros((config.vocab, config.embed))
    before = config.span - config.context
    for row in range(rows):
        for column in range(config.context):
            if config.combine == "concat":
                d_vector = d_x[row, column * config.embed : (column + 1) * config.embed]
            else:
                d_vector = d_x[row, : config.embed] / config.context
            d_embeddings[contexts[row, before + column]] += d_vector
    for pool, places in enumerate(pool_places(config), start=1):
        weight = params[f"far.{pool}.weight"]
        start = config.input_width - (len(config.far) - pool + 1) * config.embed
        d_pool = d_x[:, start : start + config.embed]
        ids = contexts[:, places]
        embedded = params["embeddings"][ids]
        grads[f"far.{pool}.weight"] = (embedded * d_pool[:, None, :]).sum(axis=0)
        np.add.at(d_embeddings, ids, weight * d_pool[:, None, :])
    grads["embeddings"] = d_embeddings
    return losses, {name: grads[name] for name, _ in parameter_table(config)}


# ---------------------------------------------------------------------------- training


def momentum_step(
    params: Mapping[str, Float64],
    momentum: Mapping[str, Float64],
    grads: Mapping[str, Float64],
    lr: float,
    beta: float,
    embedding_lr_scale: float = 1.0,
) -> None:
    """m <- beta*m + (1-beta)*g, then w <- w - lr*m, in place, for every element of every tensor.

    The embedding table's rate is ``lr * embedding_lr_scale``, and all of its rows move, those that
    did not occur in the batch too.
    """
    _require_float64(params=params, momentum=momentum, grads=grads)
    for name, w in params.items():
        m = momentum[name]
        m[...] = beta * m + (1.0 - beta) * grads[name]
        w -= lr * (embedding_lr_scale if name == "embeddings" else 1.0) * m


def train(
    params: Mapping[str, Float64],
    config: NaiveConfig,
    tokens: ArrayLike,
    steps: int,
    batch: int,
    lr: float | Sequence[float] | Float64,
    beta: float,
    seed: int = 0,
    boundary: int = -1,
    shuffle: bool = True,
    *,
    momentum: Mapping[str, Float64] | None = None,
    first_step: int = 0,
    embedding_lr_scale: float = 1.0,
    weight_decay: float = 0.0,
    decay_every: int = 256,
) -> Float64:
    """Mean loss of each step, float64[steps] in nats, before its update; ``params`` move in place.

    ``lr``: one rate, or float[steps], one for each step of this call. ``momentum``, zero where
    None, moves in place too: with it and ``first_step`` a second call carries on from the first.
    Weight decay is that of ``decay_every`` steps at a time.
    """
    rates = np.asarray(lr, dtype=np.float64)
    if rates.ndim and rates.shape != (steps,):
        raise ValueError(f"lr has shape {rates.shape}; use a number or ({steps},)")
    rates = np.broadcast_to(rates, steps)
    if momentum is None:
        momentum = {name: np.zeros_like(w) for name, w in params.items()}
    token_count = len(np.asarray(tokens))
    span = config.span
    mean_losses = np.empty(steps)
    for done in range(steps):
        step = first_step + done
        positions = batch_positions(seed, step, batch, token_count, span, boundary, shuffle)
        contexts, targets = contexts_and_targets(tokens, positions, span, boundary)
        contexts, targets = by_cluster(contexts, targets, config)
        losses, grads = loss_and_gradients(params, config, contexts, targets, seed, step)
        mean_losses[done] = losses.mean()
        momentum_step(params, momentum, grads, float(rates[done]), beta, embedding_lr_scale)
        if weight_decay and (step + 1) % decay_every == 0:
            total = weight_decay * rates[done + 1 - decay_every : done + 1].sum()
            for name, w in params.items():
                if name == "embeddings":
                    w *= np.exp(-total * embedding_lr_scale)
                elif not name.endswith("bias") and not name.startswith("far"):
                    w *= np.exp(-total)
    return mean_losses


# ---------------------------------------------------------------------------- evaluation


def nll_of_positions(
    params: Mapping[str, Float64],
    config: NaiveConfig,
    tokens: ArrayLike,
    positions: ArrayLike,
    boundary: int = -1,
) -> Float64:
    """Negative log-likelihood in nats of the token at each position, float64[len(positions)]."""
    contexts, targets = contexts_and_targets(tokens, positions, config.span, boundary)
    return cross_entropy(forward(params, config, contexts).logits, targets)


def perplexity(
    params: Mapping[str, Float64], config: NaiveConfig, tokens: ArrayLike, boundary: int = -1
) -> float:
    """exp of the mean negative log-likelihood of all positions from the first target on."""
    token_count = len(np.asarray(tokens))
    first = first_target(config.span, boundary)
    if token_count <= first:
        raise ValueError(f"{token_count} tokens; use at least {first + 1}")
    positions = np.arange(first, token_count)
    return float(np.exp(nll_of_positions(params, config, tokens, positions, boundary).mean()))


# ---------------------------------------------------------------------------- sampling


def drawn_token(probabilities, uniform):
    """Draw by inversion: the first id whose cumulative probability is above ``uniform``.

    probabilities : float64[V], sum 1
    uniform : 0 <= uniform < 1
    """
    cumulative = np.cumsum(probabilities)
    # A probability of zero adds nothing, so that side="right" steps over it.
    return int(np.searchsorted(cumulative, uniform * cumulative[-1], side="right"))
