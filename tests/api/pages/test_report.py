"""The report: a page that holds the figures of its model, escaped, and nothing from elsewhere."""

from __future__ import annotations

import gzip

import pytest

from fastlm.api.pages.report import report_page, write_report
from fastlm.errors import ConfigError, CorpusError
from tests.api.models import TEXT, make_model
from tests.chromium import console_of, needs_chromium, picture_of
from tests.inference.mixtures import make_mixture
from tests.pictures.scenes import fetches_nothing
from tests.pictures.test_page import checked


@pytest.fixture
def model(tmp_path):
    lm = make_model()
    lm.details = {
        "corpus": "<script>alert(1)</script>", "step": 9, "seconds": 65.0, "valid_loss": 2.0,
        "history": [{"step": 5, "valid_loss": 2.5, "train_loss": 2.4, "seconds": 30.0},
                    {"step": 9, "valid_loss": 2.0, "train_loss": 1.9, "seconds": 65.0}],
    }  # fmt: skip
    lm.save(tmp_path / "m.safetensors")
    return tmp_path / "m.safetensors"


def test_a_page_with_all_parts(model, tmp_path):
    text = tmp_path / "t.txt"
    text.write_text(TEXT, encoding="utf-8")
    page = report_page(model, text=text, prompt="The ")
    found = checked(page)
    assert "script" not in found.names
    assert found.names.count("svg") == 5
    assert fetches_nothing(page)
    shown = "".join(found.text)
    lm = make_model()
    figures = lm.evaluate(TEXT)
    packed = 8 * len(gzip.compress(TEXT.encode(), 9)) / len(TEXT)
    for said in (
        "Report of m.safetensors", "<script>alert(1)</script>", "9 steps", "1:05",
        "perplexity 7.39",
        "Losses", "A map of its tokens", "Neighbours", "The next token after 'The '",
        "Where it looks", "Surprises", f"{figures.bits_per_char:.3f}", f"{packed:.3f}", "xz",
        f"perplexity {figures.perplexity:,.2f}",
    ):  # fmt: skip
        assert said in shown, said


def test_without_text_or_losses_it_says_what_to_give(tmp_path):
    make_model("word").save(tmp_path / "w.safetensors")
    page = report_page(tmp_path / "w.safetensors")
    assert "The run kept no losses." in page
    assert "text=..." in page or "text" in page
    checked(page)


@pytest.mark.thorough
def test_counts_alone_have_a_page_too(tmp_path):
    make_mixture("counts").save(tmp_path / "c.safetensors")
    page = report_page(tmp_path / "c.safetensors")
    assert "n-grams" in page
    assert "A map of its tokens" not in page


def test_it_is_written_at_once(model, tmp_path):
    write_report(model, tmp_path / "run.html")
    assert (tmp_path / "run.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    with pytest.raises(ConfigError, match="cannot write the report"):
        write_report(model, tmp_path / "nowhere" / "run.html")
    (tmp_path / "blank.txt").write_text(" \n")
    with pytest.raises(CorpusError, match="holds no text"):
        write_report(model, tmp_path / "run.html", text=tmp_path / "blank.txt")


@pytest.mark.slow
@needs_chromium
def test_a_browser_shows_it_light_and_dark_without_a_word(model, tmp_path):
    write_report(model, tmp_path / "run.html")
    dom, console = console_of(tmp_path / "run.html")
    assert console == []
    assert dom.count("<svg") == 5
    light = picture_of(tmp_path / "run.html", tmp_path / "light.png", dark=False)
    dark = picture_of(tmp_path / "run.html", tmp_path / "dark.png", dark=True)
    image = pytest.importorskip("matplotlib.image")
    assert len(light) > 10_000
    assert image.imread(tmp_path / "light.png")[5, 5, :3].min() > 0.9
    assert image.imread(tmp_path / "dark.png")[5, 5, :3].max() < 0.2
    assert light != dark
