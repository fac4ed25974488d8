"""Benchmarks of token stores: preparing, peak memory, reading, and training from one."""

from __future__ import annotations

import subprocess
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest

import fastlm
from fastlm.config import ModelConfig, TrainingConfig
from fastlm.data.token_store import TokenStore
from fastlm.engine.training import TrainingEngine
from fastlm.model.initialization import scaled_params
from fastlm.system.resources import available_processors
from fastlm.tokenizers import TOKENIZER_KINDS

THREADS = sorted({1, available_processors()})
COPIES = 200  # of 465 kB: as large as the corpus that the figures are stated for


@pytest.fixture(scope="module")
def corpus(tmp_path_factory, text: str, smoke: bool) -> Path:
    path = tmp_path_factory.mktemp("corpus") / "corpus.txt"
    path.write_text(text * (1 if smoke else COPIES), encoding="utf-8")
    return path


@pytest.mark.parametrize("threads", THREADS)
@pytest.mark.parametrize("documents", ["file", "lines"])
@pytest.mark.parametrize("kind", [kind for kind in TOKENIZER_KINDS if kind != "bpe"])
def test_prepare(benchmark, corpus: Path, tmp_path, kind, documents, threads: int, smoke: bool):
    """Count and encode, with the file in the cache and the kernels compiled."""
    prepare = partial(fastlm.prepare, str(corpus), tmp_path / "s.tokens", tokenizer=kind)
    prepare(documents=documents)
    settings = {"documents": documents, "threads": threads}
    store = benchmark.pedantic(prepare, kwargs=settings, rounds=1 if smoke else 3)
    assert store.count > 0
    benchmark.extra_info["bytes"] = corpus.stat().st_size


@pytest.mark.parametrize("by", ["numpy", "fastlm"])
def test_read(benchmark, corpus: Path, tmp_path, by: str):
    """Open a store, checksum included, and add all its ids up; NumPy's own file for comparison."""
    store = fastlm.prepare(str(corpus), tmp_path / "s.tokens", tokenizer="char")
    np.save(tmp_path / "ids.npy", store.ids)
    right = int(np.sum(store.ids, dtype=np.int64))

    def read() -> int:
        if by == "numpy":
            ids = np.load(tmp_path / "ids.npy", mmap_mode="r")
        else:
            ids = TokenStore.open(tmp_path / "s.tokens").ids
        return int(np.sum(ids, dtype=np.int64))

    assert benchmark(read) == right
    benchmark.extra_info["tokens"] = store.count


def test_peak_memory(benchmark, corpus: Path, tmp_path, smoke: bool):
    """Peak memory in bytes of a process that only prepares."""
    resource = pytest.importorskip("resource", reason="not measured on Windows")
    assert resource is not None
    program = (
        "import resource, sys, fastlm; fastlm.prepare(sys.argv[1], sys.argv[2], tokenizer='word')\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    command = [sys.executable, "-c", program, str(corpus), str(tmp_path / "s.tokens")]
    done = benchmark.pedantic(
        subprocess.run, (command,), {"check": True, "capture_output": True}, rounds=1
    )
    unit = 1 if sys.platform == "darwin" else 1024
    benchmark.extra_info["peak memory"] = int(done.stdout) * unit


@pytest.mark.parametrize("source", ["memory", "store"])
def test_train(benchmark, corpus: Path, tmp_path, source: str, smoke: bool):
    """Shuffled steps on ids in memory, and on the mapped ids of a store."""
    store = fastlm.prepare(str(corpus), tmp_path / "s.tokens", tokenizer="char")
    ids = store.train_ids if source == "store" else np.array(store.train_ids)
    model = ModelConfig(vocab=store.tokenizer.vocab_size, boundary=store.tokenizer.boundary_id)
    engine = TrainingEngine(model, TrainingConfig(), ids, scaled_params(model, 0))
    rates = np.full(2 if smoke else 500, 0.1)
    engine.run(rates)
    benchmark.pedantic(engine.run, (rates,), rounds=1 if smoke else 5)
    benchmark.extra_info["tokens"] = rates.size * TrainingConfig.batch
