"""`fastlm bench`."""

from __future__ import annotations

import json

import pytest

from fastlm.bench import run as benchmark
from fastlm.bench.measure import Settings
from fastlm.bench.works import WORKS
from fastlm.cli import main
from fastlm_kernels.runtime.jit import JIT_DISABLED

from .conftest import make_result


@pytest.fixture
def asked(monkeypatch):
    """A run that takes no time, and what it was asked to do."""
    calls = []

    def run(works, settings, *, torch_compile, say):
        say("something")
        calls.append(([work.name for work in works], settings, torch_compile))
        return make_result()

    monkeypatch.setattr(benchmark, "run_benchmark", run)
    return calls


def test_json_is_alone_on_standard_output(asked, capsys):
    assert main(["bench", "--json"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out) == make_result()
    assert len(asked[0][0]) == len(WORKS)
    assert asked[0][1] == benchmark.FULL


def test_table_and_machine(asked, capsys):
    assert main(["bench"]) == 0
    out = capsys.readouterr().out
    assert "Mini, batch 256" in out
    assert "Abacus 9" in out


def test_quick_leaves_the_large_works_out(asked):
    assert main(["bench", "--quick", "--json"]) == 0
    names, settings, _ = asked[0]
    assert "mini-256" in names
    assert "33k-1024" not in names
    assert settings == benchmark.QUICK


def test_only(asked):
    assert main(["bench", "--quick", "--only", "33k-1024", "--only", "tiny-1", "--json"]) == 0
    assert asked[0][0] == ["tiny-1", "33k-1024"]


def test_plot(asked, tmp_path):
    pytest.importorskip("matplotlib")
    path = tmp_path / "chart.svg"
    assert main(["bench", "--json", "--plot", str(path)]) == 0
    assert path.stat().st_size > 0


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--only", "maxi"], "there is no benchmark 'maxi'"),
        (["--plot", "chart.pdf"], "ends in '.pdf'"),
    ],
)
def test_mistakes_are_told_before_anything_is_measured(asked, capsys, arguments, part):
    assert main(["bench", *arguments]) == 1
    captured = capsys.readouterr()
    assert part in captured.err
    assert captured.out == ""
    assert asked == []


@pytest.mark.skipif(JIT_DISABLED, reason="a benchmark needs the compiler")
def test_a_real_run(capsys, monkeypatch):
    monkeypatch.setattr(
        benchmark, "QUICK", Settings(rounds=1, seconds=0.001, limit_seconds=0.0, start=False)
    )
    assert main(["bench", "--quick", "--only", "tiny-1", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    kinds = [row["kind"] for row in result["works"][0]["rows"]]
    assert kinds[0] == "python"
    assert kinds[-1] == "engine"
