from __future__ import annotations

import re
from xml.etree import ElementTree

from fastlm.display.strip import strip

SVG = "{http://www.w3.org/2000/svg}"


def boxes(page):
    """The boxes of tokens: those with a title of their own."""
    return [box for box in page.iter(f"{SVG}rect") if box.find(f"{SVG}title") is not None]


def test_every_part_has_its_box_and_lies_within_the_picture():
    parts = [("ab", 1.0), (" ", None), ("c" * 200, 20.0), ("\n", 3.0), ("日本", 0.0)]
    page = ElementTree.fromstring(strip([(4.5, parts), (7, [("x", 2.0)])], "T<", "C&"))
    assert page.get("viewBox").startswith("0 0 880 ")
    height = float(page.get("height"))
    for box in page.iter(f"{SVG}rect"):
        x, y = float(box.get("x", 0)), float(box.get("y", 0))
        assert x >= 0
        assert x + float(box.get("width")) <= 880
        assert y + float(box.get("height")) <= height
    found = boxes(page)
    assert len(found) == 2 + 3 + 1  # 200 characters take three rows
    assert [box.get("fill-opacity") for box in found[:2]] == ["0.07", "0.70"]
    text = "".join(page.itertext())
    for part in ("ab", "日本", "T<", "C&", "4.5", "10+", "perplexity"):
        assert part in text


def test_wide_characters_take_two_cells():
    narrow, wide = boxes(ElementTree.fromstring(strip([(1, [("ab", 1.0), ("日本", 1.0)])])))
    assert 2 * float(narrow.get("width")) == float(wide.get("width"))


def test_it_is_legible_in_light_and_dark_and_needs_nothing_else():
    picture = strip([(1, [("a\x00\x1b\ud800", 1.0)])])
    ElementTree.fromstring(picture)
    picture.encode("utf-8")
    assert "prefers-color-scheme: dark" in picture
    assert not re.search(r"href|url\(|@import|<script", picture)
