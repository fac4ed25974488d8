"""One call a step: a network's log-probabilities after a context, a walk over counts, a draw.

Memory is taken once for all steps, so an object is not for several threads at once.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from fastlm.config import ModelConfig
from fastlm.engine.generation import finite_logits
from fastlm.engine.network import network_of
from fastlm_kernels.counts import queries
from fastlm_kernels.counts.queries import CountTables
from fastlm_kernels.linalg.gemm import new_workspace
from fastlm_kernels.passes import evaluation
from fastlm_kernels.passes.sampling import (
    ChoiceScratch,
    Rules,
    block_count,
    choose,
    sampling_uniform,
)

__all__ = ["CountStep", "Draw", "NetworkStep"]


class NetworkStep:
    """The next token of a network, one context at a time.

    Parameters
    ----------
    params : float32[n]
    model : ModelConfig
    """

    def __init__(self, params: NDArray[np.float32], model: ModelConfig) -> None:
        self._params = params
        self._network = network_of(model)
        self._logits = np.empty(model.vocab, dtype=np.float32)
        self._inputs = np.empty(self._network.widths, dtype=np.float32)
        self._workspace = new_workspace()
        self._powers = np.empty(model.vocab)
        self.context = np.zeros(model.span, dtype=np.int32)
        """int32[span], oldest first: what the next call sees."""

    def log_probs(self) -> NDArray[np.float64]:
        """Return ln p of all tokens after ``context``, float64[V], a new array.

        Raises
        ------
        TrainingError
            When the logits are not finite.
        """
        evaluation.context_logits(
            self._logits, self._inputs, self._workspace, self.context, self._params,
            self._network, 1,
        )  # fmt: skip
        found = self._logits.astype(np.float64)
        found -= found.max()
        np.exp(found, out=self._powers)
        total = self._powers.sum()
        if not total < np.inf:  # NaN, too
            finite_logits(self._logits)
        found -= np.log(total)
        return found


class CountStep:
    """A walk over a back-off model, one token at a time.

    Parameters
    ----------
    tables : CountTables
    """

    def __init__(self, tables: CountTables) -> None:
        self._tables = tables
        self._state = np.empty(2, dtype=np.int64)
        self._log_prob = np.empty(1)
        self._id = np.empty(1, dtype=np.int32)

    def step(self, level: int, node: int, id: int) -> tuple[float, int, int]:
        """Return ln p of a token after a state of the walk, and the state after it."""
        state = self._state
        state[0] = level
        state[1] = node
        self._id[0] = id
        queries.walk(state, self._log_prob, self._id, self._tables)
        return self._log_prob.item(0), state.item(0), state.item(1)


class Draw:
    """Tokens drawn one by one from logits, with the random numbers of ``Generation``.

    Parameters
    ----------
    vocab : int
        V.
    rules : Rules
    seed : int
    """

    def __init__(self, vocab: int, rules: Rules, seed: int) -> None:
        self._rules = rules
        self._seed = seed
        self._scratch = ChoiceScratch(
            weights=np.empty(vocab, dtype=np.float32),
            masses=np.empty(vocab, dtype=np.float32),
            sums=np.empty(block_count(vocab), dtype=np.float64),
        )

    def token(self, logits: NDArray[np.float32], text: int, position: int) -> int:
        """Return the id drawn for a position of a text; logits float32[V], not all -inf."""
        # With JIT off, NumPy scalars warn where unsigned arithmetic wraps around on purpose.
        with np.errstate(over="ignore"):
            uniform = sampling_uniform(self._seed, text, position)
            return int(choose(logits, self._scratch, uniform, self._rules))
