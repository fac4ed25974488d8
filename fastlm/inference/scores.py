"""The scores of texts: of each by itself, or of many as arrays and tables."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastlm.checks import shown
from fastlm.errors import ConfigError, MissingLibraryError
from fastlm.inference.spans import joined_parts, spans_of
from fastlm.model.figures import Figures, Number, perplexity, ratio
from fastlm.system.html_pages import coloured_text, figure_text, html_table
from fastlm.system.json_values import finite_values
from fastlm.wording import install

__all__ = ["SCORE_FIGURES", "Score", "ScoreArrays"]

SCORE_FIGURES = (
    "log_prob", "tokens", "oov", "log_prob_without_oov", "chars", "bytes", "perplexity",
    "perplexity_without_oov", "bits_per_char", "bits_per_byte",
)  # fmt: skip


_SHOWN = (
    "perplexity", "bits_per_char", "tokens", "oov", "chars", "bytes", "log_prob",
    "log_prob_without_oov",
)  # fmt: skip


class _ScoreFields(NamedTuple):
    log_prob: float
    tokens: int
    oov: int
    log_prob_without_oov: float
    chars: int
    bytes: int
    token_ids: NDArray[Any] | None = None
    token_log_probs: NDArray[np.float32] | None = None
    token_strings: list[str] | None = None
    token_offsets: NDArray[np.int64] | None = None


class _ScoreFigures(Figures[Number]):
    __slots__ = ()

    log_prob_without_oov: Number
    oov: Any

    @property
    def perplexity_without_oov(self) -> Number:
        """exp(-log_prob_without_oov / (tokens - oov)); NaN where all tokens are unknown."""
        return perplexity(ratio(-self.log_prob_without_oov, self.tokens - self.oov))


class Score(_ScoreFields, _ScoreFigures[float]):
    """The log-probability of one text under a model, and the size of the text.

    Attributes
    ----------
    log_prob : float
        Sum of ln p(token | context) over the tokens that count, in nats; at most 0.
    tokens : int
        N, the number of tokens that count: all of the text and, if asked for, the boundary token
        (``<end>``) of each of its documents. (A model without a boundary token cannot predict the
        first C tokens of a document. They do not count, nor do their characters.)
    oov : int
        How many of them are ``<unk>``: the model predicted that something unknown comes, not what.
    log_prob_without_oov : float
        The same sum over the N - oov others.
    chars, bytes : int
        Size of the text that these tokens stand for, in Unicode code points and in UTF-8. A
        boundary token that counts is one of each where documents are lines, two where they are
        paragraphs, none where a document is a file.
    token_ids, token_log_probs, token_strings : int[N], float32[N] in nats, list of N str
        The tokens that count, in order; None unless asked for.
    token_offsets : int64[N, 2]
        The first character of the text that a token stands for, and the one after its last: what
        ``text[start:stop]`` takes. They are exact for every tokenizer, for ``<unk>`` too. Tokens
        that are parts of a character have that character; a boundary token has none, after its
        document. None unless asked for.
    """

    __slots__ = ()

    def __repr__(self) -> str:
        figures = {name: figure_text(getattr(self, name)) for name in _SHOWN}
        text = ", ".join(f"{name}={value}" for name, value in figures.items())
        strings = self.token_strings
        return f"Score({text}{'' if strings is None else f', token_strings={shown(strings)}'})"

    def _repr_html_(self) -> str:
        table = html_table([[getattr(self, name) for name in _SHOWN]], _SHOWN)
        return table if self.token_strings is None else table + coloured_text(self._parts())

    def _parts(self) -> Iterator[tuple[str, float | None]]:
        """Yield the names of the tokens and their bits, and a space where they lie apart."""
        assert self.token_strings is not None
        assert self.token_log_probs is not None
        bits = (-self.token_log_probs.astype(np.float64) / math.log(2)).tolist()
        offsets = [[at, at + 1] for at in range(len(bits))]
        if self.token_offsets is not None:
            offsets = self.token_offsets.tolist()
        end = 0
        for (start, stop), name, cost in zip(offsets, self.token_strings, bits, strict=True):
            if start > end:
                yield " ", None
            yield name, cost
            end = max(end, stop)

    def to_html(self, text: str) -> str:
        """Return the text as HTML, each token the redder the less it was expected.

        Parameters
        ----------
        text : str
            The text that was scored, with ``return_tokens=True``.

        Raises
        ------
        ConfigError
            For a score without tokens, and a text shorter than the one that was scored.
        """
        if self.token_offsets is None or self.token_log_probs is None:
            raise ConfigError("this score has no tokens; score with return_tokens=True")
        if self.token_offsets.size and len(text) < self.token_offsets.max():
            raise ConfigError(
                f"the text has {len(text):,} characters, but the score is of a longer one; give "
                "the text that was scored"
            )
        assert self.token_strings is not None
        spans = spans_of(self.token_offsets, self.token_log_probs, self.token_strings)
        return coloured_text(joined_parts(text, spans))

    def to_dict(self) -> dict[str, Any]:
        """Return the fields and figures as JSON has them; null for infinite ones and NaN."""
        figures = finite_values({name: getattr(self, name) for name in SCORE_FIGURES})
        if self.token_strings is not None and self.token_log_probs is not None:
            figures["token_strings"] = self.token_strings
            figures["token_log_probs"] = self.token_log_probs.tolist()
        if self.token_offsets is not None:
            figures["token_offsets"] = self.token_offsets.tolist()
        return figures


@dataclass(frozen=True, eq=False, repr=False)
class ScoreArrays(_ScoreFigures[NDArray[np.float64]]):
    """The fields of ``Score`` as arrays, an element per text; so are the properties.

    Iterating gives a dict of the figures of each text, which is what tables are made of:
    ``pandas.DataFrame(arrays)``. The length is the number of texts.

    Attributes
    ----------
    log_prob, log_prob_without_oov : float64[N]
    tokens, oov, chars, bytes : int64[N]
    """

    log_prob: NDArray[np.float64]
    tokens: NDArray[np.int64]
    oov: NDArray[np.int64]
    log_prob_without_oov: NDArray[np.float64]
    chars: NDArray[np.int64]
    bytes: NDArray[np.int64]

    @property
    def columns(self) -> tuple[NDArray[Any], ...]:
        """The fields in order, without the figures that follow from them."""
        return tuple(getattr(self, field.name) for field in fields(self))

    def __len__(self) -> int:
        return int(self.log_prob.size)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        columns = self.to_dict()
        for row in zip(*(column.tolist() for column in columns.values()), strict=True):
            yield dict(zip(columns, row, strict=True))

    def __repr__(self) -> str:
        tokens = f"ScoreArrays({len(self):,} texts, {int(self.tokens.sum()):,} tokens"
        known = np.sort(self.perplexity[~np.isnan(self.perplexity)])
        if not known.size:
            return f"{tokens})"
        low, middle, high = (figure_text(float(known[at])) for at in (0, known.size // 2, -1))
        return f"{tokens}, perplexity {low} to {high}, median {middle})"

    def _repr_html_(self) -> str:
        names = [name for name in SCORE_FIGURES if name != "perplexity"]
        names = ["perplexity", *names]
        columns = self.to_dict()
        rows = [[columns[name][at].item() for name in names] for at in self._shown_rows()]
        numbered = [[at, *row] for at, row in zip(self._shown_rows(), rows, strict=True)]
        return html_table(numbered, ["", *names], caption=repr(self))

    def _shown_rows(self) -> list[int]:
        """Return the texts that a table shows, one more than it has room for on either side."""
        if len(self) <= 2 * _MOST_SHOWN:
            return list(range(len(self)))
        return [*range(_MOST_SHOWN), *range(len(self) - _MOST_SHOWN, len(self))]

    def to_dict(self) -> dict[str, NDArray[Any]]:
        """Return the fields and the figures, such as perplexity, as arrays by name."""
        return {name: getattr(self, name) for name in SCORE_FIGURES}

    def to_pandas(self) -> Any:
        """Return a ``pandas.DataFrame``, a row per text: the fields and the figures.

        Raises
        ------
        MissingLibraryError
            Without pandas.
        """
        try:
            import pandas
        except ImportError:
            raise _missing("pandas") from None
        return pandas.DataFrame(self.to_dict())

    def to_arrow(self) -> Any:
        """Return a ``pyarrow.Table``, a row per text: the fields and the figures.

        Raises
        ------
        MissingLibraryError
            Without pyarrow.
        """
        try:
            import pyarrow
        except ImportError:
            raise _missing("pyarrow") from None
        return pyarrow.table(self.to_dict())


_MOST_SHOWN = 15


def _missing(library: str) -> MissingLibraryError:
    return MissingLibraryError(
        f"this needs the package {library}; install it with: {install(library)}"
    )
