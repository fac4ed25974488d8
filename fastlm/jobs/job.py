"""A job: the records of files, scored and written block by block, restarted where it ended."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

from fastlm.errors import CorpusError
from fastlm.inference.caution import Caution
from fastlm.jobs.calibration import Calibration
from fastlm.jobs.forms import Item
from fastlm.jobs.journal import Journal, Position, State
from fastlm.jobs.outputs import Output
from fastlm.jobs.quantiles import Histogram
from fastlm.jobs.scored import ModelSet, Scored
from fastlm.jobs.selection import Selection
from fastlm.jobs.summary import Summary
from fastlm.text.records import BadRecord, Block, Record, RecordReader
from fastlm.wording import setting

__all__ = ["ScoreJob"]

# Seconds between two commits where an output may be committed anywhere.
_COMMIT_SECONDS = 1.0

# Blocks, and bytes of text, between two commits where it matters in what is written.
_UNIT_BLOCKS = 64
_UNIT_CHARS = 1 << 26


@dataclass
class ScoreJob:
    """All that a job is; `run` does it.

    Attributes
    ----------
    readers : sequence of RecordReader
    models : ModelSet
    output : Output
    selection : Selection
    rejected : Output, optional
        Takes the records that are left out.
    skip_bad : bool
        Whether records that cannot be used are left out; without it they are an error.
    shard : (int, int)
        Of N shards the number of this one, from 1: every Nth block.
    at_once : bool
        Whether lines are scored as soon as they come.
    progress : callable, optional
        Is told how many records were read and written, and the bytes read so far.
    warn : callable, optional
        Is told, at most once, why the scores cannot mean much.
    summary : Summary
    """

    readers: Sequence[RecordReader]
    models: ModelSet
    output: Output
    selection: Selection = field(default_factory=Selection)
    rejected: Output | None = None
    skip_bad: bool = False
    shard: tuple[int, int] = (1, 1)
    at_once: bool = False
    progress: Callable[[int, int, int], None] | None = None
    warn: Callable[[str], None] | None = None
    summary: Summary = field(default_factory=Summary)

    def calibrate(self, checksums: dict[str, str], figure: str) -> dict[str, Calibration]:
        """Return the calibration of each model over the records of this job.

        Parameters
        ----------
        checksums : dict of str to str
            Of the model files, by the names of the models.
        figure : str
            Of the score.
        """
        histograms = {name: Histogram() for name in self.models.models}
        for reader, block, _ in self._blocks(Position()):
            figures: dict[str, list[float]] = {name: [] for name in histograms}
            for each in self._scored(reader, block):
                if isinstance(each.record, BadRecord):
                    self._refuse(reader, each)
                elif each.score is not None:
                    figures[each.model].append(getattr(each.score, figure))
            for name, histogram in histograms.items():
                histogram.add(figures[name])
            if self.progress is not None:
                self.progress(block.size, 0, self._bytes_before + reader.bytes_read)
        return {
            name: Calibration.of(checksums[name], figure, histogram, self.readers[0].name)
            for name, histogram in histograms.items()
            if histogram.count or len(histograms) == 1
        }

    def run(self, journal: Journal | None = None, state: State | None = None) -> None:
        """Score and write all records, or those after a state.

        Raises
        ------
        FastlmError
            For records, files and outputs that cannot be used; what was committed stays.
        """
        outputs = [self.output, *([] if self.rejected is None else [self.rejected])]
        state = State() if state is None else state
        try:
            if state.outputs:
                self.summary = Summary.from_state(state.summary)
                for output, of_output in zip(outputs, state.outputs, strict=True):
                    output.resume(of_output, ended=state.ended)
            if not state.ended:
                self._run(outputs, journal, state)
            for output in outputs:
                output.finish()
        finally:
            for output in outputs:
                output.close()
        self._say_caution(at_end=True)

    def _run(self, outputs: Sequence[Output], journal: Journal | None, state: State) -> None:
        """Score and write to the end, and commit now and then."""
        start = committed = time.monotonic()
        before = self.summary.seconds
        anywhere = all(output.commits_anywhere for output in outputs)

        def commit() -> None:
            self.summary.seconds = before + time.monotonic() - start
            state.outputs = [output.commit() for output in outputs]
            state.summary = self.summary.state()
            if journal is not None:
                journal.save(state)

        blocks = chars = 0
        for reader, block, position in self._blocks(state.position, self._add_skipped):
            state.position = position
            chars += self._do(reader, block)
            blocks += 1
            soon = anywhere and time.monotonic() - committed >= _COMMIT_SECONDS
            if journal is None or not (soon or blocks == _UNIT_BLOCKS or chars >= _UNIT_CHARS):
                continue
            commit()
            committed = time.monotonic()
            blocks = chars = 0
        state.ended = True
        commit()

    def _add_skipped(self, reader: RecordReader) -> None:
        """Count the rows of a table that no block has."""
        if reader.table is not None and reader.table.skipped:
            self.summary.add_skipped(reader.name, reader.table.skipped)

    def _blocks(
        self, start: Position, at_end: Callable[[RecordReader], None] = lambda reader: None
    ) -> Iterator[tuple[RecordReader, Block, Position]]:
        """Yield the blocks of this shard from a position on, each with the position after it.

        at_end : is called at the end of each file
        """
        number = start.block
        this, shards = self.shard
        for file, reader in enumerate(self.readers[start.file :], start.file):
            records = start.records if file == start.file else 0
            for block in reader.blocks(skip=records, at_once=self.at_once):
                records += block.size
                number += 1
                if (number - 1) % shards == this - 1:
                    yield reader, block, Position(file, records, number)
            self._bytes_before += reader.bytes_read
            at_end(reader)

    def _scored(self, reader: RecordReader, block: Block) -> list[Scored]:
        try:
            return self.models.score(block)
        except CorpusError as error:
            raise CorpusError(f"{reader.name}: {error}") from None

    def _do(self, reader: RecordReader, block: Block) -> int:
        """Score and write a block; return its characters."""
        scored = self._scored(reader, block)
        kept: list[Item] = []
        left_out: list[Item] = []
        kinds: dict[str, int] = {}
        bad: Scored | None = None
        for place, each in enumerate(scored):
            rejection = self.selection.rejection(each)
            if rejection is None:
                kept.append(Item(place, each, {"bucket": self.selection.bucket(each)}))
                continue
            if rejection.kind == "bad":
                if not self.skip_bad:
                    bad = each
                    break
                self.summary.first_bad = self.summary.first_bad or _problem(reader, each)
            kinds[rejection.kind] = kinds.get(rejection.kind, 0) + 1
            left_out.append(Item(place, each, {"reason": rejection.reason}))
        if kept:
            self.output.write(reader, block, kept)
        if left_out and self.rejected is not None:
            self.rejected.write(reader, block, left_out)
        if bad is not None:
            self._refuse(reader, bad)
        self.summary.add(scored, len(kept), kinds)
        self._look_at(scored)
        if self.progress is not None:
            self.progress(block.size, len(kept), self._bytes_before + reader.bytes_read)
        return sum(each.score.chars for each in scored if each.score is not None)

    def _refuse(self, reader: RecordReader, bad: Scored) -> None:
        """Raise CorpusError for a bad record, unless such are left out."""
        if not self.skip_bad:
            raise CorpusError(
                f"{_problem(reader, bad)}; or skip such records with {setting('skip_bad', True)}"
            )

    def _look_at(self, scored: Sequence[Scored]) -> None:
        """See whether the scores can mean something; say it if not."""
        if self.warn is None:
            return
        for name in self.models.models:
            of_model = [
                (each.record.text, each.score)
                for each in scored
                if each.model == name and each.score is not None and isinstance(each.record, Record)
            ]
            texts = [text for text, _ in of_model]
            caution = self._cautions[name]
            tokens = [score.tokens for _, score in of_model]
            caution.add(texts, tokens, sum(score.oov for _, score in of_model))
        self._say_caution()

    def __post_init__(self) -> None:
        models = self.models.models
        self._bytes_before = 0  # of the files before this one
        self._cautions = {name: Caution(lm.text_model) for name, lm in models.items()}

    def _say_caution(self, *, at_end: bool = False) -> None:
        if self.warn is None:
            return
        for name, caution in self._cautions.items():
            message = caution.message(at_end=at_end)
            if message:
                self.warn(f"{name}: {message}" if name else message)
                self.warn = None
                return


def _problem(reader: RecordReader, bad: Scored) -> str:
    return f"{reader.name}, {reader.unit} {bad.record.number}: {bad.without}"
