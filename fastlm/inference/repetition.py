"""Text that does not go round in circles: a penalty for what would repeat, and a ban.

A token of a text would repeat L tokens if, with it, the last L tokens stand in the text a second
time: 1 for one that occurred, 2 for one that occurred after the same token, and so on. The penalty
divides its probability by X^L before the temperature, with L of at most 32. A ban on N leaves out
tokens that would repeat N or more. (Keskar et al. 2019, section 4.1, penalise what occurred at all,
which of characters is nearly everything. That the penalty grows with L is what ends loops.)
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from fastlm.engine.stepping import Draw
from fastlm.inference.states import State, Stepper
from fastlm.inference.text_model import TextModel
from fastlm_kernels.passes.sampling import Rules

__all__ = ["LONGEST", "GuardedTexts", "Repeats"]

LONGEST = 32
"""The most repeated tokens that a penalty counts."""

_MOST_LOGITS = 1 << 22  # computed at a time, 16 MB

# Added to the position of a token that is drawn a second time, as the kernel does.
_AGAIN = 1 << 62


class Repeats:
    """How many tokens each next token of a text would repeat.

    Parameters
    ----------
    ids : sequence of int
        The text so far.
    """

    def __init__(self, ids: Sequence[int] = ()) -> None:
        self._ids = np.empty(64, dtype=np.int64)
        # Of each place, how many tokens before and at it stand at the end of the text, too.
        self._matched = np.zeros(64, dtype=np.int64)
        self._size = 0
        for id in ids:
            self.append(id)

    def append(self, id: int) -> None:
        """Add a token."""
        size = self._size
        if size == self._ids.size:
            self._ids = np.concatenate((self._ids, self._ids))
            self._matched = np.concatenate((self._matched, self._matched))
        before = np.concatenate(([0], self._matched[: max(size - 1, 0)]))
        if size:
            self._matched[:size] = np.where(self._ids[:size] == id, before + 1, 0)
        self._ids[size] = id
        self._size += 1

    def counts(self, vocab: int) -> NDArray[np.int64]:
        """Return L of each token, int64[V]."""
        size = self._size
        found = np.zeros(vocab, dtype=np.int64)
        if size:
            lengths = np.concatenate(([0], self._matched[: size - 1])) + 1
            np.maximum.at(found, self._ids[:size], lengths)
        return found


class GuardedTexts:
    """Texts as ``fastlm.engine.generation.Generation`` makes them, a token at a time.

    Text k depends on the seed and k only. Without a penalty and a ban it is what ``Generation``
    writes.

    Parameters
    ----------
    model : TextModel
    rules : Rules
    seed : int
    ids : sequence of int
        The prompt.
    first, count : int
        The number of the first text, and of how many.
    excluded : sequence of int
        Ids that are never chosen.
    end : int, optional
        The id that ends a text.
    penalty : float
        X, at least 1.
    ban : int, optional
        N. Where nothing else is left, the text ends. The boundary token is never banned.
    """

    def __init__(
        self,
        model: TextModel,
        rules: Rules,
        seed: int,
        ids: Sequence[int],
        *,
        first: int,
        count: int,
        excluded: Sequence[int],
        end: int | None,
        penalty: float,
        ban: int | None,
    ) -> None:
        self._stepper = Stepper(model)
        self._vocab = model.tokenizer.vocab_size
        self._boundary = model.tokenizer.boundary_id
        self._draw = Draw(self._vocab, rules, seed)
        self._first = first
        self._most_rows = max(1, _MOST_LOGITS // self._vocab)
        self._excluded = list(excluded)
        self._end = end
        self._cost = math.log(penalty)
        self._ban = ban
        start = self._stepper.start(ids)
        self._states: list[State] = [start] * count
        self._repeats = [Repeats(ids) for _ in range(count)]
        self._last = [ids[-1] if ids else self._boundary] * count
        self._drawn = [0] * count
        self._running = [True] * count

    def end(self, index: int) -> None:
        """End a text here."""
        self._running[index] = False

    def bursts(self, length: int, seconds: float = 0.0) -> Iterator[list[NDArray[np.int32]]]:
        """Yield the next token of each text, or none, until all have ended or have ``length``."""
        none = np.empty(0, dtype=np.int32)
        for _ in range(length):
            rows = [index for index, runs in enumerate(self._running) if runs]
            if not rows:
                return
            burst = [none] * len(self._running)
            for start in range(0, len(rows), self._most_rows):
                some = rows[start : start + self._most_rows]
                logits = self._stepper.logits([self._states[index] for index in some])
                for z, index in zip(logits, some, strict=True):
                    id = self._next(z, index)
                    if id is None or id == self._end:
                        self._running[index] = False
                    else:
                        burst[index] = np.array([id], dtype=np.int32)
                        self._append(index, id)
            yield burst

    def _append(self, index: int, id: int) -> None:
        self._states[index] = self._stepper.after(self._states[index], id)
        self._repeats[index].append(id)
        self._last[index] = id

    def _next(self, z: NDArray[np.float32], index: int) -> int | None:
        """Return the next token of a text; None where none is left. The logits z are changed."""
        z[self._excluded] = -np.inf
        repeats = self._repeats[index].counts(self._vocab)
        if self._boundary is not None:
            repeats[self._boundary] = 0
        if self._cost:
            z -= (self._cost * np.minimum(repeats, LONGEST)).astype(np.float32)
        if self._ban is not None:
            z[repeats >= self._ban] = -np.inf
        position = self._drawn[index]
        self._drawn[index] += 1
        while not np.isneginf(z).all():
            id = self._draw.token(z, self._first + index, position)
            # No document is empty: where one would end as it begins, another token is drawn.
            if id != self._boundary or id != self._last[index] or position >= _AGAIN:
                return id
            z[id] = -np.inf
            position += _AGAIN
        return None
