"""`fastlm score`: a stream in, scores or a part of the stream out."""

from __future__ import annotations

import gzip
import io
import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fastlm.api.language_model import LanguageModel
from fastlm.cli import main
from fastlm.tokenizers import Tokenizer

from ..conftest import Outcome, assert_one_line, make_model

LINES = ["the quick brown fox", "", "zzzz", "lazy\tdog", "  the end "]

SCORES = [
    "log_prob", "tokens", "oov", "log_prob_without_oov", "chars", "bytes",
    "perplexity", "perplexity_without_oov", "bits_per_char", "bits_per_byte",
]  # fmt: skip


@pytest.fixture
def feed(monkeypatch):
    """Put bytes on standard input."""

    def feed(data: bytes) -> None:
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))

    return feed


@pytest.fixture
def names(tmp_path):
    """A model whose documents are lines."""
    path = tmp_path / "names.safetensors"
    make_model(documents="lines").save(path)
    return path


def scores_of(model, texts, **options):
    return list(LanguageModel.load(model).score(texts, **options))


def jsonl(*objects: object) -> bytes:
    return b"".join(json.dumps(each).encode() + b"\n" for each in objects)


def write_as_named(path: Path, data: bytes) -> None:
    """Write a file, compressed as its name says."""
    if path.suffix == ".gz":
        data = gzip.compress(data)
    elif path.suffix == ".zst":
        data = pytest.importorskip("backports.zstd").compress(data)
    path.write_bytes(data)


def assert_stops(outcome: Outcome, *parts: str) -> None:
    """Check that a run ended with one line on standard error, whatever it wrote before."""
    assert_one_line(Outcome(outcome.code, "", outcome.err), 1, *parts)


# ---------------------------------------------------------------------------- what is written


def test_lines_give_columns(run, names, tmp_path):
    path = tmp_path / "in.txt"
    path.write_text("\n".join(LINES), encoding="utf-8")
    outcome = run("score", names, path)
    assert (outcome.code, outcome.err) == (0, "")
    rows = [line.split("\t", 4) for line in outcome.out.split("\n")]
    assert rows.pop() == [""]
    for row, text, score in zip(rows, LINES, scores_of(names, LINES), strict=True):
        assert row[4] == text
        assert float(row[0]) == pytest.approx(score.perplexity, rel=1e-5)
        assert float(row[1]) == pytest.approx(score.log_prob, rel=1e-5)
        assert (int(row[2]), int(row[3])) == (score.tokens, score.oov)


@pytest.mark.skipif(os.name == "nt", reason="a shell of POSIX")
def test_the_guides_way_to_the_likeliest_lines(run, model, tmp_path):
    guide = (Path(__file__).parents[3] / "docs" / "guide.md").read_text(encoding="utf-8")
    (pipe,) = re.findall(r"`… \| (.*)`", guide)
    lines = ["", *LINES, "", "the dog"]
    (tmp_path / "in.txt").write_text("\n".join(lines), encoding="utf-8")
    scored = run("score", model, tmp_path / "in.txt").out
    done = subprocess.run(
        pipe, shell=True, input=scored, capture_output=True, text=True, check=True
    )
    order = sorted(filter(None, lines), key=lambda line: scores_of(model, [line])[0].perplexity)
    assert [line.split("\t", 4)[4] for line in done.stdout.splitlines()] == order


def test_lines_give_json(run, model, feed):
    feed("\ufeffthe fox\r\nthé\n".encode())
    outcome = run("score", model, "--json")
    assert (outcome.code, outcome.err) == (0, "")
    found = [json.loads(line) for line in outcome.out.splitlines()]
    assert found == [
        {"text": text, **score.to_dict()}
        for text, score in zip(
            ["the fox", "thé"], scores_of(model, ["the fox", "thé"]), strict=True
        )
    ]
    assert list(found[0]) == ["text", *SCORES]


