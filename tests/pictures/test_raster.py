"""PNG and PDF by matplotlib: transparent, and the same bytes each time."""

from __future__ import annotations

import importlib.util

import pytest

from fastlm.errors import MissingLibraryError
from fastlm.pictures.raster import rendered, require_matplotlib
from fastlm.pictures.scene import Dot, Line, Rect, Scene, Text


@pytest.mark.thorough
@pytest.mark.parametrize(("kind", "start"), [("png", b"\x89PNG"), ("pdf", b"%PDF")])
def test_all_shapes(kind, start):
    pytest.importorskip("matplotlib")
    scene = Scene("all", 60, 100)
    scene.add(
        Line([(0, 1), (20, 30)], "c1", dashed=True), Rect(1, 2, 30, 4, "hot", 0.5),
        Dot(50, 40, 7, "c2"), Text(8, 9, "costs $5 and $6 \U0001f600", upwards=True, bold=True),
    )  # fmt: skip
    content = rendered(scene, kind)
    assert content.startswith(start)
    assert content == rendered(scene, kind)
    if kind == "png":
        import io

        from matplotlib.image import imread

        image = imread(io.BytesIO(content))
        assert image.shape == (120, 200, 4)
        assert image[-1, -1, 3] == 0
        assert image[:, :, 3].max() == 1


def test_without_matplotlib_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingLibraryError, match=r"pip install matplotlib; or name an \.svg"):
        require_matplotlib(".png")
