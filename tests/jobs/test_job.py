"""A job that is killed anywhere and restarted writes what an undisturbed one does."""

from __future__ import annotations

import os

import pytest

from fastlm.errors import CorpusError
from fastlm.jobs import job as job_module
from fastlm.jobs.forms import Form
from fastlm.jobs.job import ScoreJob
from fastlm.jobs.journal import Journal, Position
from fastlm.jobs.outputs import Output, output_of
from fastlm.jobs.scored import ModelSet
from fastlm.jobs.selection import Selection
from fastlm.text.decoding import Reading
from fastlm.text.records import RecordReader
from tests.inference.models import make_model

from .sources import TEXTS, reader_of, write_json, write_lines, write_parquet

LM = make_model()


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr("fastlm.text.records.MOST_ROWS", 3)
    monkeypatch.setattr("fastlm.text.tables.MOST_ROWS", 3)
    monkeypatch.setattr(job_module, "_COMMIT_SECONDS", 0.0)
    monkeypatch.setattr(job_module, "_UNIT_BLOCKS", 2)


class Killed(BaseException):
    """What stands for SIGKILL."""


def make_job(paths, output: str, rejected: str | None = None, **options) -> ScoreJob:
    readers = [reader_of(path) for path in paths]
    return ScoreJob(
        readers,
        ModelSet({"": LM}, threads=1),
        output_of(output, Form(("perplexity",)), readers),
        Selection({"perplexity": (0, 90.0)}),
        None if rejected is None else output_of(rejected, Form((), ("reason",)), readers),
        **options,
    )


class Deadly:
    """Kills at the ``kill_at``-th thing that is done to files; before or after it is done."""

    def __init__(self, kill_at: int) -> None:
        self.kill_at = kill_at
        self.steps = 0

    def _step(self) -> None:
        self.steps += 1
        if self.steps == self.kill_at:
            raise Killed

    def __call__(self, function):
        def run(*args, **kwargs):
            self._step()
            found = function(*args, **kwargs)
            self._step()
            return found

        return run


def run_until_done(make, journal: Journal, kill_at: int, monkeypatch) -> int:
    """Run a job that dies at every ``kill_at``-th thing it does to files; return how often."""
    deaths = 0
    while True:
        step = Deadly(kill_at)
        job = make()
        state = journal.load()
        with monkeypatch.context() as patch:
            patch.setattr(os, "replace", step(os.replace))
            for name in ("write", "commit"):
                patch.setattr(type(job.output), name, step(getattr(type(job.output), name)))
            try:
                if state is None:
                    job.output.start()
                job.run(journal, state)
                return deaths
            except Killed:
                deaths += 1
                if journal.load() == state:
                    kill_at += 1  # else it would never come further


@pytest.mark.parametrize("name", ["out.jsonl", "out.jsonl.gz", "out.parquet", "parts"])
@pytest.mark.parametrize("kind", ["lines", "json", "parquet"])
def test_killed_anywhere_and_restarted(tmp_path, monkeypatch, name, kind):
    if kind == "parquet" or "pa" in name:
        pytest.importorskip("pyarrow")
    write = {"lines": write_lines, "json": write_json, "parquet": write_parquet}[kind]
    suffix = {"lines": "txt", "json": "jsonl", "parquet": "parquet"}[kind]
    paths = [
        write(tmp_path / f"a.{suffix}", TEXTS[:8]),
        write(tmp_path / f"b.{suffix}", TEXTS[8:19]),
    ]
    (tmp_path / "parts").mkdir() if name == "parts" else None

    def content(output) -> dict[str, bytes]:
        files = sorted(output.iterdir()) if output.is_dir() else [output]
        return {file.name.replace("whole-", ""): file.read_bytes() for file in files}

    whole = tmp_path / f"whole-{name}"
    if name == "parts":
        whole.mkdir()
    undisturbed = make_job(paths, str(whole))
    undisturbed.run(Journal(str(whole), {}))
    deaths = 0
    for kill_at in (1, 2, 3, 5, 8, 13):
        target = tmp_path / name if name == "parts" else tmp_path / f"{kill_at}-{name}"
        made = []

        def make(target=target, made=made) -> ScoreJob:
            made.append(make_job(paths, str(target)))
            return made[-1]

        journal = Journal(str(target), {})
        deaths += run_until_done(make, journal, kill_at, monkeypatch)
        assert list(content(target).values()) == list(content(whole).values()), kill_at
        figures = made[-1].summary.to_dict() | {"seconds": 0}
        assert figures == undisturbed.summary.to_dict() | {"seconds": 0}
        journal.remove()
    assert deaths > 20


