"""`fastlm bench`: how fast is training here, next to pure Python, NumPy and PyTorch?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from fastlm.cli.config_file import ConfigOption
from fastlm.cli.options import OneObjectOption

__all__ = ["bench"]


def bench(
    quick: Annotated[
        bool, typer.Option("--quick", help="Under a minute: small models, short turns.")
    ] = False,
    as_json: OneObjectOption = False,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Save a bar chart too, as .png or .svg."),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this work, e.g. mini-256; may be repeated."),
    ] = None,
    torch_compile: Annotated[
        bool,
        typer.Option("--torch-compile", help="Let torch.compile take part; compiling takes long."),
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Measure training: pure Python, NumPy, PyTorch where it is installed, and fastlm.

    All do the same work, which is checked first, and take turns. Without --quick it takes about
    half an hour; let nothing else run meanwhile.
    """
    from fastlm.bench.kernel_cache import use_kernel_cache

    use_kernel_cache()
    from rich.console import Console

    from fastlm.bench import run
    from fastlm.bench.plot import check_plot, save_plot
    from fastlm.bench.table import result_table, result_text
    from fastlm.bench.works import WORKS, works_named

    if plot is not None:
        check_plot(plot)
    works = works_named(only) if only else [work for work in WORKS if work.in_quick or not quick]
    with Console(stderr=True).status("starting") as status:
        result = run.run_benchmark(
            works,
            run.QUICK if quick else run.FULL,
            torch_compile=torch_compile,
            say=lambda what: status.update(f"measuring: {what}"),
        )
    if plot is not None:
        save_plot(result, plot)
    if as_json:
        typer.echo(json.dumps(result, allow_nan=False))
        return
    console = Console()
    console.print(result_table(result))
    console.print(result_text(result), highlight=False, markup=False)
