"""`fastlm report`: a run as one page that can be sent and kept."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from fastlm.cli.config_file import ConfigOption
from fastlm.cli.options import ModelArgument, check_output, option
from fastlm.display.figures import size_text
from fastlm.display.screen import describe

__all__ = ["is_page", "report"]


def report(
    model: ModelArgument,
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="FILE", help="Write here.", show_default=False),
    ],
    text: Annotated[
        str | None,
        option(
            "FILE",
            "Text that was not trained on: for the surprises, and the figures beside gzip and xz.",
        ),
    ] = None,
    prompt: Annotated[
        str | None, option("TEXT", "Show what comes after this text.", names=("-p", "--prompt"))
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Write a page about a model and its run: settings, curves, samples, a map, figures.

    It is one HTML file with nothing from elsewhere and no script, for light and dark.
    """
    check_output(output, is_page, what="a page", example="run.html")
    from fastlm.api.pages.report import write_report

    write_report(model, output, text=text, prompt=prompt or "")
    describe(sys.stdout, "saved", f"{output}, {size_text(output.stat().st_size)}")


def is_page(path: Path) -> bool:
    """Return whether a file is an HTML page."""
    with path.open("rb") as file:
        return file.read(15).lower() == b"<!doctype html>"
