"""`fastlm score`: the probability of each line, JSON record or row of a table."""

from __future__ import annotations

import math
import sys
from typing import TYPE_CHECKING, Annotated

import typer

from fastlm.checks import check_number
from fastlm.cli.config_file import ConfigOption, argument_from_config
from fastlm.cli.options import (
    DATA,
    EncodingOption,
    ErrorsOption,
    FieldOption,
    ThreadsOption,
    flag,
    given_reading,
    option,
)
from fastlm.cli.readouts import Readout, check_alone
from fastlm.display.screen import printable
from fastlm.errors import ConfigError

if TYPE_CHECKING:
    from fastlm.jobs.request import ScoreRequest

__all__ = ["FilesArgument", "longest_line", "score"]

_FILTER = "Filters"
_OUTPUT = "Output"
_SURPRISE = "Surprise, text by text"

# How often a line is in memory at most: its chunks, bytes and text, which may take 4 bytes each.
_COPIES = 8

FilesArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="FILE",
        help="Files, folders or patterns, with a record per line or row (text, .jsonl, .parquet, "
        ".arrow; .gz, .zst); - is standard input, and the default.",
        show_default=False,
        callback=argument_from_config,
    ),
]


def score(
    invocation: typer.Context,
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="MODEL",
            help="A model written by fastlm; left out beside --models.",
            show_default=False,
        ),
    ] = None,
    files: FilesArgument = None,
    field: FieldOption = None,
    skip_bad: Annotated[
        bool, flag("--skip-bad", "Skip records that cannot be used, and say how many.", DATA)
    ] = False,
    encoding: EncodingOption = None,
    errors: ErrorsOption = None,
    shard: Annotated[
        str | None, option("K/N", "Only every Nth block of records, from the Kth on.", DATA)
    ] = None,
    output: Annotated[
        str | None,
        option(
            "FILE",
            "Write there: lines (.gz and .zst compressed), .parquet, or NAME/ for a folder of "
            "Parquet parts. Default: standard output.",
            _OUTPUT,
            names=("-o", "--output"),
        ),
    ] = None,
    resume: Annotated[
        bool, flag("--resume", "Continue an output that was not finished.", _OUTPUT)
    ] = False,
    force: Annotated[bool, flag("--force", "Replace an output that exists.", _OUTPUT)] = False,
    rejected: Annotated[
        str | None,
        option("FILE", "Write what is left out there, with the reason; as for -o.", _OUTPUT),
    ] = None,
    summary: Annotated[
        str | None,
        option("FILE", "Write counts, means and quantiles there at the end, as JSON.", _OUTPUT),
    ] = None,
    as_json: Annotated[bool, flag("--json", "Print a JSON object per record.", _OUTPUT)] = False,
    columns: Annotated[
        str | None,
        option("NAMES", "Scores to add, separated by commas (default: all).", _OUTPUT),
    ] = None,
    tokens: Annotated[
        bool,
        flag("--tokens", "With JSON: add the tokens and their log-probabilities.", _OUTPUT),
    ] = False,
    prefix: Annotated[
        str, option("TEXT", "Prefix for the names of the scores, e.g. lm_.", _OUTPUT)
    ] = "",
    explain: Annotated[
        bool,
        flag(
            "--explain",
            "Show which parts of each text are surprising: in colour on a terminal, else as JSON; "
            "-o takes .html or .jsonl.",
            _SURPRISE,
        ),
    ] = False,
    color: Annotated[
        bool, flag("--color", "The same in colour, in a pipe as well.", _SURPRISE)
    ] = False,
    strip: Annotated[
        str | None,
        option("FILE.svg", "Draw the first texts as a picture, coloured by surprise.", _SURPRISE),
    ] = None,
    follow: Annotated[
        bool,
        flag(
            "--follow",
            "Wait for lines that are added to FILE, as tail -F does; each has its percentile.",
            _SURPRISE,
        ),
    ] = False,
    alert: Annotated[
        float | None,
        option(
            "P",
            "Only records above the Pth percentile of perplexity among those before, or of "
            "--calibrate FILE.",
            _SURPRISE,
        ),
    ] = None,
    max_perplexity: Annotated[
        float | None, option("X", "Keep records with a perplexity of at most X.", _FILTER)
    ] = None,
    min_perplexity: Annotated[
        float | None, option("X", "Keep records with a perplexity of at least X.", _FILTER)
    ] = None,
    max_bits: Annotated[
        float | None, option("X", "Keep records with at most X bits per character.", _FILTER)
    ] = None,
    min_bits: Annotated[
        float | None, option("X", "Keep records with at least X bits per character.", _FILTER)
    ] = None,
    keep_percentile: Annotated[
        float | None, option("P", "Keep the likeliest P percent; needs --calibrate.", _FILTER)
    ] = None,
    buckets: Annotated[
        str | None,
        option(
            "P,Q",
            "Add a bucket: head (the likeliest P percent), middle (to Q percent) or tail.",
            _FILTER,
        ),
    ] = None,
    calibrate: Annotated[
        str | None,
        option(
            "FILE|first",
            "What percentages are of: a file of fastlm calibrate, or first: these records, which "
            "are scored twice.",
            _FILTER,
        ),
    ] = None,
    models: Annotated[
        str | None,
        option(
            "NAME=FILE,...", "Models to choose from for each record, such as en=en.safetensors."
        ),
    ] = None,
    by: Annotated[
        str | None, option("FIELD", "The field or column that names the model of a record.")
    ] = None,
    count_end: Annotated[
        bool | None,
        typer.Option(help="Whether the end of a text counts as a token (default: as in eval)."),
    ] = None,
    threads: ThreadsOption = None,
    config: ConfigOption = None,
) -> None:
    """Score each line, JSON record or row, in order.

    Lines: perplexity, log_prob (nats), tokens, oov, and the line, separated by tabs. JSON objects
    and rows: the scores are added at the end. With a limit, records within it are written as they
    were.
    """
    limits = _range("perplexity", "perplexity", min_perplexity, max_perplexity)
    limits |= _range("bits", "bits_per_char", min_bits, max_bits)
    reading = given_reading(invocation.params)
    names = [name for name in [model, *(files or [])] if name is not None]
    if models is None and not names:
        raise typer.BadParameter("name a MODEL", param_hint="MODEL")

    columns_given = None if columns is None else [name.strip() for name in columns.split(",")]
    if explain or color or strip is not None or follow or alert is not None:
        check_alone(invocation.params)
        readout = Readout(
            explain=explain or color,
            colour=color,
            as_json=as_json,
            columns=columns_given,
            prefix=prefix,
            output=output,
            strip=strip,
            force=force,
        )
        readout.check(follow=follow)

        from fastlm.jobs.watching import Watch

        watch = Watch(
            model=names[0],
            files=names[1:] or ["-"],
            reading=reading,
            longest=longest_line(),
            follow=follow,
            limits=limits,
            alert=alert,
            calibrate=calibrate,
            tokens=explain or color or strip is not None,
            count_end=count_end,
            threads=threads,
            tell=_say,
        )
        readout.write(watch, names[0])
        return

    from fastlm.jobs.request import ScoreRequest

    request = ScoreRequest(
        models={"": names[0]} if models is None else _named("--models", models),
        files=(names[1:] if models is None else names) or ["-"],
        reading=reading,
        longest=longest_line(),
        by=by,
        limits=limits,
        keep_percentile=keep_percentile,
        buckets=_buckets(buckets),
        calibrate=_calibrations(calibrate),
        shard=_shard(shard),
        output=output,
        rejected=rejected,
        summary=summary,
        resume=resume,
        force=force,
        columns=columns_given,
        as_json=as_json,
        tokens=tokens,
        prefix=prefix,
        count_end=count_end,
        threads=threads,
    )
    _run(request)


