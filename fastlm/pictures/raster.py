"""A scene as PNG or PDF, put down by matplotlib."""

from __future__ import annotations

import io
from typing import Any

from fastlm.errors import MissingLibraryError
from fastlm.pictures.palette import ROLES
from fastlm.pictures.scene import Dot, Line, Rect, Scene, Shape
from fastlm.wording import install

__all__ = ["rendered", "require_matplotlib"]

# Pixels of a scene in an inch, and of a PNG: twice as many, for sharp text.
_SCENE_DPI = 96
_PNG_DPI = 192
# Of the lines of a grid that is seen on white and on black.
_GRID_OPACITY = 0.4

_ANCHORS = {"start": "left", "middle": "center", "end": "right"}
_FONTS = {
    False: ["DejaVu Sans", "Noto Sans CJK JP", "sans-serif"],
    True: ["DejaVu Sans Mono", "monospace"],
}


def require_matplotlib(suffix: str) -> None:
    """Raise MissingLibraryError where there is no matplotlib."""
    import importlib.util

    if importlib.util.find_spec("matplotlib") is None:
        raise MissingLibraryError(
            f"{suffix} needs matplotlib: {install('matplotlib')}; or name an .svg, which needs "
            "nothing"
        )


def rendered(scene: Scene, kind: str) -> bytes:
    """Return a scene as a file of matplotlib's, without a background.

    Parameters
    ----------
    scene : Scene
    kind : {"png", "pdf"}
        A PNG has colours that are read on white and on black, a PDF those for paper.

    Raises
    ------
    MissingLibraryError
        Where there is no matplotlib.
    """
    require_matplotlib(f".{kind}")
    import logging

    # Without pyplot: no window system, no global state.
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    figure = Figure(figsize=(scene.width / _SCENE_DPI, scene.height / _SCENE_DPI))
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set_xlim(0, scene.width)
    axes.set_ylim(scene.height, 0)
    axes.set_axis_off()
    for number, shape in enumerate(scene.shapes):
        _draw(axes, shape, "both" if kind == "png" else "light", number)
    content = io.BytesIO()
    # A character that no font has is drawn as a box; matplotlib would say so for each.
    logger = logging.getLogger("matplotlib.font_manager")
    level = logger.level
    logger.setLevel(logging.ERROR)
    import warnings

    try:
        with warnings.catch_warnings(), rc_context({"pdf.fonttype": 42}):
            warnings.filterwarnings("ignore", message="Glyph")
            # No date, so that the same scene gives the same bytes.
            dates = {"CreationDate": None} if kind == "pdf" else {"Software": None}
            figure.savefig(content, format=kind, dpi=_PNG_DPI, transparent=True, metadata=dates)
    finally:
        logger.setLevel(level)
    return content.getvalue()


def _draw(axes: Any, shape: Shape, theme: str, order: int) -> None:
    from matplotlib.patches import Circle, Rectangle

    colour = getattr(ROLES[shape.role], theme)
    points = 72 / _SCENE_DPI
    if isinstance(shape, Line):
        xs, ys = zip(*shape.points, strict=True)
        (line,) = axes.plot(xs, ys, color=colour, alpha=shape.opacity, zorder=order)
        line.set(linewidth=shape.width * points, solid_joinstyle="round")
        if shape.role == "grid" and theme == "both":
            line.set_alpha(_GRID_OPACITY)
        if shape.dashed:
            line.set_linestyle((0, (5, 4)))
    elif isinstance(shape, Rect | Dot):
        patch: Any
        if isinstance(shape, Rect):
            patch = Rectangle((shape.x, shape.y), max(0, shape.width), max(0, shape.height))
        else:
            patch = Circle((shape.x, shape.y), shape.radius)
        patch.set(facecolor=colour, alpha=shape.opacity, linewidth=0, zorder=order)
        axes.add_patch(patch)
    else:
        # Text of others may hold dollar signs, which would begin a formula.
        text = axes.text(shape.x, shape.y, shape.text, color=colour, zorder=order, parse_math=False)
        text.set(
            fontsize=shape.size * points,
            fontfamily=_FONTS[shape.mono],
            fontweight="bold" if shape.bold else "normal",
            ha=_ANCHORS[shape.anchor],
            va="baseline",
            rotation=90 if shape.upwards else 0,
            rotation_mode="anchor",
        )
