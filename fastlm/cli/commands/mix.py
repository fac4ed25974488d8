"""`fastlm mix`: models with the same tokenizer as one, weighed on held-out text."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from fastlm.cli.config_file import ConfigOption
from fastlm.cli.options import (
    DATA,
    EncodingOption,
    ErrorsOption,
    FieldOption,
    QuietOption,
    SkipBadOption,
    ThreadsOption,
    check_output,
    given_reading,
    option,
)

__all__ = ["mix"]


def mix(
    invocation: typer.Context,
    models: Annotated[
        list[Path],
        typer.Argument(metavar="MODEL", help="Models written by fastlm.", show_default=False),
    ],
    valid: Annotated[
        list[str] | None,
        option("FILE", "Text to weigh them on, which no model was trained on.", DATA),
    ] = None,
    output: Annotated[
        Path,
        typer.Option("--output", "-o", metavar="FILE", help="Where to save the mixture."),
    ] = Path("mixture.safetensors"),
    field: FieldOption = None,
    skip_bad: SkipBadOption = False,
    encoding: EncodingOption = None,
    errors: ErrorsOption = None,
    threads: ThreadsOption = None,
    quiet: QuietOption = False,
    config: ConfigOption = None,
) -> None:
    """Mix models that share a tokenizer: networks of several seeds, counts.

    The weights follow from the context alone. They are fitted on the text of --valid.
    """
    if not valid:
        raise typer.BadParameter("name the text to weigh the models on", param_hint="--valid")
    check_output(output)
    reading = given_reading(invocation.params)

    from fastlm.api.mixing import mix as mix_models
    from fastlm.display.figures import quality_text, size_text
    from fastlm.display.screen import describe
    from fastlm.system.resources import thread_count

    thread_count(threads)  # checked before the models are read
    lm = mix_models(models, valid, reading=reading, threads=threads)
    lm.save(output)
    if quiet:
        return
    kind = lm.tokenizer.kind
    losses = lm.details["member_valid_losses"]
    names = [f"network {number}" for number in range(1, len(losses) + (lm.counts is None))]
    for name, loss in zip([*names, "counts"], losses, strict=False):
        describe(sys.stdout, name, quality_text(loss, kind))
    describe(sys.stdout, "mixture", quality_text(lm.details["valid_loss"], kind))
    describe(sys.stdout, "saved", f"{output}, {size_text(output.stat().st_size)}")
