"""The border to the generation kernels: contexts in, logits or chosen tokens out."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm.config import ModelConfig
from fastlm.engine.compiling import compile_together
from fastlm.engine.count_queries import NO_COUNTS, context_state
from fastlm.engine.network import network_of
from fastlm.engine.parallel import run_parallel
from fastlm.errors import TrainingError
from fastlm_kernels.counts.queries import CountTables
from fastlm_kernels.linalg.gemm import NO_WORKSPACE, new_workspace
from fastlm_kernels.passes import evaluation
from fastlm_kernels.passes.generation import (
    ENDED,
    NOT_FINITE,
    RUNNING,
    GenerationScratch,
    Texts,
    generate_mixed,
    generate_tokens,
)
from fastlm_kernels.passes.mixing import Mixture
from fastlm_kernels.passes.sampling import ChoiceScratch, Rules, block_count
from fastlm_kernels.runtime.arguments import Network
from fastlm_kernels.runtime.jit import JIT_DISABLED, compile_for
from fastlm_kernels.runtime.scheduler import Worker, no_worker

__all__ = ["Besides", "Generation", "context_logits", "finite_logits", "start_context"]

# Texts of a tile: a character model (C=16, E=24, H=256) took 15 us a row for 1 row, 3.8 for 6, 2.6
# for 64.
_MAX_ROWS = 64
_MIN_ROWS = 4
_MAX_LOGITS = 1 << 22  # logits of a thread, 16 MB: a large vocabulary has fewer rows
_MAX_STEPS = 1024  # tokens of a text in one call


def context_logits(
    params: NDArray[np.float32], model: ModelConfig, contexts: NDArray[np.int32]
) -> NDArray[np.float32]:
    """Return the logits of contexts; of an adaptive softmax log-probabilities.

    Parameters
    ----------
    params : float32[n]
        The parameters of the model.
    model : ModelConfig
        The shape of the model.
    contexts : int32[B, span]
        Token ids, oldest first.

    Returns
    -------
    float32[B, V]
    """
    batch = contexts.shape[0]
    logits = np.empty(batch * model.vocab, dtype=np.float32)
    network = network_of(model)
    inputs = np.empty(batch * network.widths, dtype=np.float32)
    evaluation.context_logits(
        logits, inputs, new_workspace(), contexts.reshape(-1), params, network, batch
    )
    return logits.reshape(batch, model.vocab)


def start_context(model: ModelConfig, ids: Sequence[int]) -> NDArray[np.int32]:
    """Return the context int32[span] after ``ids``, oldest first.

    What lies before them, or before the last boundary token among them, reads as boundary tokens,
    or as id 0 where the model has none.
    """
    size = model.span
    context = np.full(size, model.boundary or 0, dtype=np.int32)
    for known, id in enumerate(reversed(ids[-size:]), start=1):
        if id == model.boundary:
            break
        context[-known] = id
    return context


def finite_logits(logits: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return ``logits``; raise TrainingError if they are not finite."""
    if not np.isfinite(logits).all():
        raise _not_finite()
    return logits


def _not_finite() -> TrainingError:
    return TrainingError(
        "the model's logits are not finite: its weights are out of range; train it again with a "
        "smaller learning rate"
    )


@dataclass(frozen=True, eq=False)
class Besides:
    """What is mixed with a network.

    Attributes
    ----------
    weights : float64[classes, 2 + networks]
        Of the network, of the further ones, and of the counts.
    tables : CountTables or None
        The counts.
    networks : sequence of (params, model)
        Further networks. With them every token is a call of its own.
    """

    weights: NDArray[np.float64]
    tables: CountTables | None = None
    networks: Sequence[tuple[NDArray[np.float32], ModelConfig]] = ()


