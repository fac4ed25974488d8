"""Pictures of characters: as wide as asked, with the numbers that they show."""

from __future__ import annotations

import io

import pytest

from fastlm.pictures.bars import BarGroup
from fastlm.pictures.curves import Curve, Point, Sample
from fastlm.pictures.histogram import histogram_of
from fastlm.pictures.map import MapPoint
from fastlm.pictures.terminal import (
    bar_lines,
    curve_lines,
    histogram_lines,
    map_lines,
    write_lines,
)

CURVE = Curve(
    "run",
    [Point(n, 6.0 * n, 3 - n / 20) for n in range(1, 21)],
    [Point(10, 60.0, 2.7), Point(20, 120.0, 2.2)],
    1,
    [Sample(20, "a sample\nof it")],
)
BARS = BarGroup("group", ["a", "\n"], [1.0, 0.5], ["100%", "50%"])


def plain(lines):
    return [line.plain for line in lines]


@pytest.mark.parametrize("columns", [40, 80, 120])
@pytest.mark.parametrize("utf8", [True, False])
def test_lines_fit(columns, utf8):
    histogram = histogram_of("perplexity", [1.0, 5.0, 900.0], 10.0)
    points = [MapPoint(f"token{n}", n % 7, n % 5, n % 2) for n in range(30)]
    found = [
        *curve_lines([CURVE], columns, utf8=utf8)[1:17],
        *bar_lines([BARS], columns, utf8=utf8),
        *map_lines(points, ["a", "b"], columns),
    ]
    if columns >= 80:
        found += histogram_lines(histogram, columns, utf8=utf8)[1:17]
    assert max(map(len, plain(found))) <= columns
    if not utf8:
        assert all(
            line.isascii() for line in plain(curve_lines([CURVE], columns, utf8=False)[1:17])
        )


def test_a_curve():
    lines = plain(curve_lines([CURVE], 80))
    assert lines[0].startswith("run  ")
    assert "best 2.2000" in lines[0]
    assert any(line.strip().startswith("2.6 |") for line in lines)
    assert lines[-1] == "step 20     a sample⏎of it"
    assert any(line.endswith("minutes") for line in plain(curve_lines([CURVE], 80, minutes=True)))
    two = plain(curve_lines([CURVE, CURVE], 80))
    assert two[0] == two[1]
    assert not any("sample" in line for line in two)


def test_bars_and_their_lengths():
    title, first, second = plain(bar_lines([BARS], 80))
    assert title == "group"
    assert first.count("█") == 60
    assert second == f"⏎ {'█' * 30} 50%"


def test_a_histogram_marks_its_threshold():
    lines = plain(histogram_lines(histogram_of("perplexity", [1.0, 5.0, 900.0], 10.0), 80))
    assert lines[0] == "2 of 3 (66.7%) are at most 10; 1 are above"
    assert any(line.strip() == "▲ 10" for line in lines)
    assert lines[-1].endswith("perplexity")


def test_a_map_has_each_label_once():
    points = [MapPoint(c, x, y) for c, x, y in (("a", 0, 0), ("b", 1, 1), ("c", 1, 0))]
    text = "\n".join(plain(map_lines(points, ["letters"], 40, rows=5)))
    assert [text.count(c) for c in "abc"] == [1, 1, 1]
    crowd = [MapPoint("same", 0.0, 0.0)] * 30
    assert "tokens have no room" in plain(map_lines(crowd, ["x"], 40))[-1]


def test_a_pipe_gets_no_colours():
    stream = io.StringIO()
    write_lines(bar_lines([BARS], 80), stream)
    assert "\x1b" not in stream.getvalue()
    assert stream.getvalue().startswith("group\n")
