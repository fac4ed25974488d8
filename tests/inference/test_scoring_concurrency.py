"""Scoring from threads and from forked or spawned processes gives the scores of one thread."""

from __future__ import annotations

import multiprocessing
import subprocess
import sys
import textwrap
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from tests.inference.models import CORPUS, make_model

TEXTS = [CORPUS[start : start + 9] for start in range(len(CORPUS) - 9)]


def test_many_threads_share_one_model():
    lm = make_model(context=8, embed=16)
    expected = make_model(context=8, embed=16).score_arrays(TEXTS, threads=1).log_prob

    def score(number: int) -> np.ndarray:
        return lm.score_arrays(TEXTS, threads=1 + number % 3).log_prob

    with ThreadPoolExecutor(8) as pool:
        for found in pool.map(score, range(16)):
            np.testing.assert_array_equal(found, expected)


def test_two_streams_at_once_do_not_mix():
    lm = make_model()
    one, other = lm.score(TEXTS, batch_chars=25), lm.score(TEXTS[::-1], batch_chars=40)
    pairs = list(zip(one, other, strict=True))
    expected = list(lm.score(TEXTS))
    assert [pair[0] for pair in pairs] == expected
    assert [pair[1] for pair in pairs] == expected[::-1]


WORKERS = """
    import multiprocessing, sys
    from functools import cache

    import fastlm

    load = cache(fastlm.load)

    def score(text):
        return next(load("model.safetensors").score([text], threads=2)).log_prob

    if __name__ == "__main__":
        method, *texts = sys.argv[1:]
        here = [score(text) for text in texts]  # what a forked child inherits has been used
        with multiprocessing.get_context(method).Pool(2) as pool:
            there = pool.map(score, texts)
        assert here == there, (here, there)
        print(len(there))
"""


@pytest.mark.thorough
@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_worker_processes(tmp_path, method):
    if method not in multiprocessing.get_all_start_methods():
        pytest.skip(f"this system has no {method}")
    make_model().save(tmp_path / "model.safetensors")
    script = tmp_path / "workers.py"
    script.write_text(textwrap.dedent(WORKERS), encoding="utf-8")
    run = subprocess.run(
        [sys.executable, "-W", "error", script, method, "the cat", "sat on", "a mat"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (run.returncode, run.stdout.strip()) == (0, "3"), run.stderr
