"""HTML for notebooks: well formed, escaped, readable on black and on white."""

from __future__ import annotations

import math
import re
from xml.etree import ElementTree

import pytest

from fastlm.system.html_pages import coloured_text, curve, figure_text, html_table

NASTY = "<script>alert('1')</script> & \"quotes\""


def parsed(page):
    return ElementTree.fromstring(f"<div>{page}</div>")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (1234567, "1,234,567"),
        (6.0213579, "6.021"),
        (123456.7, "123,457"),
        (1e30, "1e+30"),
        (math.nan, "-"),
        (math.inf, "∞"),
        (None, ""),
        (True, "True"),
        ("text", "text"),
    ],
)
def test_figures_as_people_read_them(value, text):
    assert figure_text(value) == text


def test_a_table_is_escaped():
    page = html_table([[NASTY, 1.5], ["b", 2]], ["name", "<b>"], caption=NASTY)
    tree = parsed(page)
    assert [cell.text for cell in tree.iter("td")] == [NASTY, "1.5", "b", "2"]
    assert [cell.text for cell in tree.iter("th")] == ["name", "<b>"]
    assert tree.find(".//caption").text == NASTY
    assert "<script" not in page


def test_a_long_table_shows_both_ends():
    cells = [cell.text for cell in parsed(html_table([[at] for at in range(1000)])).iter("td")]
    assert cells == [*map(str, range(10)), "…", *map(str, range(990, 1000))]


def test_the_redder_the_more_bits():
    page = coloured_text([("a", 0.0), (NASTY, 5.0), (" ", None), ("c", 99.0)])
    tree = parsed(page)
    spans = list(tree.iter("span"))
    assert [span.text for span in spans] == ["a", NASTY, "c"]
    reds = [float(re.search(r", ([\d.]+)\)", span.get("style"))[1]) for span in spans]
    assert reds == [0.0, 0.35, 0.7]
    assert spans[1].get("title") == "5.00 bits"
    assert "".join(tree.itertext()) == f"a{NASTY} c"


def test_a_curve_lies_in_its_picture():
    page = curve([(0, 5.0), (10, 3.0), (20, math.nan), (30, 2.0)], NASTY)
    tree = parsed(page)
    points = [tuple(map(float, one.split(","))) for one in
              tree.find(".//polyline").get("points").split()]  # fmt: skip
    assert len(points) == 3
    assert all(0 <= x <= 360 and 0 <= y <= 120 for x, y in points)
    assert [y for _, y in points] == sorted(y for _, y in points)  # the loss falls: y grows
    assert tree.find(".//text").text == f"{NASTY}: 5 → 2"
    assert tree.find(".//text").get("fill") == "currentColor"
    assert curve([(0, 1.0)], "x") == ""
    assert parsed(curve([(0, 1.0), (0, 1.0)], "x")) is not None
