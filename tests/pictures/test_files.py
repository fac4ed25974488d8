"""Pictures are saved by their names, and what could not be is refused before the work."""

from __future__ import annotations

import pytest

from fastlm.errors import ConfigError
from fastlm.pictures.files import check_picture, save_picture
from fastlm.pictures.scene import Scene


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("c.txt", r"ends in '\.txt'; name a file that ends in \.svg, \.png or \.pdf"),
        ("c", "ends in ''"),
        ("nowhere/c.svg", "no such folder"),
        ("folder.svg", "is a folder"),
    ],
)
def test_what_could_not_be_saved_is_refused(tmp_path, name, message):
    (tmp_path / "folder.svg").mkdir()
    with pytest.raises(ConfigError, match=message):
        check_picture(tmp_path / name)


def test_a_picture_is_saved(tmp_path):
    save_picture(Scene("s", 10), tmp_path / "C.SVG")
    assert (tmp_path / "C.SVG").read_text(encoding="utf-8").startswith("<?xml")


@pytest.mark.thorough
def test_a_png_is_saved(tmp_path):
    pytest.importorskip("matplotlib")
    save_picture(Scene("s", 10), tmp_path / "c.png")
    assert (tmp_path / "c.png").read_bytes().startswith(b"\x89PNG")
