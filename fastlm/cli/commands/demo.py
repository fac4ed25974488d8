"""`fastlm demo`: a model in one page that writes text offline."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from fastlm.cli.commands.report import is_page
from fastlm.cli.config_file import ConfigOption
from fastlm.cli.options import ModelArgument, check_output, flag, option
from fastlm.display.screen import describe

__all__ = ["demo"]


def demo(
    model: ModelArgument,
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="FILE", help="Write here.", show_default=False),
    ],
    prompt: Annotated[
        str | None, option("TEXT", "What the page begins with.", names=("-p", "--prompt"))
    ] = None,
    title: Annotated[
        str | None, option("TEXT", "What the page is called (default: the model's name).")
    ] = None,
    half: Annotated[
        bool, flag("--half", "Store weights as float16: half the size; the error is said.")
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Write a page that holds the model and generates, completes and explains, without a server.

    For networks with characters, bytes or words, of up to 64 MB of weights: 16 million, or 32
    million with --half.
    """
    check_output(output, is_page, what="a page", example="demo.html")
    from fastlm.api.language_model import LanguageModel
    from fastlm.api.pages.demo import write_demo

    lm = LanguageModel.load(model)
    lines = write_demo(
        lm, output, title=title or model.name.removesuffix(".safetensors"), prompt=prompt or "",
        half=half,
    )  # fmt: skip
    describe(sys.stdout, "saved", str(output))
    for line in lines:
        describe(sys.stdout, "", line)
