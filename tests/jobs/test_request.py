"""What is asked for is checked before anything is written; then it is done, or continued."""

from __future__ import annotations

import json
import os

import pytest

from fastlm.errors import ConfigError, CorpusError, FastlmError
from fastlm.jobs.request import ScoreRequest
from fastlm.system.file_lock import FileLock
from fastlm.text.decoding import Reading
from tests.inference.models import make_model

from .sources import TEXTS, model_file, write_json, write_lines, write_parquet


@pytest.fixture
def ask(tmp_path):
    """Make a request over a file of JSON lines with a model, with any settings replaced."""
    model = model_file(tmp_path)
    path = write_json(tmp_path / "a.jsonl")

    def ask(**settings) -> ScoreRequest:
        common = {"models": {"": model}, "files": [str(path)], "reading": Reading(), "threads": 1}
        return ScoreRequest(**(common | {"longest": 1e6} | settings))

    return ask


def read(path) -> list[dict]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_scores_go_to_a_file(ask, tmp_path):
    summary = ask(output=str(tmp_path / "o.jsonl"), columns=["perplexity", "tokens"]).run()
    scores = list(make_model().score(TEXTS))
    found = read(tmp_path / "o.jsonl")
    assert [row["text"] for row in found] == TEXTS
    assert [row["tokens"] for row in found] == [score.tokens for score in scores]
    assert summary.counts["records"] == len(TEXTS)
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "a.jsonl",
        "m.safetensors",
        "o.jsonl",
    ]


def test_percentiles_of_the_records_themselves(ask, tmp_path):
    out, left = tmp_path / "o.jsonl", tmp_path / "left.jsonl"
    asked = ask(output=str(out), rejected=str(left), calibrate="first", keep_percentile=60,
                buckets=(30, 60), columns=["perplexity"])  # fmt: skip
    asked.run()
    kept, rejected = read(out), read(left)
    assert abs(len(kept) - 0.6 * (len(TEXTS) - 1)) <= 1
    assert len(kept) + len(rejected) == len(TEXTS)
    assert {row["bucket"] for row in kept} == {"head", "middle"}
    assert max(row["perplexity"] for row in kept) < 1e9
    (none,) = (row for row in rejected if row["text"] == "")
    assert none["reason"] == "no perplexity"
    assert all("percentile 60" in row["reason"] for row in rejected if row["text"])


def test_a_calibration_file_gives_the_same(ask, tmp_path):
    path = tmp_path / "c.json"
    ask().calibration("perplexity").write(path)
    for name, calibrate in (("a", "first"), ("b", {"": str(path)})):
        ask(output=str(tmp_path / name), calibrate=calibrate, keep_percentile=30).run()
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


def test_a_calibration_for_each_model(ask, tmp_path):
    models = {"en": model_file(tmp_path, "en", 1), "de": model_file(tmp_path, "de", 2)}
    out = tmp_path / "o.jsonl"
    ask(models=models, by="lang", output=str(out), calibrate="first", keep_percentile=50).run()
    kept = [row["lang"] for row in read(out)]
    assert abs(kept.count("en") - 11.5) <= 1
    assert abs(kept.count("de") - 11.5) <= 1


def test_what_is_finished_is_not_done_again(ask, tmp_path):
    out = tmp_path / "o.jsonl"
    asked = ask(output=str(out), resume=True)
    first = asked.run().to_dict()
    before = out.stat().st_mtime_ns
    assert asked.run().to_dict() == first
    assert out.stat().st_mtime_ns == before
    out.unlink()
    with pytest.raises(ConfigError, match="No such file"):
        asked.run()


def test_another_model_input_or_setting_is_refused(ask, tmp_path):
    out = tmp_path / "o.jsonl"
    asked = {"output": str(out), "resume": True}
    ask(**asked).run()
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    other = model_file(tmp_path, "other", 1)
    lines = write_lines(tmp_path / "b.txt")
    for change, told in (
        ({"models": {"": other}}, "its models"),
        ({"files": [str(lines)]}, "its input"),
        ({"prefix": "lm_"}, "its prefix"),
        ({"shard": (1, 2)}, "its shard"),
    ):
        with pytest.raises(ConfigError, match=f"is of another run: {told}.*start over without"):
            ask(**(asked | change)).run()
    (tmp_path / "other").unlink()
    lines.unlink()
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before
    path = tmp_path / "a.jsonl"
    path.write_bytes(path.read_bytes() + b"\n")
    with pytest.raises(ConfigError, match="its input"):
        ask(**asked).run()