@pytest.mark.parametrize("name", ["in.jsonl", "in.ndjson", "in.JSONL.gz", "in.jsonl.zst"])
def test_json_lines_come_back_with_scores(run, model, tmp_path, name):
    path = tmp_path / name
    data = b'{"id": 1.50, "text": "the \\u0066ox", "n": 1e2}\n\n  {"text" :"dog" } \r\n'
    write_as_named(path, data)
    outcome = run("score", model, path)
    assert (outcome.code, outcome.err) == (0, "")
    first, second = outcome.out.splitlines()
    assert first.startswith('{"id": 1.50, "text": "the \\u0066ox", "n": 1e2, "log_prob": -')
    fox, dog = scores_of(model, ["the fox", "dog"])
    assert json.loads(first) == {"id": 1.5, "text": "the fox", "n": 100.0} | fox.to_dict()
    assert json.loads(second) == {"text": "dog"} | dog.to_dict()


@pytest.mark.parametrize("name", ["in.txt.gz", "in.txt.zst", "in.zst", "in.GZ"])
def test_compressed_lines(run, model, feed, tmp_path, name):
    data = b"the fox\r\n\n" + b"dog\n" * 3
    feed(data)
    expected = run("score", model).out
    write_as_named(tmp_path / name.lower(), data)
    (tmp_path / name.lower()).rename(tmp_path / name)
    assert run("score", model, name) == Outcome(0, expected, "")


def test_the_field_can_be_named(run, model, feed):
    feed(jsonl({"body": "the fox", "text": None}))
    outcome = run("score", model, "--field", "body", "--tokens")
    found = json.loads(outcome.out)
    (score,) = scores_of(model, ["the fox"], return_tokens=True)
    assert found["token_strings"] == list("the fox")
    assert found["token_log_probs"] == score.token_log_probs.tolist()


def test_scores_do_not_replace_fields(run, model, feed):
    data = jsonl({"text": "the"}, {"text": "fox", "tokens": 7})
    feed(data)
    outcome = run("score", model, "--field", "text")
    assert len(outcome.out.splitlines()) == 1
    assert_stops(outcome, "line 2", "'tokens'", "--prefix")
    feed(data)
    outcome = run("score", model, "--field", "text", "--prefix", "lm_")
    found = json.loads(outcome.out.splitlines()[1])
    assert list(found) == ["text", "tokens", *(f"lm_{name}" for name in SCORES)]
    assert found["tokens"] == 7


def test_the_end_counts_as_said(run, model, names):
    for path, option, tokens in (
        (model, None, 4), (model, "--count-end", 5), (names, None, 5), (names, "--no-count-end", 4),
    ):  # fmt: skip
        sys.stdin = io.TextIOWrapper(io.BytesIO(b"abcd\n"))
        try:
            outcome = run("score", path, *([option] if option else []))
        finally:
            sys.stdin = sys.__stdin__
        assert outcome.out.split("\t")[2] == str(tokens)


# ---------------------------------------------------------------------------- filters


def test_limits_keep_records_unchanged(run, model, feed):
    perplexities = [score.perplexity for score in scores_of(model, LINES)]
    limit = sorted(value for value in perplexities if value == value)[1]
    data = "\r\n".join(LINES).encode()
    feed(data)
    kept = run("score", model, "--max-perplexity", limit + 1e-9).out
    expected = [
        line for line, value in zip(LINES, perplexities, strict=True) if value <= limit + 1e-9
    ]
    assert len(expected) == 2
    assert kept.split("\r\n") == expected
    feed(data)
    rest = run("score", model, "--min-perplexity", limit + 1e-9).out
    left = [line for line in LINES if line and line not in expected]
    assert rest == "".join(f"{line}\r\n" for line in left)


@pytest.mark.parametrize(
    "data",
    [
        b"the fox\r\nthe\rdog\nand\x0bfox\r\n\rlazy",
        b'{"text": "the"}\r\n {"text" : "fox" }\t\n{"text": "dog"}',
    ],
)
def test_a_filter_that_keeps_everything_changes_no_byte(model, capfdbinary, tmp_path, data):
    path = tmp_path / ("a.jsonl" if data.startswith(b"{") else "a.txt")
    path.write_bytes(data)
    assert main(["score", str(model), str(path), "--min-perplexity", "0"]) == 0
    assert capfdbinary.readouterr().out == data.replace(b"\n\r", b"\n")  # no record, no figure


