"""Colours of pictures by their role, for light pages, for dark ones, and for either."""

from __future__ import annotations

from typing import NamedTuple

__all__ = ["ROLES", "SERIES", "Shades", "theme_rules"]


class Shades(NamedTuple):
    """A colour on white, on near black, and one that is read on both."""

    light: str
    dark: str
    both: str


ROLES: dict[str, Shades] = {
    "text": Shades("#1f2328", "#e6edf3", "#767676"),
    "muted": Shades("#59636e", "#9198a1", "#7d7d7d"),
    "grid": Shades("#d1d9e0", "#30363d", "#8c8c8c"),
    "card": Shades("#ffffff", "#0d1117", "#ffffff"),
    "hot": Shades("#cf222e", "#f85149", "#dc321e"),
    # The rest are for lines, bars and groups, in this order. Colour-blind people can tell
    # neighbours apart by their lightness.
    "c0": Shades("#0969da", "#58a6ff", "#2f81d7"),
    "c1": Shades("#bc4c00", "#f0883e", "#d9730d"),
    "c2": Shades("#1a7f37", "#56d364", "#2da44e"),
    "c3": Shades("#8250df", "#d2a8ff", "#9a6ee8"),
    "c4": Shades("#bf3989", "#ff9bce", "#d6609f"),
    "c5": Shades("#7d6200", "#e3b341", "#a98600"),
}
"""What each role looks like."""

SERIES = tuple(name for name in ROLES if name[0] == "c" and name[1:].isdigit())
"""The roles of lines, bars and groups, which repeat where there are more."""


def theme_rules() -> str:
    """Return the CSS rules of all roles: ``f-ROLE`` fills, ``s-ROLE`` strokes; dark where asked.

    Colours are written out, without CSS variables, which few programs but browsers know.
    """
    light = "".join(_rule(role, shades.light) for role, shades in ROLES.items())
    dark = "".join(_rule(role, shades.dark) for role, shades in ROLES.items())
    return f"{light}@media (prefers-color-scheme: dark){{{dark}}}"


def _rule(role: str, colour: str) -> str:
    return f".f-{role}{{fill:{colour}}}.s-{role}{{stroke:{colour}}}"
