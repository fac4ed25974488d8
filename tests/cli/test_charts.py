"""Learning curves as pictures."""

from __future__ import annotations

import importlib.util

import pytest

from .conftest import SMALL, assert_one_line


@pytest.fixture
def trained(run, corpus, tmp_path):
    outcome = run(
        "train", corpus, *SMALL, "--steps", "40", "--valid", "0.2", "--counts", "none", "--quiet"
    )
    assert outcome.code == 0
    return tmp_path / "model.safetensors"


def test_plot(run, trained, tmp_path):
    pytest.importorskip("matplotlib")
    for name in ("curve.png", "curve.svg"):
        outcome = run("inspect", "model.checkpoint.safetensors", "--plot", name)
        assert outcome.code == 0, outcome.err
        assert (tmp_path / name).stat().st_size > 1000


def test_plot_without_losses(run, model):
    pytest.importorskip("matplotlib")
    assert_one_line(run("inspect", model, "--plot", "curve.png"), 1, "no losses to plot")


def test_plot_without_matplotlib(run, trained, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    assert_one_line(run("inspect", trained, "--plot", "c.png"), 1, "pip install matplotlib")


def test_the_chart_names_the_best_loss(run, trained, tmp_path):
    pytest.importorskip("matplotlib")
    import json

    loss = json.loads(run("inspect", trained, "--json").out)["valid_loss"]
    assert run("inspect", trained, "--plot", "c.svg").code == 0
    assert f"best: {loss:.4f}" in (tmp_path / "c.svg").read_text(encoding="utf-8")
