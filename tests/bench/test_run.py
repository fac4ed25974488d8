"""A whole benchmark on works that take no time."""

from __future__ import annotations

import dataclasses
import json
from contextlib import nullcontext

import pytest

from fastlm.bench import candidates as parties
from fastlm.bench import run
from fastlm.bench.candidates import candidates
from fastlm.bench.measure import Rounds, Settings
from fastlm.bench.sweep import measure_next_part
from fastlm.bench.torch_steps import torch_is_installed
from fastlm.bench.works import works_named
from fastlm.errors import ConfigError
from fastlm_kernels.runtime.jit import JIT_DISABLED

from .conftest import CONCAT, TINY

SHORT = Settings(rounds=3, seconds=0.001, limit_seconds=0.0, start=False)

needs_jit = pytest.mark.skipif(JIT_DISABLED, reason="a benchmark needs the compiler")


@pytest.fixture
def small_limits(monkeypatch):
    at_first = {"sgemm_gflops": {"one": 50.0, "all": 60.0}}
    monkeypatch.setattr(run, "machine_limits", lambda cores, seconds: at_first)
    monkeypatch.setattr("fastlm.bench.measure.sgemm_gflops", lambda threads, seconds: 100.0)
    monkeypatch.setattr("fastlm.bench.measure.busy_seconds", lambda: None)


@pytest.fixture
def without_torch(monkeypatch):
    monkeypatch.setattr(parties, "torch_is_installed", lambda: False)
    monkeypatch.setattr(run, "torch_is_installed", lambda: False)


@needs_jit
@pytest.mark.usefixtures("small_limits", "without_torch")
def test_result_holds_what_was_measured():
    said = []
    result = run.run_benchmark([CONCAT, TINY], SHORT, say=said.append)
    assert json.loads(json.dumps(result, allow_nan=False)) == result
    assert said[-2:] == [CONCAT.title, TINY.title]
    assert [work["name"] for work in result["works"]] == ["small", "small-tiny"]
    assert result["limits"]["sgemm_gflops"]["one"] == 100.0  # beside the turns
    kinds = [[row["kind"] for row in work["rows"]] for work in result["works"]]
    assert kinds == [["nojit", "numpy", "engine"], ["python", "nojit", "engine"]]
    for work in result["works"]:
        ours = work["rows"][-1]["tokens_per_second"]["rounds"]
        for row in work["rows"]:
            rates = row["tokens_per_second"]["rounds"]
            assert len(rates) == 3
            assert min(rates) > 0
            assert row["slower_than_fastlm"]["rounds"] == [
                a / b for a, b in zip(ours, rates, strict=True)
            ]
            assert row["sgemm_share"]["rounds"] == pytest.approx(
                [rate * work["flops_per_token"] / 100e9 for rate in rates]
            )
            assert row["first_step_seconds"] > 0


@pytest.fixture
def in_this_process(monkeypatch):
    monkeypatch.setattr(run, "own_process", lambda: nullcontext(measure_next_part))


@needs_jit
@pytest.mark.usefixtures("small_limits", "without_torch", "in_this_process")
def test_works_are_swept_through_in_turn():
    said = []
    settings = dataclasses.replace(SHORT, rounds=2, sweeps=2)
    result = run.run_benchmark([CONCAT, TINY], settings, say=said.append)
    again = [f"{work.title} (sweep 2 of 2)" for work in (CONCAT, TINY)]
    assert said[-4:] == [CONCAT.title, TINY.title, *again]
    rounds = {"measured": 2, "clean": 2, "parts": [1, 2]}
    assert [work["rounds"] for work in result["works"]] == [rounds] * 2


@needs_jit
@pytest.mark.usefixtures("small_limits", "without_torch", "in_this_process")
def test_works_that_are_sure_leave_their_time_to_others(monkeypatch):
    asked = []

    def go_on(self, implementations, seconds, *, last):
        asked.append((self._work.name, seconds, last))
        really(self, implementations, 0.0, last=False)
        self._spent = sum(seconds for name, seconds, _ in asked if name == self._work.name)

    def is_sure(self):  # after its first round, and once more after its third
        return self._work.name == TINY.name and len(self._rounds) in (1, 3)

    really = Rounds.go_on
    monkeypatch.setattr(Rounds, "go_on", go_on)
    monkeypatch.setattr(Rounds, "is_sure", property(is_sure))
    settings = dataclasses.replace(SHORT, rounds=1, sweeps=4, work_seconds=40.0)
    monkeypatch.setattr(Rounds, "has_seen_enough_parts", False)
    run.run_benchmark([CONCAT, TINY], settings)
    # 80 s for both. Sure ones have a round in each sweep all the same: TINY's second shows that it
    # is not sure.
    assert asked == [
        ("small", 10.0, False),
        ("small-tiny", 10.0, False),
        ("small", 20.0, False),
        ("small-tiny", 0.0, False),
        ("small", 10.0, False),
        ("small-tiny", 10.0, False),
        ("small", 20.0, True),
        ("small-tiny", 0.0, True),
    ]


