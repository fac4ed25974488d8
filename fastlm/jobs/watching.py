"""Watching: records one by one as they come, each with its percentile among those before."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from fastlm.api.language_model import LanguageModel
from fastlm.errors import ConfigError, CorpusError
from fastlm.inference.explanation import Explanation
from fastlm.inference.scores import Score
from fastlm.jobs.calibration import Calibration
from fastlm.jobs.percentiles import RunningPercentile
from fastlm.jobs.request import readers_of
from fastlm.jobs.scored import ModelSet, Scored
from fastlm.jobs.selection import Selection
from fastlm.text.decoding import Reading
from fastlm.text.following import FollowedInput
from fastlm.text.records import BadRecord, Block, Record, RecordReader
from fastlm.wording import setting

__all__ = ["Watch", "Watched"]


class Watched(NamedTuple):
    """A record that is shown.

    Attributes
    ----------
    reader : RecordReader
    block : Block
    place : int
        In its block.
    record : Record
    score : Score
        With its tokens, where they were asked for.
    percentile : float or None
        The percentage of the records before it, or of the calibration, that are likelier; NaN
        where there are none. None where nobody asked.
    """

    reader: RecordReader
    block: Block
    place: int
    record: Record
    score: Score
    percentile: float | None

    @property
    def explanation(self) -> Explanation:
        """The text with the bits of its parts."""
        return Explanation(self.record.text or "", self.score)


@dataclass(kw_only=True)
class Watch:
    """What is watched, and which records of it are shown.

    Attributes
    ----------
    model : str
        A model file.
    files : sequence of str
        Files, folders, patterns, "-"; a single file, where it is followed.
    reading : Reading
    longest : float
        Bytes of a line at most.
    follow : bool
        Whether to wait for what is added to the file. What is there already is counted for the
        percentiles, and not shown.
    limits
        See `Selection`.
    alert : float, optional
        Show records above this percentile only. Without a calibration these are percentiles of the
        records before, and the first alert comes when there are enough of them: 100 for 99.
    calibrate : str, optional
        A file of ``fastlm calibrate``.
    tokens : bool
        Whether scores have their tokens.
    count_end, threads
        See `LanguageModel.score`.
    tell : callable, optional
        Is told in a line what a person should know.
    """

    model: str
    files: Sequence[str]
    reading: Reading
    longest: float
    follow: bool = False
    limits: dict[str, tuple[float, float]] = field(default_factory=dict)
    alert: float | None = None
    calibrate: str | None = None
    tokens: bool = False
    count_end: bool | None = None
    threads: int | None = None
    tell: Callable[[str], None] = lambda line: None
    seen: int = field(default=0, init=False)
    """Records with a perplexity, as far as they were read."""
    _bad: int = field(default=0, init=False)
    _source: FollowedInput | None = field(default=None, init=False)

    def check(self) -> list[RecordReader]:
        """Return the readers of the files.

        Raises
        ------
        ConfigError, CorpusError
            For what cannot be watched.
        """
        if self.alert is not None and not 0 <= self.alert < 100:
            raise ConfigError(f"--alert is {self.alert:g}; give a percentage from 0 to below 100")
        if self.calibrate is not None and not self._ranks:
            raise ConfigError("--calibrate is given; add --alert or --follow")
        if not self.follow:
            return readers_of(self.files, self.reading, self.longest)
        if len(self.files) != 1:
            raise ConfigError(f"--follow takes one file, not {len(self.files)}; name one")
        source = FollowedInput(self.files[0], self.reading, self.tell)
        self._source = source
        return [RecordReader(self.files[0], self.reading, longest=self.longest, source=source)]

    @property
    def _ranks(self) -> bool:
        return self.follow or self.alert is not None

    @property
    def needed(self) -> int:
        """The records before the first alert: among them one is expected above the percentile."""
        if self.alert is None or self.calibrate is not None:
            return 0
        return math.ceil(100 / (100 - self.alert) - 1e-9)

    def run(self) -> Iterator[Watched]:
        """Yield the records that are shown, in order.

        Raises
        ------
        FastlmError
            For what cannot be read; also for a record, unless the file is followed, or bad records
            are left out.
        """
        readers = self.check()
        lm = LanguageModel.load(self.model)
        calibration = None
        if self.calibrate is not None:
            calibration = Calibration.read(self.calibrate, self.model)
        models = ModelSet(
            {"": lm}, return_tokens=self.tokens, count_end=self.count_end, threads=self.threads
        )
        selection = Selection(self.limits)
        ranks = RunningPercentile()
        for reader in readers:
            for block in reader.blocks(at_once=True):
                shows = self._source is None or self._source.caught_up
                for place, scored in enumerate(models.score(block)):
                    if isinstance(scored.record, BadRecord):
                        self._pass_over(reader, scored)
                    if scored.score is None or not isinstance(scored.record, Record):
                        continue
                    percentile = self._percentile(scored.score, ranks, calibration)
                    is_odd = self.alert is None or (
                        ranks.count >= self.needed and (percentile or 0.0) > self.alert
                    )
                    ranks.add(scored.score.perplexity)
                    self.seen = ranks.count
                    if shows and is_odd and selection.rejection(scored) is None:
                        yield Watched(reader, block, place, scored.record, scored.score, percentile)

    def _percentile(
        self, score: Score, ranks: RunningPercentile, calibration: Calibration | None
    ) -> float | None:
        if not self._ranks:
            return None
        if calibration is not None:
            return calibration.percentile(float(getattr(score, calibration.figure)))
        return ranks.of(score.perplexity)

    def _pass_over(self, reader: RecordReader, scored: Scored) -> None:
        """Raise CorpusError for a bad record, unless such are left out."""
        problem = f"{reader.name}, {reader.unit} {scored.record.number}: {scored.without}"
        if not self.follow and not self.reading.skip_bad:
            raise CorpusError(f"{problem}; or skip such records with {setting('skip_bad', True)}")
        self._bad += 1
        if self._bad == 1:
            self.tell(f"left out, as all like it will be: {problem}")
