"""`fastlm index`: the sorted positions of a token store, for `fastlm find`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from fastlm.cli.config_file import ConfigOption
from fastlm.cli.options import QuietOption, check_output, option, shell_path
from fastlm.display.screen import describe

__all__ = ["StoreArgument", "index"]

StoreArgument = Annotated[
    Path,
    typer.Argument(metavar="STORE", help="A token store, of fastlm prepare.", show_default=False),
]


def index(
    store: StoreArgument,
    output: Annotated[
        Path | None,
        option("FILE", "Where to write it (default: STORE.index).", names=("-o", "--output")),
    ] = None,
    quiet: QuietOption = False,
    config: ConfigOption = None,
) -> int:
    """Sort all positions of a token store, so that `fastlm find` finds any text in it at once.

    Takes at most 8 bytes of memory and 4 of disk for each token.
    """
    from fastlm.data.progress import ProgressReporter
    from fastlm.data.token_store import TokenStore
    from fastlm.display.progress import ConsoleProgress
    from fastlm.search.index_file import index_path, is_index
    from fastlm.search.store_index import StoreIndex

    with ConsoleProgress() as progress:
        reporter = ProgressReporter(() if quiet else (progress,))
        opened = TokenStore.open(store, reporter=reporter)
        target = index_path(store) if output is None else output
        check_output(target, is_index, what="an index", example="corpus.tokens.index")
        try:
            StoreIndex.build(opened, target, reporter=reporter)
        except KeyboardInterrupt:
            progress.close()
            if not quiet:
                print("interrupted; nothing is saved", file=sys.stderr)
            return 130
    if not quiet:
        describe(sys.stderr, "tokens", f"{opened.count:,}")
        describe(sys.stderr, "index", f"{target} ({target.stat().st_size / 1e6:,.1f} MB)")
        at = "" if output is None else f" --index {shell_path(output)}"
        print(f"next\n  fastlm find {shell_path(store)} TEXT{at}")
    return 0