@needs_jit
@pytest.mark.usefixtures("small_limits", "without_torch", "in_this_process")
def test_sweeps_end_where_all_are_sure(monkeypatch):
    monkeypatch.setattr(Rounds, "is_sure", property(lambda self: bool(self._rounds)))
    said = []
    run.run_benchmark([CONCAT, TINY], dataclasses.replace(SHORT, sweeps=8), say=said.append)
    assert said[-2:] == [CONCAT.title, TINY.title]


class _Measured:
    """Rounds of which only this is asked."""

    def __init__(self, spent, uncertainty, has_seen_enough_parts=True, is_sure=False):
        self.spent, self.uncertainty = spent, uncertainty
        self.has_seen_enough_parts, self.is_sure = has_seen_enough_parts, is_sure


@pytest.mark.parametrize(
    ("works", "shares"),
    [
        pytest.param([(10.0, 0.04, True), (10.0, 0.08, False)], [40.0, 40.0], id="too early"),
        pytest.param([(1.0, 0.0, True), (1.0, 0.0, True)], [40.0, 40.0], id="no difference"),
        pytest.param([(9.0, 0.01, True, True), (1.0, 0.1, True)], [0.0, 80.0], id="one is sure"),
        pytest.param([(9.0, 0.01, True, True)] * 2, [0.0, 0.0], id="both are sure"),
        pytest.param([(9.0, 0.02, True), (4.0, 0.05, True)], [30.0, 50.0], id="after a second"),
        pytest.param([(99.0, 0.04, True), (99.0, 0.12, True)], [20.0, 60.0], id="nothing made up"),
        pytest.param([(10.0, 0.05, True)], [80.0], id="only one"),
    ],
)
def test_shares_of_time(works, shares):
    assert run._shares([_Measured(*each) for each in works], 80.0) == pytest.approx(shares)


@needs_jit
@pytest.mark.usefixtures("small_limits", "without_torch")
def test_a_busy_machine_is_told_of(monkeypatch):
    monkeypatch.setattr("fastlm.bench.measure._others", lambda *_: 1.0)
    result = run.run_benchmark([TINY], SHORT)
    assert result["works"][0]["rounds"] == {"measured": 3, "clean": 0, "parts": [1, 1]}
    assert "disturbed rounds had to do, for small-tiny" in result["notes"][-1]


@needs_jit
@pytest.mark.usefixtures("small_limits", "without_torch")
def test_without_threadpoolctl_one_thread_has_no_share(monkeypatch):
    monkeypatch.setattr(run, "blas_obeys", lambda: False)
    result = run.run_benchmark([TINY], SHORT)
    cores = result["machine"]["cores"]
    shares = {row["threads"]: row["sgemm_share"] for row in result["works"][0]["rows"]}
    assert all((share is None) == (threads != cores) for threads, share in shares.items())
    assert any("pip install threadpoolctl" in note for note in result["notes"])


@needs_jit
@pytest.mark.usefixtures("small_limits", "without_torch")
def test_without_pytorch_it_says_how_to_get_it():
    result = run.run_benchmark([], SHORT)
    assert result["notes"] == ['PyTorch is not installed: pip install "fastlm[bench]"']


@needs_jit
@pytest.mark.usefixtures("small_limits")
def test_out_of_time_leaves_the_rest_out():
    result = run.run_benchmark([CONCAT, TINY], dataclasses.replace(SHORT, budget=0.0))
    assert result["works"] == []
    assert result["quick"]
    assert result["notes"][-1].endswith("small, small-tiny")


@needs_jit
@pytest.mark.usefixtures("small_limits")
def test_torch_compile_without_a_compiler(monkeypatch):
    monkeypatch.setattr(run, "can_compile", lambda: False)
    notes = run.run_benchmark([], SHORT, torch_compile=True)["notes"]
    assert "torch.compile is left out: there is no C++ compiler" in notes


def test_without_jit_there_is_nothing_to_measure(monkeypatch):
    monkeypatch.setattr(run, "JIT_DISABLED", True)
    with pytest.raises(ConfigError, match="NUMBA_DISABLE_JIT is set"):
        run.run_benchmark([CONCAT], SHORT)


def test_who_does_what(monkeypatch):
    monkeypatch.setattr(parties, "available_processors", lambda: 2)
    monkeypatch.setattr(parties, "thread_count", lambda: 2)
    monkeypatch.setattr(parties, "torch_is_installed", lambda: True)
    expected = {
        "tiny-1": ["python", "nojit", "torch-1", "torch", "engine"],
        "mini-1": ["nojit", "numpy", "torch-1", "torch", "engine"],
        "mini-256": ["numpy", "torch-1", "torch", "engine-1", "engine"],
    }
    found = {work.name: list(candidates(work)) for work in works_named(expected)}
    assert found == expected
    compiled = candidates(works_named(["mini-256"])[0], torch_compile=True)
    assert list(compiled) == ["numpy", "torch-1", "torch", "torch-compile", "engine-1", "engine"]


@pytest.mark.skipif(not torch_is_installed(), reason="PyTorch is not installed")
def test_names_are_unique():
    names = [
        make().name for name, make in candidates(CONCAT).items()
        if name != "nojit"
    ]  # fmt: skip
    assert len(set(names)) == len(names)
