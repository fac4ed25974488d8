"""What `fastlm score` shows of texts one by one: lines, colours, JSON, a page, a picture."""

from __future__ import annotations

import math
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastlm.display.screen import is_terminal, printable
from fastlm.errors import ConfigError

if TYPE_CHECKING:
    from fastlm.jobs.forms import Form
    from fastlm.jobs.watching import Watch, Watched

__all__ = ["Readout", "check_alone"]

_STRIP_TEXTS = 40
_STRIP_CHARS = 6000

_PAGE = """\
<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark }}
body {{ font: 15px/1.6 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem;
background: light-dark(#fff, #0d1117); color: light-dark(#1f2328, #f0f6fc) }}
p {{ margin: 1.2rem 0 0; color: light-dark(#59636e, #9198a1) }}
div {{ overflow-wrap: anywhere }}
</style>
<h1>Surprise by token</h1>
<p>The redder, the more bits a token took (-log2 p); the pointer shows how many.</p>
{legend}
"""


# Options of jobs over whole files, as the parameters of the command are called.
_OF_JOBS = (
    "shard", "resume", "rejected", "summary", "tokens", "keep_percentile", "buckets", "models", "by"
)  # fmt: skip
_SHOWING = ("follow", "alert", "explain", "color", "strip")


def check_alone(params: Mapping[str, Any]) -> None:
    """Raise ConfigError for options of jobs beside those that show texts one by one."""
    given = {name for name, value in params.items() if value is not None and value is not False}
    shows = next(name for name in _SHOWING if name in given)
    for name in _OF_JOBS:
        if name in given:
            option = f"--{name.replace('_', '-')}"
            raise ConfigError(f"{option} does not go with --{shows}; leave one out")
    if params["calibrate"] == "first":
        raise ConfigError(f"--{shows} takes --calibrate FILE, not first; write one with calibrate")


@dataclass(kw_only=True)
class Readout:
    """Where records go, and in which form.

    Attributes
    ----------
    explain : bool
        Whether each text is shown by its tokens.
    colour : bool
        Whether in colour wherever it goes; else where a terminal shows it.
    as_json : bool
    columns : sequence of str, optional
        Figures of a score in JSON; None: all.
    prefix : str
        Comes before their names.
    output : str, optional
        A page (.html) or JSON lines; None: standard output.
    strip : str, optional
        A picture (.svg) of the first texts.
    force : bool
        Whether to replace files that there are.
    """

    explain: bool = False
    colour: bool = False
    as_json: bool = False
    columns: list[str] | None = None
    prefix: str = ""
    output: str | None = None
    strip: str | None = None
    force: bool = False

    def check(self, *, follow: bool) -> None:
        """Raise ConfigError for what does not go together, and files that cannot be written."""
        for name, path, endings in (
            ("-o", self.output, (".html", ".jsonl")),
            ("--strip", self.strip, (".svg",)),
        ):
            if path is None:
                continue
            if follow:
                raise ConfigError(f"{name} needs an end, which --follow has not; leave one out")
            if Path(path).suffix.lower() not in endings:
                raise ConfigError(f"{name} is {path[:80]}; give a name that ends in {_or(endings)}")
            _check_free(Path(path), self.force)
        if self.output is not None and not self.explain:
            raise ConfigError("-o with --alert or --strip needs --explain; add it, or redirect")
        if self.output is not None and self.colour:
            raise ConfigError("--color is for standard output; leave -o or --color out")
        if self.colour and self.as_json:
            raise ConfigError("--color and --json are two forms; leave one out")
        if not self._in_json and (self.columns is not None or self.prefix):
            name = "--prefix" if self.columns is None else "--columns"
            raise ConfigError(f"{name} needs JSON; add --json")

    @property
    def _in_json(self) -> bool:
        if self.as_json or (self.output or "").lower().endswith(".jsonl"):
            return True
        in_pipe = self.explain and self.output is None and not is_terminal(sys.stdout)
        return in_pipe and not self.colour

    def write(self, watch: Watch, model: str) -> None:
        """Write all records of a watch, each as soon as it is there."""
        readers = watch.check()  # before anything is written
        source = ", ".join(reader.name for reader in readers[:3])
        title = f"{Path(model).name} on {source}"
        records = _with_end(watch)
        if self.strip is not None:
            alone = not self.explain and watch.alert is None
            records = _with_strip(records, self.strip, title, ends=alone)
            if alone:
                for _ in records:
                    pass
                return
        if (self.output or "").lower().endswith(".html"):
            self._write_page(records, title)
        elif self._in_json:
            self._write_json(records)
        elif self.explain or self.colour:
            self._print_colours(records)
        else:
            self._print_lines(records)

    def _print_colours(self, records: Iterable[Watched]) -> None:
        from fastlm.display.surprise import SurprisePrinter, takes_colour

        printer = SurprisePrinter(sys.stdout, colour=self.colour or takes_colour(sys.stdout))
        if is_terminal(sys.stdout):
            printer.legend()
        for each in records:
            note = "" if each.percentile is None else f"{_percent(each.percentile):>6}"
            printer.print(each.score.perplexity, each.explanation.parts(), note)

    def _print_lines(self, records: Iterable[Watched]) -> None:
        form = self._form(explain=False)
        for each in records:
            if each.reader.field is not None or each.block.rows is not None:
                _emit(self._json(form, each))
                continue
            figures = f"{each.score.perplexity:.6g}\t{_percent(each.percentile)}\t"
            _emit(figures.encode("ascii") + each.record.line + b"\n")

    def _write_json(self, records: Iterable[Watched]) -> None:
        form = self._form(explain=self.explain)
        if self.output is None:
            for each in records:
                _emit(self._json(form, each))
            return
        _write_file(self.output, "scores", (self._json(form, each) for each in records))

    def _form(self, *, explain: bool) -> Form:
        from fastlm.inference.scores import SCORE_FIGURES
        from fastlm.jobs.forms import Form
        from fastlm.jobs.request import check_columns

        columns = SCORE_FIGURES if self.columns is None else self.columns
        check_columns(columns)
        return Form(tuple(columns), ("spans",) if explain else (), self.prefix)

    def _json(self, form: Form, each: Watched) -> bytes:
        from dataclasses import replace

        from fastlm.inference.explanation import spans_as_json
        from fastlm.jobs.forms import Item
        from fastlm.jobs.scored import Scored

        extra: dict[str, Any] = {}
        if each.percentile is not None:
            known = not math.isnan(each.percentile)
            extra["percentile"] = round(each.percentile, 2) if known else None
        if form.extra:
            extra["spans"] = spans_as_json(each.explanation)
        plain = each.score._replace(
            token_ids=None, token_log_probs=None, token_strings=None, token_offsets=None
        )
        item = Item(each.place, Scored(each.record, plain), extra)
        form = replace(form, extra=tuple(extra))
        return b"".join(form.lines(each.reader, each.block, [item]))

    def _write_page(self, records: Iterable[Watched], title: str) -> None:
        assert self.output is not None
        _write_file(self.output, "page", _page(records, title))