def _run(request: ScoreRequest) -> None:
    from fastlm.display.progress import ScoreProgress
    from fastlm.engine.precompile import start_compiling

    start_compiling("position_losses")
    with ScoreProgress(on_stdout=request.output is None) as progress:
        summary = request.run(progress.add, _warn)
    bad = summary.rejected.get("bad", 0)
    if bad:
        records = "1 bad record" if bad == 1 else f"{bad:,} bad records, the first"
        _say(f"left out {records}: {summary.first_bad}")


def _warn(message: str) -> None:
    _say(f"warning: {message}")


def _say(message: str) -> None:
    print(printable(message, sys.stderr), file=sys.stderr)


def longest_line() -> float:
    """Return the bytes of a line that the memory holds, with its text, tokens and scores."""
    from fastlm.system.resources import usable_memory

    return (usable_memory() or math.inf) // _COPIES


def _range(
    option_name: str, field: str, least: float | None, most: float | None
) -> dict[str, tuple[float, float]]:
    """Return the limits of a field of the score; nothing if there are none."""
    if least is None and most is None:
        return {}
    for bound, value in (("min", least), ("max", most)):
        check_number(f"--{bound}-{option_name}", value, least=0, or_none=True)
    low, high = least or 0.0, math.inf if most is None else most
    if low > high:
        raise ConfigError(
            f"--min-{option_name} is {least}, above --max-{option_name}, {most}; nothing would be "
            "kept"
        )
    return {field: (low, high)}


def _named(option_name: str, text: str) -> dict[str, str]:
    """Return the files in "en=a.safetensors,de=b.safetensors" by their names."""
    pairs = [pair.partition("=") for pair in text.split(",")]
    named = {name.strip(): file for name, _, file in pairs}
    if len(named) < len(pairs) or not all(name.strip() and file for name, _, file in pairs):
        raise ConfigError(
            f"{option_name} is {text[:80]!r}; give a file for each name, such as en=a,de=b"
        )
    return named


def _calibrations(text: str | None) -> dict[str, str] | str | None:
    if text is None or text == "first":
        return text
    return _named("--calibrate", text) if "=" in text else {"": text}


def _buckets(text: str | None) -> tuple[float, float] | None:
    if text is None:
        return None
    try:
        head, middle = map(float, text.split(","))
    except ValueError:
        raise ConfigError(
            f"--buckets is {text[:80]!r}; give two percentages, such as 30,60"
        ) from None
    return head, middle


def _shard(text: str | None) -> tuple[int, int]:
    if text is None:
        return 1, 1
    try:
        this, shards = map(int, text.split("/"))
        good = 1 <= this <= shards
    except ValueError:
        good = False
    if not good:
        raise ConfigError(f"--shard is {text[:80]!r}; give K/N with K from 1 to N, such as 3/16")
    return this, shards
