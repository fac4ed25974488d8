"""`fastlm bench`: options, output, and mistakes told before anything is measured."""

from __future__ import annotations

import json

import pytest

from fastlm.bench import run as benchmark
from fastlm.bench.measure import Settings
from fastlm.bench.workloads import WORKLOADS
from fastlm.cli import main
from fastlm_kernels.runtime.jit import JIT_DISABLED

from ...bench.conftest import make_result


@pytest.fixture
def asked(monkeypatch):
    """A run that takes no time, and what it was asked to do."""
    calls = []

    def run(workloads, settings, *, torch_compile, say):
        say("something")
        calls.append(([workload.name for workload in workloads], settings, torch_compile))
        return make_result()

    monkeypatch.setattr(benchmark, "run_benchmark", run)
    return calls


def test_json_is_alone_on_standard_output(asked, capsys):
    assert main(["bench", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == make_result()


def test_table_and_machine(asked, capsys):
    assert main(["bench"]) == 0
    out = capsys.readouterr().out
    assert "Mini, batch 256" in out
    assert "Abacus 9" in out


@pytest.mark.parametrize("arguments", [[], ["--quick"]])
def test_the_default_leaves_the_large_workloads_out(asked, arguments):
    assert main(["bench", "--json", *arguments]) == 0
    names = [each.name for each in WORKLOADS if each.in_default]
    assert {"mini-256", "33k-1024"} & set(names) == {"mini-256"}
    assert asked == [(names, benchmark.DEFAULT, False)]


def test_rounds_measure_every_workload_and_the_start(asked):
    assert main(["bench", "--rounds", "7", "--torch-compile", "--json"]) == 0
    names = [each.name for each in WORKLOADS]
    assert asked == [(names, benchmark.settings_for(7, start=True), True)]


@pytest.mark.parametrize("more", [[], ["--quick"], ["--rounds", "2"]])
def test_only(asked, more):
    assert main(["bench", "--only", "33k-1024", "--only", "tiny-1", "--json", *more]) == 0
    settings = benchmark.settings_for(2 if "2" in more else None, start=False)
    assert asked == [(["tiny-1", "33k-1024"], settings, False)]


def test_plot(asked, tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "chart.svg"
    assert main(["bench", "--json", "--plot", str(path)]) == 0
    assert path.stat().st_size > 0


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--only", "maxi"], "there is no workload 'maxi'"),
        (["--rounds", "0"], "rounds is 0; give a whole number of at least 1"),
        (["--rounds", "3", "--quick"], "not both"),
        (["--plot", "chart.pdf"], "ends in '.pdf'"),
    ],
)
def test_mistakes_are_told_before_anything_is_measured(asked, capsys, arguments, part):
    assert main(["bench", *arguments]) == 1
    captured = capsys.readouterr()
    assert part in captured.err
    assert captured.out == ""
    assert asked == []


@pytest.mark.thorough
@pytest.mark.skipif(JIT_DISABLED, reason="a benchmark needs the compiler")
def test_a_real_run(capsys, monkeypatch):
    monkeypatch.setattr(benchmark, "DEFAULT", Settings(rounds=1, run_seconds=0.001))
    assert main(["bench", "--quick", "--only", "tiny-1", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    kinds = [row["kind"] for row in result["workloads"][0]["rows"]]
    assert kinds[0] == "python"
    assert kinds[-1] == "engine"
