"""States: what a model still knows of the text so far, and steps from one to the next."""

from __future__ import annotations

import math
import sys
import threading
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastlm.checks import shown, whole_number
from fastlm.engine.count_queries import context_bucket, context_distribution
from fastlm.engine.generation import context_logits, finite_logits, start_context
from fastlm.engine.stepping import CountStep, NetworkStep
from fastlm.errors import ConfigError, TokenizerError
from fastlm.inference.text_model import TextModel

__all__ = ["State", "Stepper"]

# Bytes of distributions that are kept: of 100 characters 40,000 states, of 30,000 words 130.
_KEPT_BYTES = 1 << 25
# Logits computed at a time, 16 MB.
_MOST_LOGITS = 1 << 22
# Classes of contexts that are kept.
_MOST_BUCKETS = 1 << 16


class State(NamedTuple):
    """What a model knows of the text so far: two texts with equal states have equal futures.

    It can be hashed, compared and pickled, and belongs to the model that made it.

    Attributes
    ----------
    context : bytes
        The ids that the networks see, oldest first, 2 or 4 bytes each; none of counts alone.
    level, node : int
        The longest context that the counts know: its place in their trie; (-1, 0) for none.
    """

    context: bytes = b""
    level: int = -1
    node: int = 0


class Stepper:
    """Steps of one model, which must not change meanwhile.

    The distributions after the last states are kept: a token from a state that was asked before
    is a lookup. Several threads may use one object; they take turns.

    Parameters
    ----------
    model : TextModel
    """

    def __init__(self, model: TextModel) -> None:
        self.model = model
        tokenizer = model.tokenizer
        self._vocab = tokenizer.vocab_size
        self._dtype = tokenizer.dtype
        self._width = self._dtype.itemsize
        self._span = max((network.span for network in model.networks), default=0)
        self._size = self._span * self._width
        self._end = tokenizer.boundary_id
        self._ends = self._bytes([tokenizer.boundary_id or 0] * self._span)
        self._networks = [NetworkStep(each.params, each.config) for each in model.networks]
        self._counts = None if model.counts is None else CountStep(model.counts.tables)
        # N-grams of the highest order are no contexts.
        self._nodes = [] if model.counts is None else list(model.counts.model.counts[:-1])
        self._rows: dict[bytes, list[NDArray[np.float64]]] = {}
        self._most_rows = max(1, _KEPT_BYTES // (8 * self._vocab * max(1, len(self._networks))))
        self._weights: dict[tuple[int, int], list[float]] = {}
        self._lock = threading.Lock()

    def _bytes(self, ids: Sequence[int]) -> bytes:
        return np.array(ids, dtype=self._dtype).tobytes()

    def start(self, ids: Sequence[int] = ()) -> State:
        """Return the state after ``ids``, which begin a document."""
        context = b""
        if self.model.networks:
            longest = max((each.config for each in self.model.networks), key=lambda one: one.span)
            context = self._bytes(start_context(longest, ids).tolist())
        if self.model.counts is None:
            return State(context)
        level, node = self.model.counts.state(list(ids)).tolist()
        return State(context, level, node)

    def step(self, state: State, token: int | str) -> tuple[float, State]:
        """Return ln p(token | state) in nats, and the state after the token.

        Raises
        ------
        TokenizerError
            For what is no token of the vocabulary.
        ConfigError
            For a state of another model.
        """
        id = token if type(token) is int else self._id(token)
        if not 0 <= id < self._vocab:
            raise TokenizerError(f"token id {id} is outside 0 .. {self._vocab - 1}; use another id")
        context, level, node = self._checked(state)
        with self._lock:
            rows = self._rows_of(context) if self._networks else []
            log_probs = [row.item(id) for row in rows]
            weights = None if self.model.weights is None else self._weights_of(level, node)
            if self._counts is not None:
                counted, level, node = self._counts.step(level, node, id)
                log_probs.append(counted)
        log_prob = log_probs[0] if weights is None else _log_mean(log_probs, weights)
        return log_prob, State(self._moved(context, id), level, node)

    def after(self, state: State, id: int) -> State:
        """Return the state after a token of the vocabulary, whatever its probability."""
        context, level, node = self._checked(state)
        if self._counts is not None:
            with self._lock:
                _, level, node = self._counts.step(level, node, id)
        return State(self._moved(context, id), level, node)

    def _moved(self, context: bytes, id: int) -> bytes:
        if not self._span or id == self._end:
            return self._ends
        return context[self._width :] + id.to_bytes(self._width, sys.byteorder)

    def log_probs(self, state: State) -> NDArray[np.float64]:
        """Return ln p of all tokens after a state, float64[V]; -inf for what cannot come."""
        if self.model.weights is None and self._counts is None:
            context, _, _ = self._checked(state)
            with self._lock:
                return self._rows_of(context)[0].copy()
        with np.errstate(divide="ignore"):
            found: NDArray[np.float64] = np.log(self.distributions([state])[0])
        return found

    def distributions(self, states: Sequence[State]) -> NDArray[np.float64]:
        """Return the probabilities float64[B, V] of the token after each of B states."""
        checked = [self._checked(state) for state in states]
        model = self.model
        if not checked:
            return np.empty((0, self._vocab))
        parts = np.empty((len(model.members), len(checked), self._vocab))
        if self._span:
            data = b"".join(context for context, _, _ in checked)
            contexts = np.frombuffer(data, dtype=self._dtype).reshape(-1, self._span)
        for number, network in enumerate(model.networks):
            seen = np.ascontiguousarray(contexts[:, self._span - network.span :], dtype=np.int32)
            rows = max(1, _MOST_LOGITS // self._vocab)
            for start in range(0, len(checked), rows):
                logits = context_logits(network.params, network.config, seen[start : start + rows])
                parts[number, start : start + rows] = _softmax(finite_logits(logits))
        if model.counts is not None:
            for row, (_, level, node) in enumerate(checked):
                walked = np.array([level, node], dtype=np.int64)
                parts[-1, row] = context_distribution(model.counts.tables, walked)
        if model.weights is None:
            alone: NDArray[np.float64] = parts[0]
            return alone
        weights = np.array([self._weights_of(level, node) for _, level, node in checked])
        mixed: NDArray[np.float64] = np.einsum("bm,mbv->bv", weights, parts)
        mixed /= mixed.sum(axis=1, keepdims=True)
        return mixed

    def logits(self, states: Sequence[State]) -> NDArray[np.float32]:
        """Return the logits of a network, or ln p of other models, float32[B, V]."""
        if self.model.weights is None and self._counts is None:
            (network,) = self.model.networks
            data = b"".join(self._checked(state)[0] for state in states)
            seen = np.frombuffer(data, dtype=self._dtype).reshape(-1, self._span)
            logits = context_logits(network.params, network.config, seen.astype(np.int32))
            return finite_logits(logits)
        with np.errstate(divide="ignore"):
            logs: NDArray[np.float32] = np.log(self.distributions(states)).astype(np.float32)
        return logs

    def _rows_of(self, context: bytes) -> list[NDArray[np.float64]]:
        """Return ln p of each network after a context; the lock is held."""
        rows = self._rows.get(context)
        if rows is None:
            seen = np.frombuffer(context, dtype=self._dtype)
            rows = []
            for network in self._networks:
                network.context[:] = seen[self._span - network.context.size :]
                rows.append(network.log_probs())
            while len(self._rows) >= self._most_rows:
                del self._rows[next(iter(self._rows))]
            self._rows[context] = rows
        return rows

    def _weights_of(self, level: int, node: int) -> list[float]:
        found = self._weights.get((level, node))
        if found is None:
            counts, weights = self.model.counts, self.model.weights
            assert weights is not None
            bucket = 0
            if counts is not None:
                bucket = context_bucket(counts.tables, np.array([level, node], dtype=np.int64))
            if len(self._weights) >= _MOST_BUCKETS:
                self._weights.clear()
            found = self._weights[level, node] = weights[bucket].tolist()
        return found

    def _checked(self, state: Any) -> tuple[bytes, int, int]:
        try:
            context, level, node = state
            if len(context) == self._size and (
                (level, node) == (-1, 0)
                or (0 <= level < len(self._nodes) and 0 <= node < self._nodes[level])
            ):
                return context, level, node
        except (TypeError, ValueError):
            pass
        raise ConfigError("this is no state of this model; begin with start()")

    def _id(self, token: Any) -> int:
        if isinstance(token, str):
            id = self.model.tokenizer.id_of(token)
            if id is None:
                raise TokenizerError(
                    f"{shown(token)} is not one token of the vocabulary; encode text with "
                    "tokenizer.encode"
                )
            return id
        number = whole_number(token)
        if number is None:
            raise TokenizerError(f"the token is {shown(token)}; give an id or the name of a token")
        return number


def _softmax(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return the probabilities of each row, float64[B, V]."""
    z = logits.astype(np.float64)
    weights = np.exp(z - z.max(axis=1, keepdims=True))
    shares: NDArray[np.float64] = weights / weights.sum(axis=1, keepdims=True)
    return shares


def _log_mean(log_probs: Sequence[float], weights: Sequence[float]) -> float:
    """Return the logarithm of the weighted sum of probabilities, of which some may underflow."""
    top = max(
        (each for each, weight in zip(log_probs, weights, strict=True) if weight > 0),
        default=-math.inf,
    )
    if top == -math.inf:
        return top
    total = 0.0
    for each, weight in zip(log_probs, weights, strict=True):
        total += weight * math.exp(each - top) if weight > 0 else 0.0
    return top + math.log(total)
