"""Text of any size to a token store."""

from __future__ import annotations

import errno
import gzip
import json
import os
import shutil
import signal
import subprocess
import sys

import numpy as np
import pytest

import fastlm
from fastlm.callbacks import Callback, Preparing
from fastlm.data.encode import EncodingJob
from fastlm.data.prepare import write_store
from fastlm.data.scan import scan_corpus
from fastlm.data.spool import InputCopy
from fastlm.data.token_store import StoreWriter, TokenStore
from fastlm.errors import CorpusError, StoreError, TokenizerError
from fastlm.text.paths import inputs_of
from fastlm.tokenizers import ByteTokenizer, build_tokenizer
from fastlm.tokenizers.spec import TokenizerSpec

from .test_encode import KINDS, MODES, TEXT


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", MODES)
def test_stores_have_the_same_bytes_for_any_blocks_and_threads(tmp_path, kind, mode):
    (tmp_path / "a.txt").write_bytes(TEXT.replace("\n", "\r\n").encode())
    stores = set()
    for block, threads in ((3, 2), (64, 3), (1000, 1), (1 << 20, 2)):
        scan = scan_corpus(inputs_of(tmp_path / "a.txt"))
        spec = TokenizerSpec(kind=kind)
        job = EncodingJob(scan, spec, mode, 0.2, threads=threads, block_bytes=block)
        write_store(job, tmp_path / "s")
        stores.add((tmp_path / "s").read_bytes())
    assert len(stores) == 1


def test_chunks_of_the_file_change_nothing(tmp_path, monkeypatch):
    data = ("é\r\n猫 word\r" * 50).encode()
    (tmp_path / "a.txt").write_bytes(data)
    whole = fastlm.prepare(tmp_path / "a.txt", tmp_path / "s", tokenizer="word").ids.tolist()
    for size in (1, 2, 3, 5, 7):
        monkeypatch.setattr("fastlm.text.compression._CHUNK", size)
        again = fastlm.prepare(tmp_path / "a.txt", tmp_path / "s", tokenizer="word")
        assert again.ids.tolist() == whole


# ---------------------------------------------------------------------------- prepare


def test_prepare(tmp_path):
    (tmp_path / "a.txt").write_text(TEXT, encoding="utf-8")
    store = fastlm.prepare(str(tmp_path / "a.txt"), tmp_path / "a.tokens", tokenizer="word")
    assert isinstance(store, fastlm.TokenStore)
    again = TokenStore.open(tmp_path / "a.tokens", check=True)
    assert again.metadata == store.metadata
    assert store.metadata["valid_fraction"] == 0.05
    assert store.valid_ids.size / store.count == pytest.approx(0.05, abs=0.01)
    assert store.metadata["sources"][0][:2] == [
        str(tmp_path / "a.txt"), (tmp_path / "a.txt").stat().st_size,
    ]  # fmt: skip
    assert store.tokenizer.decode(store.train_ids[:5]).startswith("Line 0: né")


def test_a_little_text_is_not_split_unless_it_is_asked_for(tmp_path):
    store = fastlm.prepare(None, tmp_path / "s", texts=["some text", "and more"])
    assert store.valid_ids.size == 0
    assert store.metadata["valid_fraction"] is None
    store = fastlm.prepare(None, tmp_path / "t", texts=["some text", "so some"], valid=0.5)
    assert store.tokenizer.decode(store.valid_ids, boundary="|") == "t|so some|"
    with pytest.raises(CorpusError, match="too short to hold out"):
        fastlm.prepare(None, tmp_path / "s", texts=["one", "\n"], valid=0.01, documents="lines")


def test_the_default_corpus(tmp_path):
    store = fastlm.prepare(None, tmp_path / "s", tokenizer="byte")
    assert store.count > 400_000


def test_a_generator_and_standard_input(tmp_path, monkeypatch):
    store = fastlm.prepare(None, tmp_path / "s", texts=(f"text {n}" for n in range(50)))
    assert store.tokenizer.decode(store.ids, boundary="|").startswith("text 0|text 1|")
    with (tmp_path / "in").open("wb") as file:
        file.write(TEXT.encode())
    with (tmp_path / "in").open(encoding="utf-8") as file:
        monkeypatch.setattr(sys, "stdin", file)
        store = fastlm.prepare("-", tmp_path / "t", valid=0)
    assert store.tokenizer.decode(store.ids) == TEXT
    assert sorted(os.listdir(tmp_path)) == ["in", "s", "t"]


def test_a_vocabulary_and_a_tokenizer_of_ones_own(tmp_path):
    (tmp_path / "v").write_text("Line\nand\n")
    store = fastlm.prepare(
        None, tmp_path / "s", texts=[TEXT], tokenizer="word", vocab=tmp_path / "v"
    )
    assert store.tokenizer.vocab_size == 4
    assert store.metadata["train"]["unknown"] > 1000
    own = ByteTokenizer(boundary=False)
    store = fastlm.prepare(None, tmp_path / "t", texts=["ab", "c"], tokenizer=own)
    assert store.ids.tolist() == list(b"abc")
    assert store.tokenizer == own
    store = fastlm.prepare(None, tmp_path / "u", texts=[TEXT], tokenizer="char", max_vocab=20)
    assert store.tokenizer.vocab_size == 20