def test_two_outputs_are_committed_together(tmp_path, monkeypatch):
    paths = [write_json(tmp_path / "a.jsonl")]
    whole = make_job(paths, str(tmp_path / "w.jsonl"), str(tmp_path / "w-out.jsonl.gz"))
    whole.run(Journal(str(tmp_path / "w"), {}))
    journal = Journal(str(tmp_path / "o"), {})

    def make() -> ScoreJob:
        return make_job(paths, str(tmp_path / "o.jsonl"), str(tmp_path / "o-out.jsonl.gz"))

    assert run_until_done(make, journal, 4, monkeypatch) > 2
    for name in (".jsonl", "-out.jsonl.gz"):
        assert (tmp_path / f"o{name}").read_bytes() == (tmp_path / f"w{name}").read_bytes()
    kept, left = whole.summary.counts["kept"], sum(whole.summary.rejected.values())
    assert (kept > 5, left > 5, kept + left) == (True, True, len(TEXTS))


@pytest.mark.parametrize("shards", [1, 2, 3, 20])
def test_shards_are_all_records_once(tmp_path, shards):
    paths = [write_json(tmp_path / "a.jsonl"), write_json(tmp_path / "b.jsonl", TEXTS[:5])]
    found = []
    for this in range(1, shards + 1):
        output = tmp_path / f"{this}.jsonl"
        job = make_job(paths, str(output), shard=(this, shards))
        job.selection = Selection()
        job.run(Journal(str(output), {}))
        found += output.read_bytes().splitlines()
        if shards == 2:
            assert len(found) == (27 if this == 1 else 52)
    assert sorted(line.split(b', "perp')[0] + b"}" for line in found) == sorted(
        b"".join(path.read_bytes() for path in paths).splitlines()
    )


def test_a_bad_record_ends_it_or_is_left_out(tmp_path):
    path = write_json(tmp_path / "a.jsonl", TEXTS[:5])
    path.write_text(path.read_text() + "no JSON\n" + path.read_text())
    job = make_job([path], str(tmp_path / "o.jsonl"))
    with pytest.raises(CorpusError, match=r"a\.jsonl, line 6: not JSON.*; or skip such records"):
        job.run()
    job = make_job([path], str(tmp_path / "o.jsonl"), str(tmp_path / "r.jsonl"), skip_bad=True)
    job.run()
    assert job.summary.rejected["bad"] == 1
    assert job.summary.first_bad.startswith(f"{path}, line 6: not JSON")
    assert '"line": 6, "raw": "no JSON", "reason": "not JSON' in (tmp_path / "r.jsonl").read_text()


def test_calibration_over_the_records(tmp_path):
    path = write_lines(tmp_path / "a.txt")
    readers = [reader_of(path)]
    job = ScoreJob(readers, ModelSet({"": LM}, threads=1), Output())
    found = job.calibrate({"": "sum"}, "bits_per_char")[""]
    assert (found.model, found.figure, found.texts) == ("sum", "bits_per_char", len(TEXTS) - 1)
    values = LM.score_arrays([text for text in TEXTS if text]).bits_per_char
    assert found.at(100) == pytest.approx(values.max(), rel=2e-3)
    path.write_bytes(b"a\n\xff\n")
    with pytest.raises(CorpusError, match="line 2: byte 0xFF"):
        ScoreJob(readers, ModelSet({"": LM}), Output()).calibrate({"": ""}, "perplexity")


def test_progress_and_warning(tmp_path):
    paths = [write_lines(tmp_path / "a.txt", ["qqqq xxxx"] * 7)] * 2
    seen, said = [], []
    job = make_job(
        paths, str(tmp_path / "o"), progress=lambda *args: seen.append(args), warn=said.append
    )
    job.run()
    assert sum(records for records, _, _ in seen) == 14
    assert seen[-1][2] == 2 * paths[0].stat().st_size
    assert len(said) == 1
    assert "unknown to the model's vocabulary" in said[0]
    assert Position() == Position(0, 0, 0)


def test_rows_that_are_no_rows_are_counted(tmp_path):
    pytest.importorskip("pyarrow")
    path = tmp_path / "a.csv"
    path.write_text("text,n\nthe cat,1\nbad\nthe dog,2\nbad,1,2\n")
    readers = [RecordReader(str(path), Reading(field="text", skip_bad=True)) for _ in range(2)]
    job = ScoreJob(readers, ModelSet({"": LM}, threads=1), Output(), skip_bad=True)
    job.calibrate({"": ""}, "perplexity")
    job.run()
    assert job.summary.counts["records"] == 4
    assert job.summary.rejected == {"bad": 4}
    assert job.summary.first_bad == f"{path}: rows with too few or too many values"
