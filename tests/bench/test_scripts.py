"""The programs of bench/ that draw and that disturb: they run, and say what they found."""

from __future__ import annotations

import os

import pytest

from fastlm_kernels.runtime.jit import JIT_DISABLED

from .conftest import script

pytestmark = pytest.mark.skipif(JIT_DISABLED, reason="they time compiled kernels")


def test_scaling_draws(tmp_path, capsys):
    pytest.importorskip("matplotlib")
    scaling = script("scaling")
    assert scaling.main(["--quick", "--only", "corpus", "--out", str(tmp_path)]) == 0
    assert (tmp_path / "scaling-corpus.png").read_bytes().startswith(b"\x89PNG")
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["corpus 1,000", "corpus 10,000"]


def test_scaling_draws_the_limits(tmp_path):
    pytest.importorskip("matplotlib")
    scaling = script("scaling")
    points = [
        scaling.Point(x, 1e4 * x, 0.9e4 * x, 1.1e4 * x, 0.8, 1.25e4 * x, 1e6) for x in (1, 2, 64)
    ]
    scaling.save(points, "batch, examples", tmp_path / "plot.svg")
    drawn = (tmp_path / "plot.svg").read_text("utf-8")
    for part in ("limit: sgemm", "limit: memory, nothing cached", "80%"):
        assert f"<!-- {part} -->" in drawn


def test_scaling_needs_a_folder(tmp_path, capsys):
    scaling = script("scaling")
    assert scaling.main(["--quick", "--out", str(tmp_path / "nowhere")]) == 1
    assert "no such folder" in capsys.readouterr().err


@pytest.mark.skipif(
    not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) < 2,
    reason="needs Linux and two cores",
)
def test_busy_measures_both_and_cleans_up(capsys):
    busy = script("busy")
    before = os.sched_getaffinity(0)
    assert busy.main(["--rounds", "1", "--seconds", "0.01", "--only", "mini-256"]) == 0
    assert os.sched_getaffinity(0) == before
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("| ratio | quartiles |")
    assert lines[2].startswith("| Mini, batch 256 | ")
    assert len({line.count("|") for line in lines}) == 1


def test_adaptive_quality_compares(tmp_path, capsys):
    text = tmp_path / "text.txt"
    words = [f"w{n * n % 499}" for n in range(3000)]
    text.write_text("\n".join(" ".join(words[at : at + 9]) for at in range(0, 3000, 9)))
    assert script("adaptive_quality").main([str(text), "--threads", "1"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in lines[:2]] == ["adaptive", "full"]
    assert 0.5 < float(lines[2].removeprefix("adaptive / full: ")) < 2


def test_adaptive_quality_needs_a_text(tmp_path, capsys):
    assert script("adaptive_quality").main([str(tmp_path / "none.txt")]) == 1
    assert "No such file" in capsys.readouterr().err


def test_quality_says_how_far_seeds_are_apart_and_how_many_passes_each_made():
    quality = script("quality")

    def run(seed, figure, epochs):
        return quality.Run(
            "brown-1", seed, figure, 60.0, epochs, 2_000_000, 50_000.0, {}, {}, "a machine"
        )

    *_, one = quality.table([run(0, 245.0, 3.6)]).splitlines()
    assert "| 245.0 perplexity | one seed | 347 (5-gram) | 3.6 | 50,000 | 2,000,000 |" in one
    *_, three = quality.table([run(0, 245.0, 3.6), run(1, 250.0, 2.1), run(2, 240.0, 4.4)]).split(
        "\n"
    )
    assert "| 245.0 perplexity | 4.1% of 3 | 347 (5-gram) | 2.1 to 4.4 |" in three