def test_a_byte_order_mark_is_no_part_of_a_record(run, model, feed):
    mark = "\ufeff".encode()
    feed(mark + jsonl({"text": "the"}) + mark + jsonl({"text": "fox"}))
    outcome = run("score", model, "--field", "text")
    assert [json.loads(line)["text"] for line in outcome.out.splitlines()] == ["the", "fox"]
    feed(mark + b"the\n")
    assert run("score", model).out.endswith("\tthe\n")
    feed(mark + b"the\n")
    assert run("score", model, "--min-perplexity", 0).out == "the\n"


def test_the_encoding_and_what_cannot_be_decoded(run, model, tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes("thé fox\n".encode("latin-1"))
    assert_one_line(run("score", model, path), 1, "line 1", "0xE9", "--encoding")
    found = json.loads(run("score", model, path, "--encoding", "latin-1", "--json").out)
    (score,) = scores_of(model, ["thé fox"])
    assert found == {"text": "thé fox"} | score.to_dict()
    assert run("score", model, path, "--encoding", "latin-1").out.endswith("\tthé fox\n")
    assert run("score", model, path, "--errors", "replace").out.endswith("\tth\ufffd fox\n")
    path.write_text("thé\nfox\n", encoding="utf-16")
    rows = run("score", model, path, "--encoding", "utf-16").out.splitlines()
    assert [row.split("\t")[4] for row in rows] == ["thé", "fox"]


def test_limits_on_bits_and_with_json(run, model, feed):
    objects = [{"text": text, "id": number} for number, text in enumerate(LINES)]
    bits = [score.bits_per_char for score in scores_of(model, LINES)]
    high = max(value for value in bits if not math.isnan(value))
    feed(jsonl(*objects))
    outcome = run("score", model, "--field", "text", "--max-bits", high - 1e-9)
    kept = [json.loads(line) for line in outcome.out.splitlines()]
    assert kept == [each for each, value in zip(objects, bits, strict=True) if value < high]
    feed(jsonl(*objects))
    outcome = run("score", model, "--field", "text", "--min-bits", high - 1e-9, "--json")
    assert json.loads(outcome.out)["bits_per_char"] == pytest.approx(high)


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (("--max-perplexity", "nan"), ("--max-perplexity is nan", "at least 0")),
        (("--min-bits", "-1"), ("--min-bits is -1.0",)),
        (("--min-bits", "3", "--max-bits", "2"), ("--min-bits is 3.0", "2.0")),
        (("--tokens",), ("--json",)),
        (("--threads", "0"), ("threads is 0",)),
    ],
)
def test_options_that_make_no_sense(run, model, feed, options, parts):
    feed(b"the fox\n")
    assert_one_line(run("score", model, *options), 1, *parts)


# ---------------------------------------------------------------------------- bad input


@pytest.mark.parametrize(
    ("line", "parts"),
    [
        (b'{"txt": "fox"}', ("line 2", "no field 'text'", "'txt'", "--field")),
        (b"{}", ("line 2", "no field 'text'")),
        (b'{"text": null}', ("line 2", "'text' is a JSON null, not a string")),
        (b'{"text": ["fox"]}', ("line 2", "JSON array")),
        (b'["text"]', ("line 2", "a JSON array, not an object")),
        (b'{"text": "fox"', ("line 2", "not JSON", "column")),
        (b"fox", ("line 2", "not JSON")),
        (b'{"text": "f\xe9x"}', ("line 2", "0xE9", "offset 11", "UTF-8")),
        (b'{"text": "a\\ud800b"}', ("line 2", "lone surrogate U+D800")),
        (b"[" * 100_000, ("line 2",)),
        (b'{"text": ' + b"1" * 5000 + b"}", ("line 2",)),
    ],
)
def test_a_bad_record_is_told_with_its_line_or_left_out_and_counted(run, model, feed, line, parts):
    data = jsonl({"text": "the"}) + line + b"\n" + jsonl({"text": "fox"})
    feed(data)
    outcome = run("score", model, "--field", "text")
    assert len(outcome.out.splitlines()) == 1
    assert_stops(outcome, "standard input", "--skip-bad", *parts)
    feed(data)
    outcome = run("score", model, "--field", "text", "--skip-bad")
    assert outcome.code == 0
    assert len(outcome.out.splitlines()) == 2
    assert re.match("left out 1 bad record: standard input, line 2: ", outcome.err)
    assert len(outcome.err.splitlines()) == 1