def _with_end(watch: Watch) -> Iterator[Watched]:
    """Yield the records of a watch; in the end, say where no alert could come."""
    yield from watch.run()
    if watch.seen < watch.needed:
        watch.tell(
            f"--alert {watch.alert:g} needs {watch.needed:,} records before its first; there were "
            f"{watch.seen:,}: add more, or --calibrate FILE"
        )


def _page(records: Iterable[Watched], title: str) -> Iterator[bytes]:
    from fastlm.system.html_pages import coloured_text, figure_text

    legend = coloured_text(
        (f" {bits}{'+' * (bits == 10)} ", float(bits)) for bits in range(0, 11, 2)
    )
    yield _PAGE.format(title=escape(title), legend=legend).encode("utf-8")
    for each in records:
        percentile = "" if each.percentile is None else f", percentile {_percent(each.percentile)}"
        figures = f"perplexity {figure_text(each.score.perplexity)}{percentile}"
        text = f"<p>{figures}</p>\n{each.explanation.to_html()}\n"
        yield text.encode("utf-8", errors="replace")
    yield f"<p>{escape(title)}</p></html>\n".encode("utf-8", errors="replace")


def _with_strip(
    records: Iterable[Watched], path: str, title: str, *, ends: bool
) -> Iterator[Watched]:
    """Yield records, and draw the first of them in the end.

    ends : whether to end after those that are drawn
    """
    from fastlm._version import __version__
    from fastlm.display.strip import strip

    drawn: list[tuple[float, list[tuple[str, float | None]]]] = []
    left, more = _STRIP_CHARS, False
    for each in records:
        more = len(drawn) == _STRIP_TEXTS or left <= 0
        if more and ends:
            break
        if not more:
            left -= len(each.explanation.text)
            drawn.append((each.score.perplexity, list(each.explanation.parts())))
        yield each
    if not drawn:
        raise ConfigError(f"there is no text to draw in {path}; score some, or leave --strip out")
    which = f" Its first {len(drawn)} texts." if more else ""
    caption = (
        f"{title}.{which} Each token is the redder, the less the model expected it. "
        f"fastlm {__version__}"
    )
    picture = strip(drawn, "Surprise by token", caption)
    _write_file(path, "picture", [picture.encode("utf-8", errors="replace")])


def _write_file(path: str, what: str, parts: Iterable[bytes]) -> None:
    from fastlm.system.atomic_file import NewFile, unwritable

    with ExitStack() as stack:
        try:
            file = stack.enter_context(NewFile(path))
        except (OSError, ValueError) as error:
            raise ConfigError(unwritable(what, path, error)) from None
        for part in parts:
            try:
                file.write(part)
            except OSError as error:
                raise ConfigError(unwritable(what, path, error)) from None
        try:
            file.finish()
        except OSError as error:
            raise ConfigError(unwritable(what, path, error)) from None


def _emit(line: bytes) -> None:
    """Write a line to standard output, and flush it."""
    out = None if is_terminal(sys.stdout) else getattr(sys.stdout, "buffer", None)
    if out is None:
        text = line.decode("utf-8", errors="replace").replace("\r\n", "\n")
        sys.stdout.write(printable(text, sys.stdout))
    else:
        out.write(line)
    sys.stdout.flush()


def _percent(percentile: float | None) -> str:
    if percentile is None or math.isnan(percentile):
        return "-"
    return f"{percentile:.2f}"


def _or(endings: tuple[str, ...]) -> str:
    return " or ".join(endings)


def _check_free(path: Path, force: bool) -> None:
    if path.is_dir():
        raise ConfigError(f"{path} is a folder; name a file in it")
    if not path.parent.is_dir():
        raise ConfigError(f"{path.parent}: no such folder for {path.name}; make it")
    if not force and path.exists() and path.stat().st_size:
        raise ConfigError(f"{path} exists; name another file, or replace it with --force")
