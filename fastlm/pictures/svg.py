"""A scene as SVG: text of its own that follows the theme, light or dark, of who looks at it."""

from __future__ import annotations

import re
from html import escape

from fastlm.pictures.palette import theme_rules
from fastlm.pictures.scene import Dot, Line, Rect, Scene, Shape, Text

__all__ = ["PICTURE_RULES", "svg_file", "svg_inline"]

SANS = "system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif"
MONO = "ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace"

PICTURE_RULES = (
    f".picture text{{font-family:{SANS};white-space:pre}}"
    f".picture .mono{{font-family:{MONO}}}"
    ".picture .bold{font-weight:600}"
    ".picture polyline{fill:none;stroke-linejoin:round;stroke-linecap:round}"
    f"{theme_rules()}"
)
"""The CSS rules that pictures inside a page need, once."""

# Characters that XML does not have, whatever they are written as.
_NOT_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff\ud800-\udfff]")


def svg_file(scene: Scene) -> str:
    """Return a scene as a file: with its own rules, no background, and nothing from elsewhere."""
    head = '<?xml version="1.0" encoding="UTF-8"?>\n'
    return f"{head}{_svg(scene, f'<style>{PICTURE_RULES}</style>')}\n"


def svg_inline(scene: Scene) -> str:
    """Return a scene as a part of a page that has `PICTURE_RULES`."""
    return _svg(scene, "")


def _svg(scene: Scene, style: str) -> str:
    title = _escaped(scene.title)
    shapes = "\n".join(map(_shape, scene.shapes))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="picture" '
        f'width="{_number(scene.width)}" height="{_number(scene.height)}" '
        f'viewBox="0 0 {_number(scene.width)} {_number(scene.height)}" role="img" '
        f'aria-label="{title}"><title>{title}</title>{style}\n{shapes}\n</svg>'
    )


def _shape(shape: Shape) -> str:
    if isinstance(shape, Text):
        return _text(shape)
    if isinstance(shape, Line):
        points = " ".join(f"{_number(x)},{_number(y)}" for x, y in shape.points)
        dashes = ' stroke-dasharray="5 4"' if shape.dashed else ""
        return (
            f'<polyline class="s-{shape.role}" stroke-width="{_number(shape.width)}"'
            f'{_opacity(shape.opacity)}{dashes} points="{points}"/>'
        )
    tip = f"<title>{_escaped(shape.tip)}</title>" if shape.tip else ""
    if isinstance(shape, Rect):
        place = (
            f'x="{_number(shape.x)}" y="{_number(shape.y)}" '
            f'width="{_number(max(0.0, shape.width))}" height="{_number(max(0.0, shape.height))}"'
        )
        return f'<rect class="f-{shape.role}"{_opacity(shape.opacity)} {place}>{tip}</rect>'
    return _dot(shape, tip)


def _dot(shape: Dot, tip: str) -> str:
    return (
        f'<circle class="f-{shape.role}"{_opacity(shape.opacity)} cx="{_number(shape.x)}" '
        f'cy="{_number(shape.y)}" r="{_number(shape.radius)}">{tip}</circle>'
    )


def _text(shape: Text) -> str:
    names = [f"f-{shape.role}", *["mono"] * shape.mono, *["bold"] * shape.bold]
    anchor = "" if shape.anchor == "start" else f' text-anchor="{shape.anchor}"'
    place = f'x="{_number(shape.x)}" y="{_number(shape.y)}"'
    if shape.upwards:
        place += f' transform="rotate(-90 {_number(shape.x)} {_number(shape.y)})"'
    return (
        f'<text class="{" ".join(names)}" font-size="{_number(shape.size)}"{anchor} '
        f"{place}>{_escaped(shape.text)}</text>"
    )


def _opacity(opacity: float) -> str:
    return "" if opacity == 1 else f' opacity="{_number(opacity)}"'


def _number(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".")


def _escaped(text: str) -> str:
    return escape(_NOT_XML.sub("\ufffd", text))
