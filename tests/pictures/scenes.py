"""Reading pictures back: the shapes of an SVG as XML has them."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET

from fastlm.pictures.scene import Dot, Line, Rect, Scene, Text
from fastlm.pictures.svg import svg_file

NS = "{http://www.w3.org/2000/svg}"


def parsed(scene: Scene) -> ET.Element:
    return ET.fromstring(svg_file(scene))


def texts(root: ET.Element) -> list[str]:
    return [element.text or "" for element in root.iter(f"{NS}text")]


def of_kind(scene: Scene, kind: type) -> list:
    return [shape for shape in scene.shapes if isinstance(shape, kind)]


def check_inside(scene: Scene) -> None:
    """No shape leaves its picture, and no letter is smaller than can be read."""
    for shape in scene.shapes:
        if isinstance(shape, Text):
            assert shape.size >= 11, shape
            assert -1 <= shape.x <= scene.width + 1, shape
            assert 0 <= shape.y <= scene.height, shape
        elif isinstance(shape, Rect):
            assert shape.x + shape.width <= scene.width + 1, shape
            assert shape.y + shape.height <= scene.height + 1, shape
        elif isinstance(shape, Dot):
            assert 0 <= shape.x <= scene.width, shape
            assert 0 <= shape.y <= scene.height, shape
        elif isinstance(shape, Line):
            for x, y in shape.points:
                assert 0 <= x <= scene.width + 1, shape
                assert 0 <= y <= scene.height + 1, shape


def fetches_nothing(page: str) -> bool:
    """Tell whether a page names no address but those of XML."""
    found = re.findall(r"(?:https?:)?//[a-z][\w.-]+", page)
    return not [each for each in found if "www.w3.org" not in each]
