"""The back-off model: a trie of n-grams in arrays, with what each knows of the next token.

Level k of the trie holds the n-grams of k + 1 tokens. Within a level they are sorted by their
tokens, the first token first, so that the children of an n-gram (itself and one token more) lie
together in the next level.

The probability of token w after a context c, where c is at most order - 1 tokens long:

    p(w | c) = exp(log_probs of c w)                          where the n-gram c w is in the trie,
             = exp(log_backoffs of c) p(w | c without its first token)   otherwise,

and log_backoffs of a context that is not in the trie is 0. Level 0 has every token, so this ends.

The boundary token is both ends of a document. As the last token of an n-gram it is the end: its
probability is that of the end, and it has no successor there. As the first token of an n-gram of
two or more, and as a context, it is the beginning: a document's first context is one boundary
token.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm.errors import ModelFileError

__all__ = ["MAX_ORDER", "NO_SUFFIXES", "BackoffModel", "token_type"]

MAX_ORDER = 12
"""The longest n-grams that a model may have."""

NO_SUFFIXES: NDArray[np.uint32] = np.zeros(0, dtype=np.uint32)
"""The suffixes of level 0: a token without its first token is nothing."""

_BLOCK = 1 << 20  # n-grams checked at a time
_LARGEST = 1e-5  # of a log-probability: sums of float32 may end a little above 0


def token_type(vocab: int) -> type[np.uint16] | type[np.uint32]:
    """Return the dtype of the tokens of a model with ``vocab`` tokens."""
    return np.uint16 if vocab <= 1 << 16 else np.uint32


@dataclass(frozen=True, eq=False)
class BackoffModel:
    """A back-off model over the token ids 0 .. vocab - 1.

    The tuples have one array for each level k = 0 .. order - 1, of n_k n-grams; those of contexts
    have none for the last level. A suffix of an n-gram, and its beginning, are n-grams of the trie
    themselves.

    Attributes
    ----------
    order : int
        Tokens of the longest n-grams, 1 .. MAX_ORDER.
    vocab : int
        The number of tokens, V.
    boundary : int or None
        The id of the boundary token (``<end>``), None if the tokenizer has none.
    tokens : uint16[n_k] or uint32[n_k]
        The last token of each n-gram; uint16 where V <= 65,536 (``token_type``). Level 0 is dense:
        n_0 = V, and n-gram i is token i.
    children : uint32[n_k + 1]
        For k < order - 1: the children of n-gram i are children[i] .. children[i + 1] - 1 in level
        k + 1, in the order of their last tokens.
    log_probs : float32[n_k]
        ln p(last token | the tokens before it), in nats.
    log_backoffs : float32[n_k]
        For k < order - 1: ln of the weight of the shorter context; 0 for an n-gram without
        children.
    suffixes : uint32[n_k]
        For k >= 1: where the n-gram without its first token is in level k - 1. For level 0 an empty
        array (``NO_SUFFIXES``).
    metadata : dict
        What was estimated, as JSON values: ``discounts`` (one list of three for each order),
        ``fallback`` (orders with fallback discounts), ``pruning``, ``tokens`` (of the text).
    """

    order: int
    vocab: int
    boundary: int | None
    tokens: tuple[NDArray[Any], ...]
    children: tuple[NDArray[np.uint32], ...]
    log_probs: tuple[NDArray[np.float32], ...]
    log_backoffs: tuple[NDArray[np.float32], ...]
    suffixes: tuple[NDArray[np.uint32], ...]
    metadata: dict[str, Any] = field(default_factory=dict)

    @property
    def counts(self) -> tuple[int, ...]:
        """The number of n-grams of each order."""
        return tuple(len(tokens) for tokens in self.tokens)

    @property
    def nbytes(self) -> int:
        """The bytes of all arrays."""
        groups = (self.tokens, self.children, self.log_probs, self.log_backoffs, self.suffixes)
        return sum(array.nbytes for group in groups for array in group)

    def check(self) -> None:
        """Check arrays that come from a file, so that kernels can trust them.

        Raises
        ------
        ModelFileError
            For arrays that no estimate gives: other dtypes or sizes, tokens out of range or out of
            order, children or suffixes that lead nowhere or elsewhere, a logarithm that is not
            finite, a probability over 1.
        """
        self._check_shapes()
        for level in range(self.order):
            self._check_numbers(level)
            self._check_tokens(level)
        for level in range(self.order - 1):
            self._check_children(level)
        for level in range(1, self.order):
            self._check_suffixes(level)

    def _check_shapes(self) -> None:
        if not 1 <= self.order <= MAX_ORDER:
            raise ModelFileError(f"its n-grams are of order {self.order}, not of 1..{MAX_ORDER}")
        if not 1 <= self.vocab <= 1 << 31:
            raise ModelFileError(f"its counts have a vocabulary of {self.vocab} tokens")
        if self.boundary is not None and not 0 <= self.boundary < self.vocab:
            raise ModelFileError(f"the boundary of its counts is {self.boundary} of {self.vocab}")
        sizes = self.counts
        if sizes[:1] != (self.vocab,):
            raise ModelFileError("its counts do not have every token")
        inner = [size + 1 for size in sizes[:-1]]
        expected: tuple[tuple[str, Any, list[int]], ...] = (
            ("tokens", token_type(self.vocab), list(sizes)),
            ("children", np.uint32, inner),
            ("log_probs", np.float32, list(sizes)),
            ("log_backoffs", np.float32, list(sizes[:-1])),
            ("suffixes", np.uint32, [0, *sizes[1:]]),
        )
        for name, dtype, lengths in expected:
            arrays = getattr(self, name)
            fits = [a.shape for a in arrays] == [(n,) for n in lengths]
            if not fits or any(a.dtype != dtype for a in arrays) or len(sizes) != self.order:
                raise ModelFileError(f"the {name} of its counts have other types or sizes")

    def _check_numbers(self, level: int) -> None:
        for start in range(0, len(self.log_probs[level]), _BLOCK):
            block = slice(start, start + _BLOCK)
            if not (self.log_probs[level][block] <= _LARGEST).all():  # False for NaN
                raise ModelFileError(f"its {level + 1}-grams have a probability over 1")
            if not np.isfinite(self.log_probs[level][block]).all():
                raise ModelFileError(f"its {level + 1}-grams have a probability of 0")
            if level < self.order - 1 and not np.isfinite(self.log_backoffs[level][block]).all():
                raise ModelFileError(f"its {level + 1}-grams have a back-off that is not finite")

    def _check_tokens(self, level: int) -> None:
        tokens = self.tokens[level]
        for start in range(0, len(tokens), _BLOCK):
            block = tokens[start : start + _BLOCK]
            if block.max() >= self.vocab:
                raise ModelFileError(f"its {level + 1}-grams have tokens out of the vocabulary")
            if level == 0 and (block != np.arange(start, start + len(block))).any():
                raise ModelFileError("its 1-grams are not the vocabulary in order")

    def _check_children(self, level: int) -> None:
        starts, tokens = self.children[level], self.tokens[level + 1]
        damaged = ModelFileError(f"the children of its {level + 1}-grams are out of order")
        if starts[0] != 0 or starts[-1] != len(tokens):
            raise damaged
        for start in range(0, len(starts), _BLOCK):
            block = starts[start : start + _BLOCK + 1]
            if (block[1:] < block[:-1]).any():
                raise damaged
        # Among the children of one n-gram tokens rise; between two n-grams they may do anything.
        first = np.zeros(len(tokens) + 1, dtype=np.bool_)
        first[starts] = True
        for start in range(0, len(tokens), _BLOCK):
            block = tokens[start : start + _BLOCK + 1]
            rises = block[1:] > block[:-1]
            if not (rises | first[start + 1 : start + len(block)]).all():
                raise damaged

    def _check_suffixes(self, level: int) -> None:
        """Check that an n-gram's suffix ends with its token and is a child of its parent's."""
        damaged = ModelFileError(f"the suffixes of its {level + 1}-grams lead elsewhere")
        suffixes, shorter = self.suffixes[level], self.tokens[level - 1]
        starts = self.children[level - 1]
        for start in range(0, len(suffixes), _BLOCK):
            block = suffixes[start : start + _BLOCK]
            if block.max() >= len(shorter):
                raise damaged
            if (shorter[block] != self.tokens[level][start : start + len(block)]).any():
                raise damaged
            if level == 1:
                continue
            nodes = np.arange(start, start + len(block))
            parents = np.searchsorted(starts, nodes, side="right") - 1
            of_parents = self.suffixes[level - 1][parents]
            above = self.children[level - 2]
            if (block < above[of_parents]).any() or (block >= above[of_parents + 1]).any():
                raise damaged
