"""SVG is XML whatever its texts hold, follows the theme, and fetches nothing."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fastlm.pictures.scene import Dot, Line, Rect, Scene, Text
from fastlm.pictures.svg import svg_file, svg_inline
from tests.pictures.scenes import NS, fetches_nothing, parsed, texts

CODES = st.text(st.characters(codec=None), max_size=30)


@given(text=CODES, tip=CODES)
def test_any_text_is_xml(text, tip):
    scene = Scene(text, 50)
    scene.add(Text(1, 2, text), Rect(0, 0, 5, 5, "c0", tip=tip))
    parsed(scene)


def test_text_of_others_is_text():
    evil = "</text><script>alert(1)</script>&\"'"
    scene = Scene(evil, 50)
    scene.add(Text(1, 2, evil))
    assert texts(parsed(scene)) == [evil]
    assert "<script" not in svg_file(scene)


def test_shapes_have_their_places_and_roles():
    scene = Scene("all", 60, 100)
    scene.add(
        Line([(0, 1), (2, 3.5)], "c1", 2, dashed=True), Rect(1, 2, -3, 4, "hot", 0.5),
        Dot(5, 6, 7, "c2", tip="dot"), Text(8, 9, "up", anchor="middle", mono=True, upwards=True),
    )  # fmt: skip
    root = parsed(scene)
    assert (root.get("width"), root.get("viewBox")) == ("100", "0 0 100 60")
    (line,) = root.iter(f"{NS}polyline")
    assert (line.get("points"), line.get("class")) == ("0,1 2,3.5", "s-c1")
    (rect,) = root.iter(f"{NS}rect")
    assert (rect.get("width"), rect.get("opacity")) == ("0", "0.5")
    (dot,) = root.iter(f"{NS}circle")
    assert dot.find(f"{NS}title").text == "dot"
    (text,) = root.iter(f"{NS}text")
    assert "rotate(-90 8 9)" in text.get("transform")


def test_a_file_has_its_rules_and_a_part_of_a_page_has_none():
    scene = Scene("s", 10)
    assert "prefers-color-scheme: dark" in svg_file(scene)
    assert "<style" not in svg_inline(scene)
    assert fetches_nothing(svg_file(scene))
