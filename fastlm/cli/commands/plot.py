"""`fastlm plot`: losses of runs, or a histogram of a scored file, as pictures or lines."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fastlm.checks import check_choice, short_name
from fastlm.cli.config_file import ConfigOption
from fastlm.cli.options import option
from fastlm.display.screen import describe, is_utf8, terminal_columns
from fastlm.errors import ConfigError, MissingFileError

if TYPE_CHECKING:
    from fastlm.pictures.scene import Scene

__all__ = ["PictureOption", "plot", "show_scene"]

_AXES = ("steps", "minutes")

PictureOption = Annotated[
    Path | None,
    option(
        "FILE",
        "Save a picture as .svg (light and dark), .png or .pdf (both need matplotlib). Without it "
        "the terminal shows one.",
        names=("-o", "--output"),
    ),
]


def plot(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN...",
            help="Models, checkpoints or .metrics.jsonl files of runs; or one .jsonl file that "
            "fastlm score wrote.",
            show_default=False,
        ),
    ],
    output: PictureOption = None,
    by: Annotated[
        str | None,
        option(
            "UNIT",
            "What is below the curves in the terminal: steps or minutes (default steps; a picture "
            "has both).",
            choices=_AXES,
        ),
    ] = None,
    figure: Annotated[
        str | None,
        option("NAME", "Of a scored file: the figure to count (default perplexity)."),
    ] = None,
    threshold: Annotated[
        float | None, option("X", "Of a scored file: mark X, and say how many are at most X.")
    ] = None,
    config: ConfigOption = None,
) -> None:
    """Show losses of runs by step and by minute, or how the scores of a file are spread."""
    from fastlm.pictures.files import check_picture

    if output is not None:
        check_picture(output)
    if by is not None:
        check_choice("--by", by, _AXES)
    scored = [path for path in runs if _is_scored(path)]
    if scored and len(runs) > 1:
        raise ConfigError(
            f"{scored[0]} holds records, of which one file is shown at a time; leave the others out"
        )
    if scored:
        if by is not None:
            raise ConfigError(f"--by is for runs, but {scored[0]} holds records; leave it out")
        _plot_scores(scored[0], figure or "perplexity", threshold, output)
        return
    for name, value in (("--figure", figure), ("--threshold", threshold)):
        if value is not None:
            raise ConfigError(f"{name} is for scored .jsonl files, but {runs[0]} is a run")
    _plot_runs(runs, by or "steps", output)


def _is_scored(path: Path) -> bool:
    """Return whether a file holds JSON lines that are not those of a run."""
    names = path.name.removesuffix(".gz").removesuffix(".zst")
    if not names.endswith((".jsonl", ".ndjson")) or names.endswith(".metrics.jsonl"):
        return False
    try:
        with path.open("rb") as file:
            return file.read(8) != b'{"event"'
    except FileNotFoundError:
        raise MissingFileError(
            f"there is no file {short_name(str(path))}; check the name"
        ) from None
    except OSError:
        return True


def _plot_scores(path: Path, figure: str, threshold: float | None, output: Path | None) -> None:
    from fastlm.bench.machine import processor_name
    from fastlm.jobs.scored_file import read_figures
    from fastlm.pictures.histogram import histogram_of, histogram_scene
    from fastlm.pictures.terminal import histogram_lines, write_lines

    histogram = histogram_of(figure, read_figures(path, figure), threshold)
    if output is None:
        write_lines(
            histogram_lines(histogram, terminal_columns(sys.stdout) or 80, utf8=is_utf8(sys.stdout))
        )
        return
    missing = f", {histogram.missing:,} without it" if histogram.missing else ""
    caption = f"{path.name}: {histogram.total:,} records{missing}; {processor_name()}."
    show_scene(histogram_scene(histogram, f"{figure} of {path.name}", caption), output)
    if histogram.split:
        describe(sys.stdout, "threshold", histogram.split)


def _plot_runs(paths: list[Path], by: str, output: Path | None) -> None:
    from fastlm.api.pages.runs import read_runs

    curves = read_runs(paths)
    if output is None:
        from fastlm.pictures.terminal import curve_lines, write_lines

        columns = terminal_columns(sys.stdout) or 80
        minutes = by == "minutes"
        if minutes and not any(p.seconds > 0 for curve in curves for p in curve.points):
            raise ConfigError(f"{paths[0]} does not say when its losses were; give --by steps")
        write_lines(curve_lines(curves, columns, minutes=minutes, utf8=is_utf8(sys.stdout)))
        return
    from fastlm._version import __version__
    from fastlm.bench.machine import processor_name
    from fastlm.pictures.curves import curve_scene

    names = ", ".join(path.name for path in paths)
    caption = f"{names}; drawn on {processor_name()}, fastlm {__version__}."
    show_scene(curve_scene(curves, caption), output)


def show_scene(scene: Scene, output: Path) -> None:
    """Save a picture, and say where."""
    from fastlm.pictures.files import save_picture

    save_picture(scene, output)
    describe(sys.stdout, "picture", str(output))