class Generation:
    """Texts number ``first``, ``first`` + 1, ... of a seed, all after the same prompt.

    A text depends on the seed and its number only: not on how many there are, on the threads, or on
    how calls of ``run`` divide it. An object is not for several threads at once.

    Parameters
    ----------
    params : float32[n]
        The parameters of the model.
    model : ModelConfig
        The shape of the model.
    rules : Rules
        How a token is chosen from its logits.
    seed : int
        The seed of all texts.
    ids : sequence of int
        The prompt.
    first, count : int
        The number of the first text, and of how many.
    excluded : sequence of int
        Ids that are never chosen; the others' probabilities are renormalised.
    end : int, optional
        The id that ends a text; it does not become part of it.
    threads : int
        At most this many threads.
    besides : Besides, optional
        The other members of a mixture.
    """

    def __init__(
        self,
        params: NDArray[np.float32],
        model: ModelConfig,
        rules: Rules,
        seed: int,
        ids: Sequence[int],
        *,
        first: int = 0,
        count: int = 1,
        excluded: Sequence[int] = (),
        end: int | None = None,
        threads: int = 1,
        besides: Besides | None = None,
    ) -> None:
        self._params = params
        self._network = network_of(model)
        self._rules = rules
        self._seed = seed
        self._excluded = np.array(excluded, dtype=np.int64)
        self._end = -1 if end is None else end
        self._texts = Texts(
            contexts=np.tile(start_context(model, ids), count),
            numbers=np.arange(first, first + count, dtype=np.int64),
            drawn=np.zeros(count, dtype=np.int64),
            states=np.full(count, RUNNING, dtype=np.int64),
            nodes=_nodes(besides, ids, count),
        )
        self._others = (
            []
            if besides is None
            else [_OtherNetwork(*network, ids, count) for network in besides.networks]
        )
        self._mixture: Mixture | None = None
        if besides is not None:
            self._mixture = Mixture(
                NO_COUNTS if besides.tables is None else besides.tables,
                np.require(besides.weights, dtype=np.float64, requirements=["C", "W"]),
                np.zeros(len(self._others) * count * model.vocab, dtype=np.float32),
            )
        self._threads = max(1, min(threads, -(-count // _MIN_ROWS)))
        self._rows = max(1, min(-(-count // self._threads), _MAX_ROWS, _MAX_LOGITS // model.vocab))
        if JIT_DISABLED:
            # NumPy's product of one row may have other bits than the same row of several.
            self._rows = 1
        mixed = model.vocab if besides is not None else 0
        scratches = [_scratch(self._network, self._rows, mixed) for _ in range(self._threads)]
        self._memory = [(scratch, NO_WORKSPACE) for scratch in scratches]
        name = "generate_tokens" if besides is None else "generate_mixed"
        compile_together({name: self._compile, "product": new_workspace})
        self._memory = [(scratch, new_workspace()) for scratch in scratches]

    def _compile(self) -> None:
        tokens = np.empty(0, dtype=np.int32)
        compile_for(self._kernel, self._arguments(tokens, 0, 0, no_worker()))

    @property
    def _kernel(self) -> Any:
        return generate_tokens if self._mixture is None else generate_mixed

    def end(self, index: int) -> None:
        """End a text here."""
        self._texts.states[index] = ENDED

    def run(self, steps: int) -> list[NDArray[np.int32]]:
        """Generate up to ``steps`` more tokens of each text.

        Returns
        -------
        list of int32[at most steps]
            The new ids of each text.

        Raises
        ------
        TrainingError
            If the model's logits are not finite.
        """
        if self._others and steps > 1:
            turns = [self._turn() for _ in range(steps)]
            return [np.concatenate(parts) for parts in zip(*turns, strict=True)]
        return self._turn() if self._others else self._steps(steps)

    def _turn(self) -> list[NDArray[np.int32]]:
        """Generate one more token of each text, of several networks together."""
        running = self._texts.states == RUNNING
        assert self._mixture is not None
        logits = self._mixture.others.reshape(len(self._others), running.size, -1)
        for number, other in enumerate(self._others):
            logits[number, running] = finite_logits(other.logits(running))
        tokens = self._steps(1)
        for other in self._others:
            other.append(tokens)
        return tokens

    def _steps(self, steps: int) -> list[NDArray[np.int32]]:
        texts = self._texts
        tokens = np.empty(texts.numbers.size * steps, dtype=np.int32)
        running = texts.states == RUNNING
        before = texts.drawn.copy()
        run_parallel(self._threads, self._kernel, partial(self._arguments, tokens, steps))
        if (texts.states == NOT_FINITE).any():
            raise _not_finite()
        # The token that ends a text was drawn, but is no part of it.
        new = texts.drawn - before - (running & (texts.states == ENDED))
        table = tokens.reshape(-1, steps)
        return [row[:count] for row, count in zip(table, new.tolist(), strict=True)]

    def _arguments(
        self, tokens: NDArray[np.int32], steps: int, index: int, worker: Worker
    ) -> tuple[Any, ...]:
        scratch, workspace = self._memory[index]
        phases = np.array([0, -(-self._texts.numbers.size // self._rows)], dtype=np.int64)
        return (
            tokens, self._texts, scratch, workspace, worker, self._excluded, self._params,
            self._network, self._mixture, self._rules, phases, self._seed, self._end, steps,
            self._rows,
        )  # fmt: skip

    def bursts(self, length: int, seconds: float) -> Iterator[list[NDArray[np.int32]]]:
        """Yield what ``run`` returns until every text has ended or has ``length`` tokens.

        The first burst is one token; later ones are longer, up to about ``seconds``.
        """
        done, steps = 0, 1
        while done < length and (self._texts.states == RUNNING).any():
            started = time.perf_counter()
            steps = min(steps, length - done)
            burst = self.run(steps)
            yield burst
            done += steps
            taken = time.perf_counter() - started
            steps = max(1, min(4 * steps, _MAX_STEPS, int(steps * seconds / max(taken, 1e-6))))


class _OtherNetwork:
    """A further network of a mixture, and what it sees of each text."""

    def __init__(
        self, params: NDArray[np.float32], model: ModelConfig, ids: Sequence[int], count: int
    ) -> None:
        self._params = params
        self._model = model
        self._contexts = np.tile(start_context(model, ids), (count, 1))

    def logits(self, rows: NDArray[np.bool_]) -> NDArray[np.float32]:
        """Return the logits float32[rows, V] of the next token of some texts."""
        if not rows.any():
            return np.empty((0, self._model.vocab), dtype=np.float32)
        return context_logits(self._params, self._model, self._contexts[rows])

    def append(self, tokens: Sequence[NDArray[np.int32]]) -> None:
        """Take the next token of each text, or none."""
        for context, new in zip(self._contexts, tokens, strict=True):
            for id in new.tolist():
                context[:-1] = context[1:].copy()
                context[-1] = id
                if id == self._model.boundary:
                    context[:] = id


def _nodes(besides: Besides | None, ids: Sequence[int], count: int) -> NDArray[np.int64]:
    """Return the contexts of the counts after ``ids``, int64[count, 2]."""
    if besides is None or besides.tables is None:
        return np.zeros((count, 2), dtype=np.int64)
    state = context_state(besides.tables, np.array(ids, dtype=np.int32))
    return np.tile(state, (count, 1))


def _scratch(network: Network, rows: int, mixed: int) -> GenerationScratch:
    return GenerationScratch(
        contexts=np.empty(rows * network.span, dtype=np.int32),
        running=np.empty(rows, dtype=np.int64),
        logits=np.empty(rows * network.vocab, dtype=np.float32),
        inputs=np.empty(rows * network.widths, dtype=np.float32),
        probabilities=np.zeros(mixed, dtype=np.float64),
        choice=ChoiceScratch(
            weights=np.empty(network.vocab, dtype=np.float32),
            masses=np.empty(network.vocab, dtype=np.float32),
            sums=np.empty(block_count(network.vocab), dtype=np.float64),
        ),
    )