def test_an_error_leaves_nothing(ask, tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_bytes(path.read_bytes() + b"no JSON\n")
    for name in ("o.jsonl", "o.jsonl.gz"):
        with pytest.raises(CorpusError, match="line 48"):
            ask(output=str(tmp_path / name)).run()
        assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", "m.safetensors"]


def test_outputs_that_there_are(ask, tmp_path):
    out = tmp_path / "o.jsonl"
    out.write_text("mine\n")
    for settings in ({"output": str(out)}, {"output": str(tmp_path / "new"), "rejected": str(out)}):
        with pytest.raises(ConfigError, match=r"o\.jsonl exists; .*--force"):
            ask(**settings).run()
        assert out.read_text() == "mine\n"
    ask(output=str(out), force=True).run()
    assert len(read(out)) == len(TEXTS)
    with FileLock(tmp_path / "p.lock") as lock:
        assert lock.acquire()
        with pytest.raises(ConfigError, match="being written by another process"):
            ask(output=str(tmp_path / "p")).run()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"by": "lang"}, "--models and --by need each other"),
        ({"keep_percentile": 60}, "add --calibrate FILE"),
        ({"calibrate": "first"}, "add --keep-percentile or --buckets"),
        ({"calibrate": {"en": "c"}, "keep_percentile": 60}, "a file for each model"),
        ({"resume": True}, "--resume needs an output; add -o"),
        ({"force": True}, "--force needs an output"),
        ({"output": "o", "rejected": "o"}, "are the same file"),
        ({"files": ["-"], "output": "o", "resume": True}, "--resume reads twice"),
        ({"files": ["-"], "calibrate": "first", "keep_percentile": 60}, "--calibrate first reads"),
        ({"columns": ["ppl"]}, "a score has no 'ppl'; choose from log_prob, "),
        ({"files": ["gone.jsonl"]}, "no such file"),
        ({"keep_percentile": 0, "calibrate": "first"}, "--keep-percentile is 0"),
    ],
)
def test_what_makes_no_sense(ask, tmp_path, monkeypatch, settings, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FastlmError, match=message):
        ask(**settings).run()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", "m.safetensors"]


def test_lines_have_no_fields(ask, tmp_path):
    lines = [str(write_lines(tmp_path / "b.txt"))]
    for settings, message in (
        ({"models": {"en": model_file(tmp_path)}, "by": "lang"}, "--by needs records with fields"),
        ({"tokens": True}, "--tokens needs JSON"),
        ({"columns": ["oov"]}, "--columns needs JSON"),
        ({"buckets": (30, 60), "calibrate": "first"}, "--buckets needs JSON; add --json"),
    ):
        with pytest.raises(ConfigError, match=message):
            ask(files=lines, **settings).run()
    with pytest.raises(ConfigError, match=r"b\.txt is read and written"):
        ask(files=lines, output=lines[0], force=True).run()


def test_tables(ask, tmp_path):
    parquet = pytest.importorskip("pyarrow.parquet")
    path = write_parquet(tmp_path / "a.parquet")
    out = tmp_path / "o.parquet"
    ask(files=[str(path)], output=str(out), prefix="lm_").run()
    table, source = parquet.read_table(out), parquet.read_table(path)
    assert table.select(source.column_names) == source
    assert table.column("lm_tokens").to_pylist() == [s.tokens for s in make_model().score(TEXTS)]
    with pytest.raises(ConfigError, match="--tokens needs JSON"):
        ask(files=[str(path)], output=str(tmp_path / "p.parquet"), tokens=True).run()
    with pytest.raises(CorpusError, match="no column 'body'"):
        ask(files=[str(path)], reading=Reading(field="body"), output=str(tmp_path / "p")).run()
    assert not (tmp_path / "p").exists()


def test_folders_and_patterns(ask, tmp_path):
    pytest.importorskip("pyarrow")
    folder = tmp_path / "in"
    folder.mkdir()
    write_parquet(folder / "b.parquet", ["b"])
    write_json(folder / "a.jsonl", ["a"])
    for files in ([str(folder)], [f"{folder}/*"]):
        ask(files=files, output=str(tmp_path / "o.jsonl"), force=True).run()
        assert [row["text"] for row in read(tmp_path / "o.jsonl")] == ["a", "b"]


def test_what_cannot_be_written_is_told_at_once(ask, tmp_path, monkeypatch):
    monkeypatch.setattr(ScoreRequest, "_calibrations", lambda *arguments: pytest.fail("it began"))
    gone = str(tmp_path / "gone" / "o.jsonl")
    out = str(tmp_path / "o.jsonl")
    for settings in ({"output": gone}, {"output": out, "rejected": gone},
                     {"output": out, "summary": gone}):  # fmt: skip
        with pytest.raises(ConfigError, match="gone: no such folder for"):
            ask(**settings).run()


@pytest.mark.skipif(os.name == "nt", reason="a device of POSIX")
def test_devices_are_no_outputs(ask):
    for settings in ({"output": "/dev/null"}, {"output": "/dev/null", "force": True}):
        with pytest.raises(ConfigError, match="/dev/null is not a regular file"):
            ask(**settings).run()
    assert not os.path.isfile("/dev/null")
