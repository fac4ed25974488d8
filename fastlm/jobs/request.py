"""The request for a job: what the user wants, checked before anything is read or written."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fastlm._version import __version__
from fastlm.api.language_model import LanguageModel
from fastlm.errors import ConfigError, FastlmError
from fastlm.inference.scores import SCORE_FIGURES
from fastlm.jobs.calibration import Calibration, model_checksum
from fastlm.jobs.forms import Form
from fastlm.jobs.job import ScoreJob
from fastlm.jobs.journal import Journal, State
from fastlm.jobs.outputs import Output, StreamOutput, output_of
from fastlm.jobs.scored import ModelSet
from fastlm.jobs.selection import Selection
from fastlm.jobs.summary import Summary
from fastlm.system.file_lock import FileLock
from fastlm.text.decoding import Reading
from fastlm.text.paths import files_of
from fastlm.text.records import RecordReader

__all__ = ["ScoreRequest", "check_columns", "readers_of"]

FIRST = "first"


def readers_of(files: Sequence[str], reading: Reading, longest: float) -> list[RecordReader]:
    """Return the readers of files, folders and patterns, after a look at the columns of tables."""
    paths = files_of(files, reading)
    readers = [RecordReader(str(path), reading, longest=longest) for path in paths]
    for reader in readers:
        if reader.table is not None:
            reader.table.schema()
    return readers


def check_columns(columns: Sequence[str]) -> None:
    """Raise ConfigError for a name that is none of a score."""
    for name in columns:
        if name not in SCORE_FIGURES:
            raise ConfigError(
                f"a score has no {name[:40]!r}; choose from {', '.join(SCORE_FIGURES)}"
            )


@dataclass(kw_only=True)
class ScoreRequest:
    """What is to be scored, how, and where it goes; `run` does it.

    Attributes
    ----------
    models : mapping of str to str
        Model files by name; a single one is named "".
    files : sequence of str
        Files, folders, patterns, "-".
    reading : Reading
    longest : float
        Bytes of a line at most.
    by, limits, keep_percentile, buckets
        See `ModelSet` and `Selection`.
    calibrate : mapping of str to str, "first" or None
        Files of calibrations by the name of the model.
    shard : (int, int)
        See `ScoreJob`.
    output, rejected : str, optional
        See `output_of`; None: standard output, and nowhere.
    summary : str, optional
        Where the summary is written at the end.
    resume, force : bool
        Whether to continue, and to replace, an output that there is.
    columns : sequence of str, optional
        Scores to add; None: all, or none where records are filtered and `as_json` is false.
    as_json, tokens, prefix
        How records are written.
    count_end, threads
        See `LanguageModel.score`.
    """

    models: Mapping[str, str]
    files: Sequence[str]
    reading: Reading
    longest: float
    by: str | None = None
    limits: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    keep_percentile: float | None = None
    buckets: tuple[float, float] | None = None
    calibrate: Mapping[str, str] | str | None = None
    shard: tuple[int, int] = (1, 1)
    output: str | None = None
    rejected: str | None = None
    summary: str | None = None
    resume: bool = False
    force: bool = False
    columns: Sequence[str] | None = None
    as_json: bool = False
    tokens: bool = False
    prefix: str = ""
    count_end: bool | None = None
    threads: int | None = None

    def run(
        self,
        progress: Callable[[int, int, int], None] | None = None,
        warn: Callable[[str], None] | None = None,
    ) -> Summary:
        """Do it, and return the summary.

        Parameters
        ----------
        progress, warn : callable, optional
            See `ScoreJob`.

        Raises
        ------
        FastlmError
            For what cannot be done; then nothing is written, or what was written before is whole.
        """
        selection = Selection(self.limits, self.keep_percentile, self.buckets)
        selection.check()
        self._check(selection)
        readers = readers_of(self.files, self.reading, self.longest)
        self._check_sources(readers, selection)
        form = self._form(readers, selection)
        lock = nullcontext() if self.output is None else FileLock(f"{self._target}.lock")
        if isinstance(lock, FileLock) and not lock.acquire():
            raise ConfigError(f"{self.output} is being written by another process; wait for it")
        with lock:
            summary = self._run(readers, selection, form, progress, warn)
        if self.summary is not None:
            summary.write(self.summary)
        return summary

    def calibration(
        self, figure: str, progress: Callable[[int, int, int], None] | None = None
    ) -> Calibration:
        """Return the calibration of the only model over all records; nothing is written."""
        (path,) = self.models.values()
        readers = readers_of(self.files, self.reading, self.longest)
        lm = LanguageModel.load(path)
        models = ModelSet({"": lm}, count_end=self.count_end, threads=self.threads)
        job = ScoreJob(readers, models, Output(), skip_bad=self.reading.skip_bad, progress=progress)
        return job.calibrate({"": model_checksum(path)}, figure)[""]

    def _run(
        self,
        readers: list[RecordReader],
        selection: Selection,
        form: Form,
        progress: Callable[[int, int, int], None] | None,
        warn: Callable[[str], None] | None,
    ) -> Summary:
        checksums = {name: model_checksum(path) for name, path in self.models.items()}
        journal = None if self.output is None else self._journal(readers, checksums)
        state = journal.load() if journal is not None and self.resume else None
        if state is not None and state.finished and self._is_there(self.output):
            return Summary.from_state(state.summary)
        if state is None:
            self._check_free()
        models = {name: LanguageModel.load(path) for name, path in self.models.items()}
        options = {
            "return_tokens": self.tokens,
            "count_end": self.count_end,
            "threads": self.threads,
        }
        output: Output = StreamOutput(form)
        if self.output is not None:
            output = output_of(self.output, form, readers)
        reasons = Form((), ("reason",), self.prefix)
        rejected = None if self.rejected is None else output_of(self.rejected, reasons, readers)
        job = ScoreJob(
            readers,
            ModelSet(models, self.by, **options),
            output,
            selection,
            rejected,
            skip_bad=self.reading.skip_bad,
            shard=self.shard,
            at_once=self.output is None and self.shard == (1, 1),
            progress=progress,
            warn=warn,
        )
        if state is None:
            state = State()
            for each in (output, *([] if rejected is None else [rejected])):
                each.start()
            if journal is not None:
                journal.remove()
        selection.calibrations = self._calibrations(job, state, checksums)
        try:
            job.run(journal, state)
        except FastlmError:
            if not self.resume:
                self._discard(job, journal)
            raise
        if journal is not None and self.resume:
            state.finished = True
            journal.save(state)
        elif journal is not None:
            journal.remove()
        return job.summary

    def _discard(self, job: ScoreJob, journal: Journal | None) -> None:
        job.output.discard()
        if job.rejected is not None:
            job.rejected.discard()
        if journal is not None:
            journal.remove()

    def _form(self, readers: Sequence[RecordReader], selection: Selection) -> Form:
        """Return how records are written."""
        columns = self.columns
        if columns is None:
            as_they_were = selection.filters and not self.as_json
            columns = () if as_they_were else SCORE_FIGURES
        check_columns(columns)
        in_json = self.as_json or self._is_table or all(r.field is not None for r in readers)
        extra = () if selection.buckets is None else ("bucket",)
        for name, given in (
            ("--tokens", self.tokens),
            ("--buckets", bool(extra)),
            ("--columns", self.columns is not None),
        ):
            if given and not in_json:
                raise ConfigError(f"{name} needs JSON; add --json")
        if self.tokens and self._is_table:
            raise ConfigError("--tokens needs JSON; write to a name that ends in .jsonl")
        return Form(tuple(columns), extra, self.prefix, tabs=not in_json)

    @property
    def _is_table(self) -> bool:
        return self.output is not None and (
            Path(self.output).suffix.lower() in (".parquet", ".pq") or self._is_folder(self.output)
        )

    @staticmethod
    def _is_folder(path: str) -> bool:
        return path.endswith(("/", os.sep)) or Path(path).is_dir()

    @property
    def _target(self) -> str:
        return str(self.output).rstrip("/" + os.sep)

    def _check(self, selection: Selection) -> None:
        """Check which settings are given together."""
        if (self.by is None) != ("" in self.models):
            raise ConfigError("--models and --by need each other; give both")
        if selection.needs_calibration and self.calibrate is None:
            raise ConfigError(
                "percentages are of a sample; add --calibrate FILE, of fastlm calibrate, or "
                "--calibrate first"
            )
        if self.calibrate is not None and not selection.needs_calibration:
            raise ConfigError("--calibrate is given; add --keep-percentile or --buckets")
        if isinstance(self.calibrate, Mapping) and self.calibrate.keys() != self.models.keys():
            raise ConfigError("--calibrate needs a file for each model, such as en=a,de=b")
        if self.output is None and (self.resume or self.force):
            raise ConfigError(f"--{'resume' if self.resume else 'force'} needs an output; add -o")
        if self.rejected is not None and self.rejected == self.output:
            raise ConfigError("-o and --rejected are the same file; name two")

    def _check_sources(self, readers: Sequence[RecordReader], selection: Selection) -> None:
        once = [reader.name for reader in readers if not reader.rereadable]
        for name, given in (("--resume", self.resume), ("--calibrate first", self._first)):
            if once and given:
                raise ConfigError(f"{name} reads twice, which {once[0]} cannot be; name a file")
        if self.by is not None and any(reader.field is None for reader in readers):
            raise ConfigError("--by needs records with fields; name JSON lines or tables")
        outputs = [os.path.realpath(path) for path in (self.output, self.rejected) if path]
        for reader in readers:
            if os.path.realpath(reader.name) in outputs:
                raise ConfigError(f"{reader.name} is read and written; name another output")

    @property
    def _first(self) -> bool:
        return self.calibrate == FIRST

    def _is_there(self, path: str | None) -> bool:
        return path is not None and Path(path).exists()

    def _check_free(self) -> None:
        """Refuse outputs that there are, and those that cannot be written."""
        for path in (self.output, self.rejected, self.summary):
            if path is None:
                continue
            target = Path(path)
            if not target.parent.is_dir():
                raise ConfigError(f"{target.parent}: no such folder for {target.name}; make it")
            if target.exists() and not (target.is_dir() or target.is_file()):
                raise ConfigError(f"{path} is not a regular file; name another one")
            if self.force or path == self.summary:
                continue
            if target.is_dir():
                taken = next(target.glob("part-*.parquet"), None)
            else:
                taken = target if target.exists() and target.stat().st_size else None
            if taken is not None:
                raise ConfigError(f"{taken} exists; name another file, or replace it with --force")

    def _calibrations(
        self, job: ScoreJob, state: State, checksums: dict[str, str]
    ) -> dict[str, Calibration]:
        if self.calibrate is None:
            return {}
        if isinstance(self.calibrate, Mapping):
            return {
                name: Calibration.read(path, self.models[name])
                for name, path in self.calibrate.items()
            }
        if not state.calibrations:
            found = job.calibrate(checksums, "perplexity")
            state.calibrations = {name: each.to_dict() for name, each in found.items()}
        return {
            name: Calibration.from_dict(form, "the journal")
            for name, form in state.calibrations.items()
        }

    def _journal(self, readers: Sequence[RecordReader], checksums: dict[str, str]) -> Journal:
        """Return the journal of this job, which has all that decides what comes out."""
        calibrations: Any = self.calibrate
        if isinstance(calibrations, Mapping):
            calibrations = {
                name: Calibration.read(path, self.models[name]).to_dict()
                for name, path in calibrations.items()
            }
        return Journal(
            self._target,
            {
                "version": __version__,
                "models": checksums,
                "input": [reader.identity for reader in readers],
                "reading": vars(self.reading),
                "by": self.by,
                "limits": {name: [str(each) for each in two] for name, two in self.limits.items()},
                "keep_percentile": self.keep_percentile,
                "buckets": self.buckets,
                "calibrate": calibrations,
                "shard": self.shard,
                "rejected": self.rejected,
                "columns": self.columns,
                "json": self.as_json,
                "tokens": self.tokens,
                "prefix": self.prefix,
                "count_end": self.count_end,
            },
        )
