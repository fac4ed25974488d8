"""Views of `fastlm inspect`: a map, neighbours, next tokens, weights by place."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastlm.checks import shown
from fastlm.display.screen import is_utf8, terminal_columns
from fastlm.errors import ConfigError

if TYPE_CHECKING:
    from rich.text import Text

    from fastlm.pictures.scene import Scene

__all__ = ["DEFAULT_TEMPERATURES", "View", "make_view", "parse_temperatures", "print_views"]

DEFAULT_TEMPERATURES = "0.5,1,1.5"


@dataclass(frozen=True)
class View:
    """One view of a model.

    Attributes
    ----------
    name : str
        Its key in JSON.
    data : Any
        In types that JSON has.
    scene : Scene
    lines : list of Text
        For a terminal.
    """

    name: str
    data: Any
    scene: Scene
    lines: list[Text] = field(default_factory=list)


def parse_temperatures(text: str) -> list[float]:
    """Return the numbers in "0.5,1,1.5".

    Raises
    ------
    ConfigError
        For anything else, for more than five, and for negative ones.
    """
    try:
        found = [float(part) for part in text.split(",")]
    except ValueError:
        found = []
    if not 1 <= len(found) <= 5 or not all(0 <= value < float("inf") for value in found):
        raise ConfigError(
            f"--temperatures is {shown(text)}; give one to five numbers from 0, such as "
            f"{DEFAULT_TEMPERATURES}"
        )
    return found


def make_view(path: Path, name: str, value: str, temperatures: list[float]) -> View:
    """Return a view of a model or checkpoint.

    Parameters
    ----------
    path : path
    name : {"map", "neighbors", "next", "places"}
    value : str
        The token of neighbours, the prompt of next tokens.
    temperatures : list of float
    """
    from fastlm.api.language_model import load
    from fastlm.api.pages import views
    from fastlm.pictures.bars import bar_scene
    from fastlm.pictures.map import map_scene
    from fastlm.pictures.terminal import bar_lines, map_lines

    lm = load(path)
    caption = views.caption_of(lm, path)
    columns, utf8 = (terminal_columns(sys.stdout) or 80), is_utf8(sys.stdout)
    if name == "map":
        found = views.token_map(lm)
        title = f"Where {path.name.removesuffix('.safetensors')} puts its tokens"
        scene = map_scene(title, found.points, found.groups, f"{found.note} {caption}")
        points = [{"token": p.label, "x": p.x, "y": p.y, "group": p.group} for p in found.points]
        data: Any = {"points": points, "groups": found.groups, "note": found.note}
        return View("map", data, scene, map_lines(found.points, found.groups, columns))
    if name == "neighbors":
        group = views.neighbor_bars(lm, value)
        title, groups, role = f"Nearest to {value!r}, by the cosine of embeddings", [group], "c2"
        data = [
            {"token": token, "cosine": cosine}
            for token, cosine in zip(group.labels, group.values, strict=True)
        ]
    elif name == "next":
        groups = views.next_bars(lm, value, temperatures)
        title, role = f"What comes after {value!r}", "c0"
        data = [
            {
                "temperature": temperature,
                "tokens": [
                    {"token": token, "probability": share}
                    for token, share in zip(group.labels, group.values, strict=True)
                ],
            }
            for temperature, group in zip(temperatures, groups, strict=True)
        ]
    else:
        groups, role = [views.place_bars(lm)], "c3"
        title = "Root mean square of the first layer's weights, by place of the context"
        data = groups[0].values
    from rich.text import Text

    lines = [Text(title, "bold"), *bar_lines(groups, columns, utf8=utf8)]
    return View(name, data, bar_scene(title, groups, caption, role), lines)


def print_views(views: list[View]) -> None:
    """Write views to the terminal, or without colours to a pipe."""
    from fastlm.pictures.terminal import write_lines

    for view in views:
        write_lines(view.lines)
