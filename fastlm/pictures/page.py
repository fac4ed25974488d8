"""The shell of a page: one HTML file with its style and pictures, light and dark, no script."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from fastlm.pictures.svg import PICTURE_RULES

__all__ = ["facts_table", "page", "paragraph", "preformatted", "section", "table"]

_STYLE = """
:root { color-scheme: light dark; --page: #ffffff; --text: #1f2328; --muted: #59636e;
  --line: #d1d9e0; --soft: #f6f8fa; }
@media (prefers-color-scheme: dark) { :root { --page: #0d1117; --text: #e6edf3; --muted: #9198a1;
  --line: #30363d; --soft: #161b22; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 928px; padding: 24px; background: var(--page); color: var(--text);
  font: 16px/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; }
h1 { font-size: 26px; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 19px; margin: 36px 0 8px; padding-top: 8px; border-top: 1px solid var(--line); }
p { margin: 6px 0; }
.muted, footer { color: var(--muted); font-size: 14px; }
footer { margin-top: 36px; padding-top: 10px; border-top: 1px solid var(--line); }
table { border-collapse: collapse; font-size: 15px; }
td, th { padding: 4px 18px 4px 0; text-align: left; vertical-align: top; font-weight: 400;
  border-bottom: 1px solid var(--line); font-variant-numeric: tabular-nums;
  overflow-wrap: anywhere; }
th { color: var(--muted); }
td.number, th.number { text-align: right; }
pre { margin: 6px 0; padding: 10px 12px; background: var(--soft); border-radius: 8px;
  font: 14px/1.5 ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace;
  white-space: pre-wrap; overflow-wrap: anywhere; }
.strip { line-height: 1.9; }
svg.picture { display: block; max-width: 100%; height: auto; margin: 8px 0; }
"""


def page(title: str, subtitle: str, parts: Iterable[str], footer: str) -> str:
    """Return a page of parts, which are HTML; the other texts are escaped."""
    body = "\n".join(parts)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>{escape(title)}</title>
<style>{_STYLE}{PICTURE_RULES}</style>
</head>
<body>
<h1>{escape(title)}</h1>
<p class="muted">{escape(subtitle)}</p>
{body}
<footer>{escape(footer)}</footer>
</body>
</html>
"""


def section(title: str, *parts: str) -> str:
    """Return a heading and the HTML below it."""
    return f"<section><h2>{escape(title)}</h2>\n" + "\n".join(parts) + "</section>"


def paragraph(text: str) -> str:
    """Return a paragraph of muted text."""
    return f'<p class="muted">{escape(text)}</p>'


def preformatted(text: str) -> str:
    """Return text as it is, in a font of equally wide letters."""
    return f"<pre>{escape(text)}</pre>"


def facts_table(facts: Iterable[tuple[str, str]]) -> str:
    """Return a table of names and texts."""
    rows = "".join(
        f'<tr><th scope="row">{escape(name)}</th><td>{escape(text)}</td></tr>'
        for name, text in facts
    )
    return f"<table>{rows}</table>"


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table; all columns but the first hold numbers."""
    names = "".join(
        f'<th scope="col"{_number(place)}>{escape(name)}</th>' for place, name in enumerate(head)
    )
    lines = "".join(
        "<tr>"
        + "".join(f"<td{_number(place)}>{escape(cell)}</td>" for place, cell in enumerate(row))
        + "</tr>"
        for row in rows
    )
    return f"<table><tr>{names}</tr>{lines}</table>"


def _number(place: int) -> str:
    return ' class="number"' if place else ""
