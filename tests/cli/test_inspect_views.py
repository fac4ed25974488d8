"""Views of `fastlm inspect`: in the terminal, as JSON, as pictures."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import pytest

from fastlm.api.language_model import load
from fastlm.cli.inspect_views import parse_temperatures
from fastlm.errors import ConfigError

from .conftest import SMALL, assert_one_line

VIEWS = {
    "map": ("--map",),
    "neighbors": ("--neighbors", "e"),
    "next": ("--next", "the "),
    "places": ("--places",),
}


def test_numbers_of_temperatures():
    assert parse_temperatures("0.5,1, 2") == [0.5, 1.0, 2.0]
    for text in ("", "x", "-1", "nan", "1,2,3,4,5,6", "inf"):
        with pytest.raises(ConfigError, match="give one to five numbers from 0"):
            parse_temperatures(text)


@pytest.mark.parametrize("name", VIEWS)
def test_a_view(run, model, tmp_path, name):
    outcome = run("inspect", model, *VIEWS[name])
    assert outcome.code == 0, outcome.err
    assert not outcome.out.startswith("file ")
    assert len(outcome.out.splitlines()) > 3
    outcome = run("inspect", model, *VIEWS[name], "-o", "v.svg")
    assert outcome.out == "picture     v.svg\n"
    texts = [e.text for e in ET.parse(tmp_path / "v.svg").iter("{http://www.w3.org/2000/svg}text")]
    assert any("random.safetensors" in text for text in texts)


def test_json_has_the_numbers(run, model):
    asked = [word for words in VIEWS.values() for word in words]
    facts = json.loads(run("inspect", model, *asked, "--temperatures", "1", "--json").out)
    lm = load(model)
    assert facts["kind"] == "model"
    ((one,), (top, *_)) = facts["next"], lm.top_k("the ", 1)
    assert one["temperature"] == 1
    assert one["tokens"][0] == {"token": top[0], "probability": pytest.approx(top[1])}
    assert [near["token"] for near in facts["neighbors"]] == [t for t, _ in lm.neighbors("e")]
    assert len(facts["places"]) == lm.config.context
    assert set(facts["map"]["points"][0]) == {"token", "x", "y", "group"}


def test_what_is_refused(run, model):
    assert_one_line(run("inspect", model, "--temperatures", "1"), 1, "needs --next")
    two = run("inspect", model, "--map", "--places", "-o", "v.svg")
    assert_one_line(two, 1, "--plot saves one picture, but --map and --places")
    assert_one_line(run("inspect", model, "--neighbors", "zebra"), 1, "'zebra'")
    assert_one_line(run("inspect", model, "-o", "v.svg"), 1, "no losses to plot")


def test_the_learning_curve_names_its_best(run, corpus, tmp_path):
    outcome = run("train", corpus, *SMALL, "--steps", "40", "--valid", "0.2", "--quiet")
    assert outcome.code == 0
    facts = json.loads(run("inspect", "model.safetensors", "--json").out)
    loss = min(row["valid_loss"] for row in facts["history"])  # of the network, without counts
    for file in ("model.safetensors", "model.checkpoint.safetensors"):
        assert run("inspect", file, "--plot", "c.svg").code == 0
        text = (tmp_path / "c.svg").read_text(encoding="utf-8")
        assert f"validation, best {loss:.4f}" in text
