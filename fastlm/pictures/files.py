"""Pictures as files, of the kind that their name says."""

from __future__ import annotations

from pathlib import Path

from fastlm.errors import ConfigError
from fastlm.pictures.scene import Scene
from fastlm.pictures.svg import svg_file
from fastlm.system.atomic_file import replace_file, unwritable

__all__ = ["check_picture", "save_picture"]

_KINDS = (".svg", ".png", ".pdf")


def check_picture(path: Path) -> None:
    """Raise an error if no picture could be saved there; call it before the work.

    Raises
    ------
    ConfigError
        For a name of another kind, and a folder that is not there.
    MissingLibraryError
        For .png and .pdf where there is no matplotlib.
    """
    suffix = path.suffix.lower()
    if suffix not in _KINDS:
        raise ConfigError(
            f"{path} ends in {path.suffix!r}; name a file that ends in .svg, .png or .pdf"
        )
    if path.is_dir():
        raise ConfigError(f"{path} is a folder; name a file in it, e.g. {path / 'picture.svg'}")
    if not path.parent.is_dir():
        raise ConfigError(f"{path.parent}: no such folder for {path.name}; create it first")
    if suffix != ".svg":
        from fastlm.pictures.raster import require_matplotlib

        require_matplotlib(suffix)


def save_picture(scene: Scene, path: Path) -> None:
    """Write a scene as SVG, PNG or PDF, by the file's name, at once or not at all.

    Raises
    ------
    ConfigError, MissingLibraryError
        As `check_picture`, and when it cannot be written.
    """
    check_picture(path)
    suffix = path.suffix.lower()
    if suffix == ".svg":
        content = svg_file(scene).encode("utf-8")
    else:
        from fastlm.pictures.raster import rendered

        content = rendered(scene, suffix[1:])
    try:
        replace_file(path, [content])
    except (OSError, ValueError) as error:
        raise ConfigError(unwritable("picture", path, error)) from None
