"""A filter of documents with the methods that the filters of datatrove and NeMo Curator have."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Any

from fastlm.checks import check_number
from fastlm.errors import ConfigError
from fastlm.pipelines.scorer import Scorer
from fastlm.types import FilePath

__all__ = ["DocumentFilter"]

_BATCH = 256


class DocumentFilter:
    """Keeps documents whose figure lies within limits.

    It imports neither library, and serves both: as a step of a pipeline of datatrove
    (``filter``, and a call), and for the modules ``Score``, ``Filter`` and ``ScoreFilter`` of NeMo
    Curator (``score_document``, ``keep_document``, ``name``). It pickles as ``Scorer`` does.

    Parameters
    ----------
    path : path
        A model file, where all processes see it.
    most, least : float, optional
        The limits, which are within. A text without the figure is not kept.
    figure : str
        Of a score, as ``fastlm.Score`` has it.
    threads : int
        In one of several processes, 1 is best.

    Raises
    ------
    ConfigError, ModelFileError
        For a setting or a file that cannot be used.
    """

    def __init__(
        self,
        path: FilePath,
        most: float | None = None,
        least: float | None = None,
        figure: str = "perplexity",
        threads: int = 1,
    ) -> None:
        if most is None and least is None:
            raise ConfigError("there is no limit; give most, least, or both")
        for name, value in (("most", most), ("least", least)):
            check_number(name, value, least=-math.inf, or_none=True)
        self.most = math.inf if most is None else float(most)
        self.least = -math.inf if least is None else float(least)
        if self.least > self.most:
            raise ConfigError(f"least is {least}, above most, {most}; nothing would be kept")
        self._scorer = Scorer(path, columns=(figure,), threads=threads)

    def __repr__(self) -> str:
        return (
            f"DocumentFilter({self._scorer.path!r}, {self.name} from {self.least} to {self.most})"
        )

    @property
    def name(self) -> str:
        """The figure, by which NeMo Curator calls a filter."""
        return self._scorer.columns[0]

    def score_document(self, text: str) -> float:
        """Return the figure of a text; NaN where it has none."""
        (value,) = self._scorer.column([text])
        return math.nan if value is None else float(value)

    def keep_document(self, scores: float) -> bool:
        """Tell whether a document with this figure is kept."""
        return self.least <= scores <= self.most

    def filter(self, doc: Any) -> bool | tuple[bool, str]:
        """Tell whether a document of datatrove is kept; if not, with the reason.

        Parameters
        ----------
        doc : object
            With its ``text``.
        """
        return self._verdict(self.score_document(doc.text))

    def filter_batch(self, batch: Iterable[Any]) -> list[bool | tuple[bool, str]]:
        """Return what ``filter`` does for several documents, which takes less time."""
        values = self._scorer.column([doc.text for doc in batch])
        return [self._verdict(math.nan if value is None else value) for value in values]

    def __call__(self, data: Iterable[Any], rank: int = 0, world_size: int = 1) -> Iterator[Any]:
        """Yield the documents that are kept, as a step of a pipeline of datatrove."""
        documents = iter(data)
        while batch := list(islice(documents, _BATCH)):
            for doc, verdict in zip(batch, self.filter_batch(batch), strict=True):
                if verdict is True:
                    yield doc

    def _verdict(self, value: float) -> bool | tuple[bool, str]:
        if self.keep_document(value):
            return True
        if math.isnan(value):
            return False, f"no {self.name}"
        side = f"above {self.most:g}" if value > self.most else f"below {self.least:g}"
        return False, f"{self.name} {value:.6g} is {side}"
