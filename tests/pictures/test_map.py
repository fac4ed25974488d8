"""Labels of a map never overlap, and every token is there."""

from __future__ import annotations

import itertools

from hypothesis import given
from hypothesis import strategies as st

from fastlm.pictures.map import MapPoint, map_scene, placed
from fastlm.pictures.scene import Dot, Text
from tests.pictures.scenes import check_inside, of_kind, parsed, texts

PLACES = st.lists(st.tuples(st.floats(20, 380), st.floats(20, 180)), min_size=1, max_size=40)


@given(points=PLACES)
def test_labels_do_not_overlap_and_stay_inside(points):
    boxes = placed(points, [(30.0, 14.0)] * len(points), (0, 0, 400, 200))
    found = [box for box in boxes if box is not None]
    assert boxes[0] is not None
    for one, other in itertools.combinations(found, 2):
        assert not one.meets(other)
    for box in found:
        assert box.left >= 0
        assert box.top >= 0
        assert box.left + box.width <= 400
        assert box.top + box.height <= 200


def test_a_label_stands_on_its_point_if_it_can():
    boxes = placed([(50, 50), (50, 50)], [(20.0, 10.0)] * 2, (0, 0, 100, 100))
    assert [box.moved for box in boxes] == [False, True]


def test_every_token_is_a_label_or_a_dot():
    points = [MapPoint(f"word{n}", 0.001 * n, 0.0, n % 3) for n in range(150)]
    points += [MapPoint("far", 9.0, 9.0, 0)]
    scene = map_scene("map", points, ["one", "two", "three"], "note")
    check_inside(scene)
    labels = {text.text for text in of_kind(scene, Text)}
    dots = {dot.tip for dot in of_kind(scene, Dot)}
    assert {point.label for point in points} <= labels | dots
    assert any("tokens are dots" in text for text in labels)
    assert {"one", "two", "three"} <= set(texts(parsed(scene)))


def test_points_of_one_place():
    check_inside(map_scene("map", [MapPoint(c, 1.0, 1.0) for c in "abc"], ["all"]))
