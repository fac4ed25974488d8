"""`fastlm find`: the longest parts of a text that stand in a token store, and where."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fastlm.checks import check_whole
from fastlm.cli.commands.index import StoreArgument
from fastlm.cli.config_file import ConfigOption
from fastlm.cli.options import OneObjectOption, option
from fastlm.display.screen import describe
from fastlm.errors import ConfigError

if TYPE_CHECKING:
    from fastlm.search.matches import Match
    from fastlm.search.store_index import StoreIndex

__all__ = ["find"]

_TOP_OF_FILE = 5
_LEAST = 30  # characters of a part that counts as copied
_AROUND = 60


def find(
    store: StoreArgument,
    text: Annotated[
        str | None, typer.Argument(metavar="TEXT", help="What to look for.", show_default=False)
    ] = None,
    file: Annotated[
        str | None,
        option("FILE", "Look for the longest passages of a file; - is standard input."),
    ] = None,
    index: Annotated[Path | None, option("FILE", "The index (default: STORE.index).")] = None,
    top: Annotated[
        int | None, option("N", "Passages to show (default: 1 of TEXT, 5 of a file).")
    ] = None,
    least: Annotated[
        int,
        option("N", "Characters from which on a passage of a file counts as copied."),
    ] = _LEAST,
    places: Annotated[int, option("N", "Places to show of each passage.")] = 1,
    around: Annotated[int, option("N", "Tokens to show before and after a passage.")] = _AROUND,
    as_json: OneObjectOption = False,
    config: ConfigOption = None,
) -> int:
    """Find the longest part of a text in a token store, and where it stands.

    With --file: which passages of a sample are copied, and from where. `fastlm index` comes first.
    The exit code is 1 if there is nothing.
    """
    if (text is None) == (file is None):
        raise typer.BadParameter("give either TEXT or --file FILE", param_hint="TEXT")
    top = (1 if file is None else _TOP_OF_FILE) if top is None else top
    for name, value, least_value in (
        ("--top", top, 1), ("--least", least, 1), ("--places", places, 1), ("--around", around, 0),
    ):  # fmt: skip
        check_whole(name, value, least_value)

    from fastlm.search.store_index import StoreIndex

    opened = StoreIndex.open(store, index)
    if file is not None:
        text = _read(file)
    assert text is not None
    smallest = 1 if file is None else least
    found = opened.passages(text, top, least_chars=smallest, around=around, most_places=places)
    covered = None if file is None else opened.covered(text, least)
    if as_json:
        form = {"matches": [match.to_dict() for match in found]}
        shares = {} if covered is None else {"chars": len(text), "least": least, "copied": covered}
        print(json.dumps(form | shares, ensure_ascii=False))
    else:
        if covered is not None:
            in_store = f"stand in passages of {least} or more that {store} has, too"
            describe(sys.stdout, "copied", f"{covered:.1%} of {len(text):,} characters {in_store}")
        for match in found:
            _show(match, opened)
        if not found and file is None:
            describe(sys.stdout, "longest", "nothing of this text stands in the store")
    return 0 if found else 1


def _show(match: Match, opened: StoreIndex) -> None:
    times = "once" if match.count == 1 else f"{match.count:,} times"
    tokens = "1 token" if match.tokens == 1 else f"{match.tokens:,} tokens"
    size = f"{match.stop - match.start:,} characters, {tokens}, {times}"
    describe(sys.stdout, "passage", f"{match.text!r} ({size})")
    for place in match.places:
        part = "" if place.part == "train" else ", of the part held out"
        describe(
            sys.stdout,
            "  where",
            f"document {place.document:,}, token {place.offset:,} ({place.position:,} of "
            f"{opened.store.count:,} in all{part})",
        )
        around = f"{place.before}[{place.found}]{place.after}"
        describe(sys.stdout, "  text", " ".join(around.split()))


def _read(path: str) -> str:
    """Return the text of a file or of standard input."""
    from fastlm.text.decoding import Reading
    from fastlm.text.sources import file_or_stdin

    data = b"".join(part.data for part in file_or_stdin(path, Reading()).parts())
    text = data.decode("utf-8")
    if not text.strip():
        raise ConfigError(f"{path} holds no text; name a file that does")
    return text
