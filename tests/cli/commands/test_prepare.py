"""`fastlm prepare`, and token stores where other commands take text."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fastlm.data.token_store import TokenStore

from ..conftest import SMALL, TEXT, Run, assert_one_line


def test_prepare_then_train_then_eval(run: Run, corpus: Path, tmp_path: Path) -> None:
    done = run("prepare", corpus, "-o", "s.tokens", "--valid", "0")
    assert done.code == 0, done
    assert done.out == "next\n  fastlm train s.tokens\n"
    assert "corpus      corpus.txt (" in done.err
    assert f"tokens      {len(TEXT) + 1:,} to train on\n" in done.err
    trained = run("train", "s.tokens", "-o", "m.safetensors", *SMALL, "--steps", "5", "--quiet")
    assert (trained.code, trained.out, trained.err) == (0, "", "")
    figures = [
        json.loads(run("eval", "m.safetensors", name, "--json").out)
        for name in ("s.tokens", corpus)
    ]
    assert figures[0] == pytest.approx(figures[1], rel=1e-9)


@pytest.mark.parametrize("documents", ["lines", "paragraphs"])
def test_eval_counts_the_ends_of_documents(run: Run, tmp_path: Path, documents: str) -> None:
    (tmp_path / "a.txt").write_text("\n\n one\ntwo\n\n\n" * 20 + "the end", encoding="utf-8")
    how = ("--documents", documents)
    assert run("prepare", "a.txt", "-q", *how, "-o", "s", "--valid", "0").code == 0
    assert run("train", "s", "-o", "m", *SMALL, "--steps", "5", "--quiet").code == 0
    first, second = (json.loads(run("eval", "m", name, "--json").out) for name in ("s", "a.txt"))
    assert first == pytest.approx(second, rel=1e-9)
    other = "file"
    assert_one_line(
        run("eval", "m", "s", "--documents", other), 1, f"--documents {documents}, not {other}"
    )


def test_the_tokenizer_of_a_model_or_a_store(run: Run, corpus: Path, model: Path) -> None:
    for name in (model, "s"):
        assert run("prepare", corpus, "-o", "s", "--tokenizer-from", name, "-q").code == 0
        assert run("eval", model, "s").code == 0
    assert_one_line(
        run("prepare", corpus, "--tokenizer-from", "s", "--tokenizer", "word"),
        1, "leave out --tokenizer, --vocab, --min-count and --max-vocab",
    )  # fmt: skip
    run("prepare", corpus, "-o", "t", "--tokenizer", "word", "-q")
    assert_one_line(run("eval", model, "t"), 1, "made with the tokenizer word, not char")


def test_a_model_without_end_symbols(run: Run, corpus: Path) -> None:
    run("train", corpus, "-o", "m", "--preset", "tiny", "--steps", "5", "--quiet")
    run("prepare", corpus, "-o", "s", "--tokenizer-from", "m", "-q")
    assert_one_line(run("eval", "m", "s"), 1, "has no boundary tokens", "evaluate the text itself")


def test_check(run: Run, corpus: Path, tmp_path: Path) -> None:
    run("prepare", corpus, "-o", "s", "-q")
    done = run("prepare", "--check", "s")
    assert (done.code, done.out) == (0, "OK          complete, checksum matches\n")
    path = tmp_path / "s"
    data = bytearray(path.read_bytes())
    data[80] ^= 1
    path.write_bytes(data)
    assert_one_line(run("prepare", "--check", "s"), 1, "s is damaged or was altered", "checksum")
    assert_one_line(run("prepare", "--check", corpus), 1, "is not a token store")
    assert_one_line(run("prepare", "--check"), 1, "--check needs the name")


def test_json_lines_with_bad_lines(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"body": "some text"}\n{"text": 1}\n{"body": "more"}\n')
    assert_one_line(
        run("prepare", "a.jsonl", "--field", "body"), 1, "a.jsonl, line 2: no field 'body'",
        "--skip-bad",
    )  # fmt: skip
    done = run("prepare", "a.jsonl", "--field", "body", "--skip-bad", "-o", "s")
    assert done.code == 0
    assert "left out    1 line was left out, the first: a.jsonl, line 2" in done.err
    assert TokenStore.open(tmp_path / "s").count == 15
    trained = run("train", "a.jsonl", "--field", "body", "--skip-bad", *SMALL, "--steps", "2")
    assert trained.code == 0, trained
    assert "1 line was left out" in trained.err


def test_another_encoding(run: Run, tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("Ünïcödé text".encode("latin-1"))
    assert_one_line(run("prepare", "a.txt"), 1, "not valid UTF-8", "--encoding")
    assert run("prepare", "a.txt", "--encoding", "latin-1", "-o", "s", "-q").code == 0
    store = TokenStore.open(tmp_path / "s")
    assert store.tokenizer.decode(store.ids) == "Ünïcödé text"
    assert run("prepare", "a.txt", "--errors", "replace", "-o", "s", "-q").code == 0
    assert run("train", "a.txt", "--encoding", "latin-1", *SMALL, "--steps", "1", "-q").code == 0
    assert_one_line(run("train", "a.txt", "--errors", "ignore"), 1, "errors is 'ignore'")


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["gone.txt"], ["gone.txt: no such file"]),
        (["empty"], ["the folder empty holds no file"]),
        (["corpus.txt", "--tokenizer", "klingon"], ["choose one of", "klingon"]),
        (["corpus.txt", "--valid", "2"], ["above 0 and below 1, got 2"]),
        (["corpus.txt", "--threads", "0"], ["threads is 0; give a whole number"]),
        (["corpus.txt", "-o", "no/s"], ["no such folder"]),
        (["corpus.txt", "-o", "corpus.txt"], ["exists and is not a token store"]),
        (["corpus.txt", "-o", "empty"], ["is a folder; name a file in it, e.g."]),
    ],
)
def test_bad_input(run: Run, corpus: Path, tmp_path: Path, arguments: list[str], parts) -> None:
    (tmp_path / "empty").mkdir()
    assert_one_line(run("prepare", *arguments), 1, *parts)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["corpus.txt", "empty"]
    assert corpus.read_text(encoding="utf-8") == TEXT


def test_an_interruption(run: Run, corpus: Path, tmp_path: Path, monkeypatch) -> None:
    def interrupt(*arguments: object, **settings: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("fastlm.data.token_store.StoreWriter.write", interrupt)
    done = run("prepare", corpus)
    assert done.code == 130
    assert done.err == "interrupted; nothing is saved\n"
    assert [path.name for path in tmp_path.iterdir()] == ["corpus.txt"]


def test_large_text_is_kept_in_the_cache_or_not(
    run: Run, corpus: Path, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr("fastlm.data.dataset.IN_MEMORY", 100)
    monkeypatch.setenv("FASTLM_CACHE", str(tmp_path / "cache"))
    assert run("train", corpus, *SMALL, "--steps", "1", "--no-cache").code == 0
    assert not (tmp_path / "cache").exists()
    assert run("train", corpus, *SMALL, "--steps", "1").code == 0
    assert len(list((tmp_path / "cache").iterdir())) == 1
