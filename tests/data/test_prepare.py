"""Text to tokens in blocks: the same as in memory, for any blocks and any number of workers."""

from __future__ import annotations

import dataclasses
import errno
import gzip
import json
import os
import shutil
import sys
import tempfile
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastlm
from fastlm.callbacks import Callback, Preparing
from fastlm.data.encode import early_counter, encode_into, tokenizer_for
from fastlm.data.prepare import write_store
from fastlm.data.progress import ProgressReporter
from fastlm.data.scan import read_documents, scan_corpus
from fastlm.data.split import split_train_valid, validation_cut
from fastlm.data.spool import SpoolInput
from fastlm.data.token_store import StoreWriter, TokenStore
from fastlm.data.workers import WorkerState, in_order, read_ahead
from fastlm.errors import CorpusError, StoreError, TokenizerError
from fastlm.text.decoding import Reading
from fastlm.text.paths import inputs_of
from fastlm.text.sources import TextPart
from fastlm.tokenizers import ByteTokenizer, build_tokenizer
from fastlm.tokenizers.spec import TokenizerSpec

from .test_split import Pieces

KINDS = ["char", "word", "whitespace", "byte"]
MODES = ["file", "lines", "paragraphs"]
TEXT = "\n".join(f"Line {n}: né, 猫は魚を見た,\twords\u00a0and {n * n}!\n" for n in range(300))

some_text = st.text(st.sampled_from("abz '.é猫\U0001f600\u0301\n\n"), max_size=60)


def encoded(texts, kind, mode, fraction, *, block, threads, piece=5):
    """(tokenizer, training ids, validation ids, metadata), in blocks."""
    source = Pieces(texts)
    source.size_of_piece = piece
    found = scan_corpus([source], keep=0, spool=tempfile.TemporaryFile)
    choice = TokenizerSpec(kind=kind)
    cut = validation_cut(found, fraction, mode)
    how = {"cut": cut, "threads": threads, "reporter": ProgressReporter(), "block": block}
    tokenizer = tokenizer_for(found, choice, mode, **how)
    parts = []
    facts = encode_into(parts.append, found, tokenizer, mode, **how)
    ids = np.concatenate(parts)
    train = facts["train"]["tokens"]
    return tokenizer, ids[:train], ids[train:], facts


@given(
    st.lists(some_text, min_size=1, max_size=6),
    st.sampled_from(KINDS),
    st.sampled_from(MODES),
    st.integers(1, 50),
    st.integers(1, 3),
    st.integers(1, 20),
)
@settings(deadline=None, max_examples=300)
def test_blocks_give_what_memory_gives(texts, kind, mode, block, threads, piece):
    texts = [*texts, "two more words\n\na"]
    tokenizer, ids, _, facts = encoded(
        texts, kind, mode, 0, block=block, threads=threads, piece=piece
    )
    documents = read_documents(scan_corpus(inputs_of(texts=texts)), mode)
    expected = build_tokenizer(kind, documents)
    assert tokenizer == expected
    assert ids.tolist() == expected.encode_documents(documents).tolist()
    assert ids.dtype == expected.dtype
    assert facts["counts"] == np.bincount(ids, minlength=expected.vocab_size).tolist()
    assert facts["train"] == {
        "tokens": ids.size,
        "documents": len(documents),
        "characters": sum(map(len, documents)),
        "bytes": sum(len(document.encode()) for document in documents),
        "unknown": 0,
    }
    assert facts["valid"]["tokens"] == 0


@given(
    st.lists(some_text, min_size=1, max_size=6), st.sampled_from(KINDS), st.integers(1, 50),
    st.sampled_from([0.1, 0.3, 0.5]),
)  # fmt: skip
@settings(deadline=None, max_examples=150)
def test_the_held_out_part_is_that_of_memory_and_counts_for_no_vocabulary(
    texts, kind, block, fraction
):
    texts = ["two more words\n\na", *texts, "the end\nof it"]
    tokenizer, train, valid, facts = encoded(texts, kind, "file", fraction, block=block, threads=2)
    parts = split_train_valid([t for t in texts if t], fraction, "file")
    expected = build_tokenizer(kind, parts[0])
    assert tokenizer == expected
    assert train.tolist() == expected.encode_documents(parts[0]).tolist()
    assert valid.tolist() == expected.encode_documents(parts[1]).tolist()
    unknown = 0 if expected.unk_id is None else valid.tolist().count(expected.unk_id)
    assert facts["valid"]["unknown"] == unknown


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("mode", MODES)
def test_stores_have_the_same_bytes_for_any_blocks_and_workers(tmp_path, kind, mode):
    (tmp_path / "a.txt").write_bytes(TEXT.replace("\n", "\r\n").encode())
    stores = set()
    for block, threads in ((3, 2), (64, 3), (1000, 1), (1 << 20, 2)):
        found = scan_corpus(inputs_of(tmp_path / "a.txt"), keep=0)
        write_store(
            found, tmp_path / "s", TokenizerSpec(kind=kind), documents=mode, valid=0.2,
            threads=threads, reporter=ProgressReporter(), block=block,
        )  # fmt: skip
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


