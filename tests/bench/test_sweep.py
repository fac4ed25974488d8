"""A part of a measurement in a process of its own."""

from __future__ import annotations

import dataclasses
import math
import os

import pytest

from fastlm.bench import candidates as parties
from fastlm.bench import sweep
from fastlm.bench.check import BenchmarkError
from fastlm.bench.measure import Settings
from fastlm.bench.sweep import Progress, measure_next_part, own_process

from .conftest import TINY

SHORT = Settings(rounds=1, seconds=0.001, limit_seconds=0.0, sweeps=2)


@pytest.fixture
def progress(monkeypatch):
    monkeypatch.setattr(parties, "torch_is_installed", lambda: False)
    monkeypatch.setattr("fastlm.bench.measure.sgemm_gflops", lambda threads, seconds: 100.0)
    monkeypatch.setattr("fastlm.bench.measure.busy_seconds", lambda: None)
    return Progress.begin(TINY, SHORT, torch_compile=False)


def test_a_part_after_the_first_has_the_same_parties(progress):
    first = measure_next_part(progress, 0.0, False)
    assert [party.kind for party in first.parties] == ["python", "nojit", "engine"]
    assert all(party.first_step_seconds > 0 for party in first.parties)
    then = measure_next_part(first, 0.0, True)
    assert (then.parties, then.loss) == (first.parties, first.loss)
    assert then.rounds.found().parts == [1, 2]


def test_a_part_after_the_first_compares_losses_too(progress):
    first = measure_next_part(progress, 0.0, False)
    with pytest.raises(BenchmarkError, match="small-tiny: pure Python does other work: its loss"):
        measure_next_part(dataclasses.replace(first, loss=first.loss * 1.001), 0.0, True)


def _instead(progress, seconds, last):
    """In the other process: says where it is and what it got."""
    if math.isnan(seconds):
        raise BenchmarkError("it does other work")
    if math.isinf(seconds):
        os._exit(1)
    return os.getpid(), progress.work, seconds, last


def test_own_process(progress, monkeypatch):
    monkeypatch.setattr(sweep, "measure_next_part", _instead)
    with own_process() as measure:
        found = [measure(progress, 0.5, last) for last in (False, True)]
        with pytest.raises(BenchmarkError, match="it does other work"):
            measure(progress, math.nan, False)
        with pytest.raises(BenchmarkError, match="the process that measured small-tiny was ended"):
            measure(progress, math.inf, False)
    process = found[0][0]
    assert process != os.getpid()
    assert found == [(process, TINY, 0.5, False), (process, TINY, 0.5, True)]
    with own_process() as measure:
        assert measure(progress, 0.5, False)[0] not in (process, os.getpid())
