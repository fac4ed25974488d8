"""`fastlm calibrate`: the quantiles of a figure over a sample of texts."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from fastlm.cli.commands.score import FilesArgument, longest_line
from fastlm.cli.config_file import ConfigOption
from fastlm.cli.options import (
    EncodingOption,
    ErrorsOption,
    FieldOption,
    ModelArgument,
    SkipBadOption,
    ThreadsOption,
    check_output,
    given_reading,
    option,
)

__all__ = ["calibrate"]

_DEFAULT_OUTPUT = Path("calibration.json")
_SHOWN = (10, 25, 50, 75, 90)


def calibrate(
    invocation: typer.Context,
    model: ModelArgument,
    files: FilesArgument = None,
    output: Annotated[
        Path,
        option("FILE", "Where to write the quantiles, as JSON.", names=("-o", "--output")),
    ] = _DEFAULT_OUTPUT,
    figure: Annotated[
        str,
        option(
            "NAME",
            "The figure: perplexity, bits_per_char or bits_per_byte.",
            choices=("perplexity", "bits_per_char", "bits_per_byte"),
        ),
    ] = "perplexity",
    field: FieldOption = None,
    skip_bad: SkipBadOption = False,
    encoding: EncodingOption = None,
    errors: ErrorsOption = None,
    count_end: Annotated[
        bool | None,
        typer.Option(help="Whether the end of a text counts as a token (default: as in eval)."),
    ] = None,
    threads: ThreadsOption = None,
    config: ConfigOption = None,
) -> None:
    """Measure which share of a sample's texts has at most which figure.

    `fastlm score --keep-percentile` and `--buckets` compare with it. A few thousand texts will do.
    """
    reading = given_reading(invocation.params)

    from fastlm.checks import check_choice
    from fastlm.display.progress import ScoreProgress
    from fastlm.display.screen import describe
    from fastlm.jobs.calibration import FIGURES
    from fastlm.jobs.request import ScoreRequest

    check_choice("--figure", figure, FIGURES)
    check_output(output, _is_calibration, what="a calibration", example="calibration.json")
    request = ScoreRequest(
        models={"": str(model)},
        files=files or ["-"],
        reading=reading,
        longest=longest_line(),
        count_end=count_end,
        threads=threads,
    )
    with ScoreProgress(on_stdout=False) as progress:
        found = request.calibration(figure, progress.add)
    found.write(output)
    quantiles = ", ".join(f"{percent} %: {found.at(percent):.5g}" for percent in _SHOWN)
    describe(sys.stdout, "texts", f"{found.texts:,}")
    describe(sys.stdout, "quantiles", f"{figure} {quantiles}")
    describe(sys.stdout, "written to", str(output))


def _is_calibration(path: Path) -> bool:
    from fastlm.system.json_values import parse_json

    try:
        return "fastlm_calibration" in parse_json(path.read_bytes())
    except (OSError, ValueError, TypeError):
        return False