def test_bad_lines_are_counted(tmp_path):
    (tmp_path / "a.jsonl").write_text('{"text": "one two"}\noops\n{"text": "three"}\n')
    told: list[Preparing] = []

    class Told(Callback):
        def on_prepare(self, preparing):
            told.append(preparing)

    store = fastlm.prepare(
        tmp_path / "a.jsonl", tmp_path / "s", tokenizer="word", skip_bad=True, callbacks=[Told()]
    )
    assert "1 line was left out, the first: " in store.metadata["description"]
    ended = [preparing for preparing in told if preparing.ended]
    assert [preparing.phase for preparing in ended] == ["reading", "counting", "encoding"]
    assert "1 line was left out" in ended[0].notes[0]
    assert ended[1].done == ended[1].total == len("one two") + len("three")


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tokenizer": "klingon"}, "the tokenizer must be one of .* got 'klingon'"),
        ({"min_count": 0}, "min_count is 0; give a whole number of at least 1"),
        ({"documents": "pages"}, "documents must be one of .* got 'pages'"),
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
    def fail(self, piece):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(SpoolInput, "write", fail)
    with pytest.raises(StoreError, match=r"cannot keep a copy of the text in .*No space left"):
        fastlm.prepare(None, tmp_path / "s", texts=iter(["some text"]))
    assert os.listdir(tmp_path) == []


def test_a_long_record_in_a_copy():
    with tempfile.TemporaryFile() as file:
        copy = SpoolInput(inputs_of(texts=["a"])[0], file)
        for piece in (TextPart(b"abc", False), TextPart(b"", True), TextPart(b"d", True)):
            copy.write(piece)
        assert list(copy.parts()) == [
            TextPart(b"abc", False),
            TextPart(b"", True),
            TextPart(b"d", True),
        ]


@pytest.mark.parametrize("mode", MODES)
def test_bpe_is_learnt_from_the_training_part_in_blocks(mode):
    pytest.importorskip("tokenizers")
    whole, ids, valid, facts = encoded([TEXT] * 3, "bpe", mode, 0.1, block=500, threads=2, piece=99)
    assert encoded([TEXT] * 3, "bpe", mode, 0.1, block=10**6, threads=1)[0] == whole
    documents = read_documents(scan_corpus(inputs_of(texts=[TEXT] * 3)), mode)
    if mode == "file":
        documents, held_out = split_train_valid(documents, 0.1, mode)
        assert build_tokenizer("bpe", documents) == whole
        assert valid.tolist() == whole.encode_documents(held_out).tolist()
    assert ids.tolist() == whole.encode_documents(documents).tolist()[: ids.size]
    assert facts["vocab"] == whole.vocab_size


# ---------------------------------------------------------------------------- workers


@pytest.mark.parametrize("blank", [False, True])
@pytest.mark.parametrize("valid", [0, 0.01, 0.7])
def test_characters_counted_by_the_survey_are_those_of_the_training_part(tmp_path, valid, blank):
    (tmp_path / "a.txt").write_text(TEXT, encoding="utf-8")
    with gzip.open(tmp_path / "b.txt.gz", "wt", encoding="utf-8") as file:
        file.write("Ω and ω, at the end ½")
    (tmp_path / "c.jsonl").write_text('{"text": "ab"}\n{"text": "cß"}\n', encoding="utf-8")
    if blank:
        (tmp_path / "blank.txt").write_text("\u2003\n", encoding="utf-8")
    inputs = inputs_of(tmp_path, Reading(field="text"))
    choice = TokenizerSpec(kind="char")
    counter = early_counter(inputs, choice, "file")
    found = scan_corpus(inputs, keep=0, counter=counter)
    # What is left out has been counted by then, and all is counted once more.
    assert (found.counter is None) == blank
    cut = validation_cut(found, valid, "file")
    made = [
        tokenizer_for(one, choice, "file", cut=cut, threads=1, reporter=ProgressReporter())
        for one in (found, dataclasses.replace(found, counter=None))
    ]
    assert made[0].to_dict() == made[1].to_dict()
    assert ("ß" in made[0].to_dict()["symbols"]) == (valid == 0)


@pytest.mark.parametrize(
    ("choice", "mode"),
    [
        (TokenizerSpec(kind="word"), "file"),
        (TokenizerSpec(kind="char"), "lines"),
        (TokenizerSpec(kind="char", options={"lowercase": True}), "file"),
        (TokenizerSpec(kind="byte"), "file"),
    ],
)
def test_what_is_not_counted_by_the_survey(choice, mode):
    assert early_counter(inputs_of(texts=["ab"]), choice, mode) is None


def test_results_come_in_order():
    turn = threading.Barrier(2)

    def work(job):
        turn.wait(5)
        return job * job

    assert list(in_order(work, range(10), 2)) == [n * n for n in range(10)]


def test_jobs_are_made_no_faster_than_they_are_done():
    made = []

    def jobs():
        for number in range(100):
            made.append(number)
            yield number

    results = in_order(lambda job: job, jobs(), 2)
    next(results)
    assert len(made) <= 4
    results.close()


@pytest.mark.parametrize("size", [1, 3, 100])
def test_reading_ahead_changes_nothing(size):
    assert list(read_ahead(iter(range(10)), size, lambda item: item)) == list(range(10))


def test_reading_ahead_is_bounded_and_raises_behind_what_was_read():
    made = []

    def items():
        for number in range(1, 100):
            made.append(number)
            yield number
            if number == 50:
                raise StoreError("no")

    ahead = read_ahead(items(), 4, lambda item: 1)
    assert next(ahead) == 1
    ahead.close()
    assert len(made) <= 8
    done = []
    with pytest.raises(StoreError, match="no"):
        done.extend(read_ahead(items(), 4, lambda item: 1))
    assert done == list(range(1, 51))


def test_what_a_worker_raises_ends_the_work():
    def work(job):
        if job == 3:
            raise StoreError("no")
        return job

    done = []
    with pytest.raises(StoreError, match="no"):
        done.extend(in_order(work, range(1000), 2))


def test_a_state_is_used_by_one_at_a_time():
    states = WorkerState(list)
    with states.one() as first, states.one() as second:
        assert first is not second
    with states.one() as again:
        assert again in (first, second)
    assert len(states.all) == 2


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
