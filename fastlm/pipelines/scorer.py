"""A scorer of batches: a callable that adds columns of scores."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from fastlm.checks import check_whole
from fastlm.errors import ConfigError, ScoreWarning, TextError
from fastlm.inference.caution import Caution
from fastlm.inference.scores import SCORE_FIGURES, ScoreArrays
from fastlm.pipelines.batches import Column, add_columns, map_column
from fastlm.pipelines.loaded import absolute_path, loaded_model
from fastlm.types import DEFAULT_FIELD, FilePath

__all__ = ["Scorer"]


class Scorer:
    """Adds scores to batches, as columns.

    It pickles to the path and the settings, so that an engine can send it to its processes. Each
    loads the model once, mapped into memory, and shares it with the others on its machine.

    Parameters
    ----------
    path : path
        A model file, where all processes see it.
    field : str
        The column of text. A missing value has the scores None (NaN in arrays of NumPy).
    columns : sequence of str
        Figures of a score to add, as ``fastlm.Score`` has them. One that is not defined, as the
        perplexity of an empty text, is None or NaN, too.
    threads : int
        In one of several processes, 1 is best.
    prefix : str
        Comes before the names of the new columns.

    Raises
    ------
    ConfigError, ModelFileError
        For a setting or a file that cannot be used.
    """

    def __init__(
        self,
        path: FilePath,
        field: str = DEFAULT_FIELD,
        columns: Sequence[str] = ("perplexity",),
        threads: int = 1,
        prefix: str = "",
    ) -> None:
        columns = (columns,) if isinstance(columns, str) else tuple(columns)
        if not columns:
            raise ConfigError("columns is empty; name at least one, such as perplexity")
        for name in columns:
            if name not in SCORE_FIGURES:
                raise ConfigError(
                    f"a score has no {str(name)[:40]!r}; choose from {', '.join(SCORE_FIGURES)}"
                )
        for setting, value in (("field", field), ("prefix", prefix)):
            if not isinstance(value, str):
                raise ConfigError(f"{setting} is {value!r}; give a str")
        self.path = absolute_path(path)
        self.field = field
        self.columns = columns
        self.threads = check_whole("threads", threads, 1)
        self.prefix = prefix
        self._caution: Caution | None = None

    def __repr__(self) -> str:
        return f"Scorer({self.path!r}, field={self.field!r}, columns={self.columns!r})"

    def __getstate__(self) -> dict[str, Any]:
        """Return the settings."""
        return vars(self) | {"_caution": None}

    def __call__(self, batch: Any) -> Any:
        """Return a batch of the same kind with the new columns.

        Parameters
        ----------
        batch : dict, list of dict, data frame, Arrow table or record batch
            See ``fastlm.pipelines.batches``. It is not changed.

        Raises
        ------
        CorpusError, ConfigError
            For a batch without the column of text, or with one of a new name.
        TextError
            For what is no text and not missing, with its index.
        """
        return add_columns(batch, self.field, self._scores)

    def iter(self, batches: Iterable[Any]) -> Iterator[Any]:
        """Yield each batch with the new columns, as engines want it that hand over iterators."""
        return map(self, batches)

    def column(self, texts: Any) -> Any:
        """Return the first of the columns for a column of texts, of the same kind.

        Parameters
        ----------
        texts : list, NumPy array, Arrow array, or series of pandas or Polars

        Raises
        ------
        TextError
            See ``__call__``.
        """
        name = self.prefix + self.columns[0]
        return map_column(texts, lambda values: self._scores(values)[name])

    def _scores(self, texts: list[Any]) -> dict[str, Column]:
        """Return the new columns, with None for what is missing or not defined."""
        lm = loaded_model(self.path)
        present = [place for place, text in enumerate(texts) if text is not None]
        given = texts if len(present) == len(texts) else [texts[place] for place in present]
        try:
            scores = lm.score_arrays(given, threads=self.threads)
        except TextError as error:
            raise TextError(present[error.index], error.reason) from None
        self._look_at(given, scores)
        columns: dict[str, Column] = {}
        for name in self.columns:
            values = getattr(scores, name).tolist()
            if name not in ("tokens", "oov", "chars", "bytes"):
                values = [None if math.isnan(value) else value for value in values]
            if given is not texts:
                spread: list[Any] = [None] * len(texts)
                for place, value in zip(present, values, strict=True):
                    spread[place] = value
                values = spread
            columns[self.prefix + name] = values
        return columns

    def _look_at(self, texts: list[str], scores: ScoreArrays) -> None:
        """Warn once where the scores cannot mean much."""
        if self._caution is None:
            self._caution = Caution(loaded_model(self.path).text_model)
        self._caution.add(texts, scores.tokens.tolist(), int(np.sum(scores.oov)))
        message = self._caution.message()
        if message:
            warnings.warn(message, ScoreWarning, stacklevel=2)