def test_several_bad_records_are_counted(run, model, feed):
    feed(b"the\n\xff\nfox\n\xfe\n\xed\xa0\x80\nend")
    outcome = run("score", model, "--skip-bad")
    assert [line.split("\t")[4] for line in outcome.out.splitlines()] == ["the", "fox", "end"]
    assert "left out 3 bad records, the first: standard input, line 2" in outcome.err


def test_records_that_cannot_be_encoded_take_linear_time(run, feed, tmp_path, monkeypatch):
    encoded = []
    encode = Tokenizer.encode
    monkeypatch.setattr(
        Tokenizer, "encode", lambda self, text: encoded.append(len(text)) or encode(self, text)
    )
    path = tmp_path / "mini.safetensors"
    make_model(kind="word", unk=False).save(path)
    data = b"zz\n" * 700 + b"fox the dog jumps\n" + b"zz\nfox the dog jumps\n" * 700
    feed(data)
    outcome = run("score", path, "--skip-bad", "--threads", "1")
    assert [line.split("\t")[4] for line in outcome.out.splitlines()] == ["fox the dog jumps"] * 701
    assert outcome.err.startswith("left out 1,400 bad records, the first: standard input, line 1: ")
    assert sum(encoded) < 4 * len(data)


def test_odd_text_has_a_score(run, model, feed):
    feed("a\0b\nэто кот\n\n\r\n".encode())
    outcome = run("score", model)
    rows = [line.split("\t") for line in outcome.out.split("\n")][:-1]
    assert [row[2:] for row in rows] == [
        ["3", "1", "a\0b"], ["7", "6", "это кот"], ["0", "0", ""], ["0", "0", ""],
    ]  # fmt: skip
    assert rows[2][:2] == ["nan", "0"]


def test_files_that_cannot_be_read(run, model, tmp_path):
    assert_one_line(run("score", model, "absent.txt"), 1, "absent.txt", "no such file")
    assert_one_line(run("score", model, tmp_path), 1, "holds no text file")
    whole = gzip.compress(b"the fox\n" * 1000)
    for name, data, reason in (
        ("cut.gz", whole[:-20], "ends early, after 1,041 bytes of text"),
        ("odd.gz", whole[:30], "ends early"),
        ("text.gz", b"the fox", "does not begin as a .gz file does"),
    ):
        (tmp_path / name).write_bytes(data)
        assert_stops(run("score", model, name), name, reason)


def test_nothing_in_nothing_out(run, model, feed):
    feed(b"")
    assert run("score", model) == Outcome(0, "", "")


# ---------------------------------------------------------------------------- streams


def test_long_lines_and_blocks_of_any_size(run, model, feed, monkeypatch):
    texts = ["the fox " * 40, "", "dog", "quick" * 30, "é" * 9]
    data = "\n".join(texts).encode()
    feed(data)
    expected = run("score", model).out
    assert [line.split("\t")[4] for line in expected.splitlines()] == texts
    for size in (1, 7, 64):
        monkeypatch.setattr("fastlm.text.sources._TAKEN", size)
        feed(data)
        assert run("score", model).out == expected


