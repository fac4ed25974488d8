"""The surprise strip: texts as a picture (SVG), each part the redder, the more bits it took."""

from __future__ import annotations

import math
import re
import textwrap
from collections.abc import Iterable, Iterator
from html import escape

from fastlm.system.html_pages import MOST_BITS, figure_text, redness

__all__ = ["strip"]

_WIDTH = 880
_MARGIN = 16
_CELL = 9.0  # of a character; a line of 15 pixels in a font of equal widths
_ROW = 24
_LABEL = 9  # characters of the perplexity before a text
_COLUMNS = int((_WIDTH - 2 * _MARGIN) / _CELL) - _LABEL
_CAPTION_COLUMNS = 118
_TAB = "    "

# Characters that XML does not allow.
_NOT_XML = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")

_STYLE = """\
.paper { fill: #ffffff } .ink { fill: #1f2328 } .faint { fill: #59636e } .bits { fill: #dc321e }
text { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
font-size: 15px; white-space: pre }
.small { font-family: system-ui, "Segoe UI", Helvetica, Arial, sans-serif; font-size: 13px }
@media (prefers-color-scheme: dark) {
.paper { fill: #0d1117 } .ink { fill: #f0f6fc } .faint { fill: #9198a1 } }
"""

_Parts = Iterable[tuple[str, float | None]]


def strip(texts: Iterable[tuple[float, _Parts]], title: str = "", caption: str = "") -> str:
    """Return a picture of texts, 880 pixels wide, for light and dark pages.

    Parameters
    ----------
    texts : iterable of (float, parts)
        The perplexity of each, and the text in parts, each with its bits; None for a part that was
        not predicted.
    title : str
        Stands above the texts.
    caption : str
        Stands below them: what they and the model are.

    Returns
    -------
    str
        An SVG document.
    """
    body: list[str] = []
    y = _MARGIN
    if title:
        y += 14
        body.append(_text(_MARGIN, y, title, "ink small", bold=True))
        y += 12
    body += _legend(y)
    y += 36
    for perplexity, parts in texts:
        label = f"{figure_text(perplexity):>{_LABEL - 2}}"
        body.append(_text(_MARGIN, y + 16, label, "faint", _CELL * len(label)))
        row = 0
        for row, column, width, part, bits in _cells(parts):
            left, top = _MARGIN + _CELL * (_LABEL + column), y + row * _ROW
            if bits is not None:
                body.append(
                    f'<rect class="bits" x="{left:g}" y="{top:g}" width="{_CELL * width:g}" '
                    f'height="{_ROW - 2}" fill-opacity="{redness(bits):.2f}">'
                    f"<title>{escape(part)}: {bits:.2f} bits</title></rect>"
                )
            if part.strip():
                body.append(_text(left, top + 16, part, "ink", _CELL * width))
        y += (row + 1) * _ROW + 6
    for line in textwrap.wrap(_clean(caption), _CAPTION_COLUMNS):
        y += 18
        body.append(_text(_MARGIN, y, line, "faint small"))
    height = math.ceil(y + _MARGIN)
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" '
            f'width="{_WIDTH}" height="{height}" role="img">',
            f"<title>{escape(_clean(title or 'Surprise by token'))}</title>",
            f"<style>{_STYLE}</style>",
            f'<rect class="paper" width="{_WIDTH}" height="{height}" rx="6"/>',
            *body,
            "</svg>\n",
        ]
    )


def _cells(parts: _Parts) -> Iterator[tuple[int, int, int, str, float | None]]:
    """Yield (row, column, width, part, bits): parts in rows, cut where a row or a line ends."""
    from rich.cells import cell_len

    row = column = 0
    for part, bits in parts:
        for piece in re.split(r"(\n)", _clean(part.replace("\t", _TAB))):
            if piece == "\n":
                row, column = row + 1, 0
                continue
            while piece:
                if column >= _COLUMNS:
                    row, column = row + 1, 0
                fitting = _fitting(piece, _COLUMNS - column)
                if not fitting:  # a wide character does not fit into the last column
                    row, column = row + 1, 0
                    fitting = _fitting(piece, _COLUMNS) or 1
                width = max(cell_len(piece[:fitting]), 1)
                yield row, column, width, piece[:fitting], bits
                column += width
                piece = piece[fitting:]


def _fitting(text: str, columns: int) -> int:
    """Return how many characters of a text fit into columns."""
    from rich.cells import cell_len

    if cell_len(text) <= columns:
        return len(text)
    fitting = 0
    while cell_len(text[: fitting + 1]) <= columns:
        fitting += 1
    return fitting


def _legend(y: float) -> list[str]:
    """Return boxes for bits from 0 to the most."""
    steps = range(0, int(MOST_BITS) + 1, 2)
    label = "bits of a token (-log2 p)"
    found = [_text(_MARGIN, y + 16, label, "faint small")]
    for number, bits in enumerate(steps):
        x = 186 + 44 * number
        text = f"{bits}+" if bits == MOST_BITS else str(bits)
        found.append(
            f'<rect class="bits" x="{x}" y="{y}" width="42" height="22" '
            f'fill-opacity="{redness(bits):.2f}"/>'
        )
        found.append(
            f'<text class="ink small" x="{x + 21}" y="{y + 16}" text-anchor="middle">{text}</text>'
        )
    x = 186 + 44 * len(steps) + 12
    found.append(_text(x, y + 16, "at the left: perplexity of the text", "faint small"))
    return found


def _text(
    x: float, y: float, text: str, kind: str, length: float | None = None, bold: bool = False
) -> str:
    # With a length, every viewer puts each part over its box, whatever its font.
    sized = "" if length is None else f' textLength="{length:g}" lengthAdjust="spacingAndGlyphs"'
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text class="{kind}" x="{x:g}" y="{y:g}"{sized}{weight} xml:space="preserve">'
        f"{escape(_clean(text))}</text>"
    )


def _clean(text: str) -> str:
    """Return a text with the sign for what cannot be shown in place of control characters."""
    return _NOT_XML.sub("\ufffd", text)
