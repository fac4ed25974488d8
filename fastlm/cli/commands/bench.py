"""The command `fastlm bench`: training speed next to pure Python, NumPy, PyTorch and JAX."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from fastlm.cli.config_file import ConfigOption
from fastlm.cli.options import OneObjectOption
from fastlm.errors import ConfigError

__all__ = ["bench"]


def bench(
    quick: Annotated[
        bool, typer.Option("--quick", help="Under a minute: the default.", hidden=True)
    ] = False,
    rounds: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Measure N rounds of every workload, large ones too, however long it takes, and "
            "the time to the first step; let nothing else run meanwhile.",
        ),
    ] = None,
    as_json: OneObjectOption = False,
    plot: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Save a bar chart too, as .png or .svg."),
    ] = None,
    only: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Only this workload, e.g. mini-256; may be repeated."),
    ] = None,
    torch_compile: Annotated[
        bool,
        typer.Option("--torch-compile", help="Let torch.compile take part; compiling takes long."),
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Measure training: pure Python, NumPy, PyTorch and JAX where installed, and fastlm.

    All do the same work, which is checked first, in alternating rounds. It takes less than a
    minute, apart from compiling; --rounds asks for more.
    """
    from rich.console import Console

    from fastlm.bench import run
    from fastlm.bench.plot import check_plot, save_plot
    from fastlm.bench.table import result_table, result_text
    from fastlm.bench.workloads import WORKLOADS, select_workloads

    if quick and rounds is not None:
        raise ConfigError("--quick has its own number of rounds; give it or --rounds, not both")
    settings = run.settings_for(rounds, start=not only)
    if only:
        workloads = select_workloads(only)
    else:
        workloads = [each for each in WORKLOADS if each.in_default or rounds is not None]
    if plot is not None:
        check_plot(plot)
    with Console(stderr=True).status("starting") as status:
        result = run.run_benchmark(
            workloads,
            settings,
            torch_compile=torch_compile,
            say=lambda what: status.update(f"measuring: {what}"),
        )
    if plot is not None:
        save_plot(result, plot)
    if as_json:
        typer.echo(json.dumps(result, allow_nan=False))
        return
    console = Console()
    console.print(result_table(result, console.width))
    console.print(result_text(result), highlight=False, markup=False)