def test_a_line_that_the_memory_does_not_hold(run, model, feed, monkeypatch):
    monkeypatch.setattr("fastlm.text.sources._TAKEN", 16)
    monkeypatch.setattr("fastlm.system.resources.usable_memory", lambda: 800)
    feed(b"the\n" + b"fox" * 40)
    outcome = run("score", model)
    assert len(outcome.out.splitlines()) == 1
    assert_stops(outcome, "line 2 is longer than 100 bytes", "memory")


@pytest.mark.thorough
def test_what_comes_is_answered_at_once_and_a_closed_pipe_is_no_error(model):
    with subprocess.Popen(
        [sys.executable, "-m", "fastlm", "score", str(model), "--threads", "1"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    ) as process:
        process.stdin.write(b"the fox\n")
        process.stdin.flush()
        assert process.stdout.readline().endswith(b"\tthe fox\n")
        process.stdout.close()
        process.stdin.write(b"the fox\n" * 100)
        process.stdin.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


def test_a_terminal_gets_no_control_characters(model, feed, monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    for options in ((), ("--min-perplexity", "0")):
        feed(b"the\x1b[2J\tfox\r\n")
        monkeypatch.setattr(sys, "stdout", terminal := Terminal())
        assert main(["score", str(model), *options]) == 0
        assert terminal.getvalue().endswith("the\\u001b[2J\tfox\n")


# ---------------------------------------------------------------------------- files, jobs


def test_files_and_what_is_asked_of_them(run, model, tmp_path):
    objects = [{"text": text, "lang": "en"} for text in ["the quick brown fox", "the dog", "zzzz"]]
    (tmp_path / "a.jsonl").write_bytes(jsonl(*objects))
    (tmp_path / "b.jsonl").write_bytes(jsonl(*objects[:1]))
    outcome = run("score", model, "a.jsonl", "b.jsonl", "-o", "o.jsonl", "--columns", "tokens, oov",
                  "--summary", "s.json", "--resume")  # fmt: skip
    assert (outcome.code, outcome.out) == (0, "")
    found = [json.loads(line) for line in (tmp_path / "o.jsonl").read_text().splitlines()]
    assert found == [
        each | {"tokens": len(each["text"]), "oov": 0} for each in [*objects, objects[0]]
    ]
    summary = json.loads((tmp_path / "s.json").read_text())
    assert (summary["records"], summary["tokens"]) == (4, 49)
    shard = ("--shard", "1/2", "--prefix", "x_")
    outcome = run("score", "--models", f"en={model}", "--by", "lang", "a.jsonl", "b.jsonl", *shard)
    assert outcome.out.count('"x_tokens"') == 3
    outcome = run("score", model, "a.jsonl", "-o", "o.jsonl", "--resume")
    assert_one_line(outcome, 1, "o.jsonl.journal is of another run", "its input")
    assert_one_line(run("score", model, "a.jsonl", "-o", "o.jsonl"), 1, "exists", "--force")


@pytest.mark.parametrize(
    ("options", "parts"),
    [
        (("--shard", "17/16"), ("--shard is '17/16'", "K/N", "3/16")),
        (("--shard", "0/2"), ("--shard",)),
        (("--shard", "two"), ("--shard",)),
        (("--buckets", "30"), ("--buckets is '30'", "30,60")),
        (("--models", "en"), ("--models is 'en'",)),
        (("--models", "en=a,en=b"), ("--models",)),
        (("--resume",), ("--resume needs an output",)),
    ],
)
def test_options_of_jobs_that_make_no_sense(run, model, feed, options, parts):
    feed(b"the fox\n")
    assert_one_line(run("score", model, *options), 1, *parts)


def test_no_model_is_named(run):
    assert_one_line(run("score"), 2, "name a MODEL")


def test_a_warning_is_one_line_and_comes_once(run, model, feed):
    feed("Привет, мир\n".encode() * 300)
    outcome = run("score", model)
    assert outcome.code == 0
    assert len(outcome.out.splitlines()) == 300
    assert outcome.err.startswith("warning: most letters of the text are Cyrillic")
    assert len(outcome.err.splitlines()) == 1