def test_what_a_killed_process_left_is_removed(tmp_path):
    code = (
        "import os, signal, fastlm.data.prepare as p\n"
        "p.encode_corpus = lambda job, tokenizer, write: os.kill(os.getpid(), signal.SIGKILL)\n"
        "p.prepare(None, 's.tokens', texts=['some text'])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, timeout=60, check=False)
    assert done.returncode == -signal.SIGKILL
    assert len(os.listdir(tmp_path)) == 1
    with pytest.raises(CorpusError):
        fastlm.prepare(tmp_path / "absent.txt", tmp_path / "s.tokens")
    assert os.listdir(tmp_path) == []


def test_bad_lines_are_counted(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "one two"}\noops\n{"text": "three"}\n')
    told: list[Preparing] = []

    class Told(Callback):
        def on_prepare(self, preparing):
            told.append(preparing)

    store = fastlm.prepare(
        tmp_path / "a.jsonl", tmp_path / "s", tokenizer="word", skip_bad=True, callbacks=[Told()]
    )
    assert store.metadata["description"].endswith("; 1 line was left out")
    ended = [preparing for preparing in told if preparing.ended]
    assert [preparing.phase for preparing in ended] == ["reading", "counting", "encoding"]
    assert "1 line was left out" in ended[0].notes[0]
    assert ended[1].done == ended[1].total == len("one two") + len("three")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tokenizer": "klingon"}, "tokenizer is 'klingon'; choose one of"),
        ({"min_count": 0}, "min_count is 0; give a whole number of at least 1"),
        ({"documents": "pages"}, "documents is 'pages'; choose one of"),
        ({"valid": 1.5}, "must be above 0 and below 1, got 1.5"),
        ({"encoding": "klingon"}, "unknown encoding: klingon"),
        ({"tokenizer": "byte", "min_count": 2}, "min_count 2 has no effect"),
        ({"vocab": "gone.txt"}, "vocabulary file: gone.txt: no such file"),
        ({"max_vocab": 2}, "leaves no room"),
    ],
)
def test_settings_that_cannot_be(tmp_path, settings, message):
    with pytest.raises(fastlm.FastlmError, match=message):
        fastlm.prepare(None, tmp_path / "s", texts=["ab"], **settings)
    assert os.listdir(tmp_path) == []


def test_where_no_store_can_be(tmp_path):
    with pytest.raises(StoreError, match=r"there is no folder .*gone; make it first"):
        fastlm.prepare(None, tmp_path / "gone" / "s", texts=["ab"])
    with pytest.raises(StoreError, match="it is a folder"):
        fastlm.prepare(None, tmp_path, texts=["ab"])


def test_a_store_is_no_text(tmp_path):
    fastlm.prepare(None, tmp_path / "s", texts=["ab"])
    with pytest.raises(StoreError, match="is a token store already; train on it, alone, or name"):
        fastlm.prepare(tmp_path / "s", tmp_path / "t")


def test_an_unknown_symbol_where_none_may_be(tmp_path):
    tokenizer = build_tokenizer("word", ["some text"], unk=False)
    with pytest.raises(TokenizerError, match="'more' is not among the"):
        fastlm.prepare(None, tmp_path / "s", texts=["some more text"], tokenizer=tokenizer)
    assert os.listdir(tmp_path) == []


def test_a_gz_that_ends_early_leaves_no_store(tmp_path):
    data = gzip.compress(os.urandom(3000).hex().encode())
    (tmp_path / "a.gz").write_bytes(data[:-100])
    with pytest.raises(CorpusError, match="ends early"):
        fastlm.prepare(tmp_path / "a.gz", tmp_path / "s")
    assert os.listdir(tmp_path) == ["a.gz"]


def test_a_disk_that_fills_while_encoding(tmp_path, monkeypatch):
    (tmp_path / "a.txt").write_text(TEXT, encoding="utf-8")
    write = StoreWriter._write
    left = [2000]

    def fail(self, data):
        left[0] -= len(data)
        if left[0] < 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(self, data)

    monkeypatch.setattr(StoreWriter, "_write", fail)
    with pytest.raises(StoreError, match=r"No space left on device; free some space or name"):
        fastlm.prepare(tmp_path / "a.txt", tmp_path / "s")
    assert os.listdir(tmp_path) == ["a.txt"]
    assert (tmp_path / "a.txt").read_text(encoding="utf-8") == TEXT


def test_a_disk_that_fills_while_standard_input_is_copied(tmp_path, monkeypatch):
    def fail(self):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(InputCopy, "spool", fail)
    with pytest.raises(StoreError, match=r"cannot keep a copy of the text in .*No space left"):
        fastlm.prepare(None, tmp_path / "s", texts=iter(["some text"]))
    assert os.listdir(tmp_path) == []


# ---------------------------------------------------------------------------- large


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.skipif(os.name == "nt", reason="resource usage is not measured on Windows")
def test_memory_does_not_grow_with_the_text(tmp_path):
    """2 GB and 90 MB of generated text take the same memory within 50 MB, under 400 MB in all."""
    import subprocess

    if shutil.disk_usage(tmp_path).free < 8e9:
        pytest.skip("needs 8 GB on the disk")
    program = (
        "import resource, sys, fastlm\n"
        "fastlm.prepare(sys.argv[1], sys.argv[2], tokenizer='word')\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)\n"
    )
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes
    rng = np.random.default_rng(0)
    words = [bytes(rng.integers(97, 123, n).astype(np.uint8)) for n in rng.integers(2, 12, 20_000)]
    peaks = []
    for size in (90_000_000, 2_000_000_000):
        path = tmp_path / f"{size}.txt"
        with path.open("wb") as file:
            while file.tell() < size:
                picked = (20_000 * rng.random(100_000) ** 3).astype(int)
                file.write(b" ".join(map(words.__getitem__, picked)) + b"\r\n")
        done = subprocess.run(
            [sys.executable, "-c", program, str(path), str(tmp_path / "s")],
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        peaks.append(int(done.stdout) * unit)
        path.unlink()
    print(json.dumps(peaks))
    assert peaks[1] - peaks[0] < 50e6
    assert peaks[1] < 400e6
