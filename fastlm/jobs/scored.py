"""Records with their scores, by one model or by that of each record's language."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from fastlm.api.language_model import LanguageModel
from fastlm.errors import CorpusError, TextError
from fastlm.inference.batching import encoding_failures
from fastlm.inference.scores import Score
from fastlm.text.records import BadRecord, Block, Record

__all__ = ["ModelSet", "Scored"]


class Scored(NamedTuple):
    """A record and its score.

    Attributes
    ----------
    record : Record or BadRecord
    score : Score or None
        None for a bad record, a null, and a record that no model is for.
    model : str
        The name of its model in the set.
    without : str
        Why it has no score; "" where it has one.
    """

    record: Record | BadRecord
    score: Score | None
    model: str = ""
    without: str = ""


class ModelSet:
    """The models that score the records of a job.

    Parameters
    ----------
    models : mapping of str to LanguageModel
        By name; a single one is named "".
    by : str, optional
        The field of a record that has the name of its model.
    **options
        Those of `LanguageModel.score`.
    """

    def __init__(
        self, models: Mapping[str, LanguageModel], by: str | None = None, **options: Any
    ) -> None:
        self.models = dict(models)
        self.by = by
        self._options = options

    def score(self, block: Block) -> list[Scored]:
        """Return the records of a block with their scores, in order.

        Raises
        ------
        CorpusError
            Where the records have no fields to choose a model by.
        """
        records = block.parse()
        found: list[Scored | None] = [None] * len(records)
        names = self._names(block, records)
        places: dict[str, list[int]] = {name: [] for name in self.models}
        for place, (record, name) in enumerate(zip(records, names, strict=True)):
            if isinstance(record, BadRecord):
                found[place] = Scored(record, None, without=record.reason)
            elif name not in self.models:
                found[place] = Scored(record, None, without=f"no model for {name!r}")
            elif record.text is None:
                found[place] = Scored(record, None, name, "no text")
            else:
                places[name].append(place)
        for name, of_model in places.items():
            good = [records[place] for place in of_model]
            texts = [record.text for record in good if isinstance(record, Record)]
            results = _scores_or_reasons(self.models[name], texts, self._options)
            for place, record, result in zip(of_model, good, results, strict=True):
                if isinstance(result, str):
                    record = BadRecord(record.number, result, record.raw)
                    found[place] = Scored(record, None, name, result)
                else:
                    found[place] = Scored(record, result, name)
        return [scored for scored in found if scored is not None]

    def _names(self, block: Block, records: list[Record | BadRecord]) -> list[Any]:
        """Return the name of the model of each record."""
        if self.by is None:
            return [""] * len(records)
        if block.rows is not None:
            if self.by not in block.rows.schema.names:
                has = ", ".join(map(repr, block.rows.schema.names[:8]))
                raise CorpusError(f"no column {self.by!r} (it has {has}); name another with --by")
            names: list[Any] = block.rows.column(block.rows.schema.names.index(self.by)).to_pylist()
            return names
        return [
            (record.fields or {}).get(self.by) if isinstance(record, Record) else None
            for record in records
        ]


def _scores_or_reasons(
    lm: LanguageModel, texts: list[Any], options: dict[str, Any]
) -> Iterator[Score | str]:
    """Yield the score of each text, or the reason why it has none."""
    done = 0
    try:
        for result in lm.score(texts, **options):
            yield result
            done += 1
        return
    except TextError:
        # Scoring ends at the first; all others are found at once, not by scoring again and again.
        texts = texts[done:]
    failures = encoding_failures(texts, lm.documents, lm.tokenizer)
    good = [text for number, text in enumerate(texts) if number not in failures]
    scores = iter(lm.score(good, **options))
    for number in range(len(texts)):
        yield failures[number].reason if number in failures else next(scores)
