"""`fastlm score`: the probability of each line, or of each record of a JSON lines file."""

from __future__ import annotations

import functools
import json
import math
import sys
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Annotated, Any, TypeAlias

import typer

from fastlm.checks import check_number
from fastlm.cli.config_file import ConfigOption
from fastlm.cli.options import (
    DATA,
    EncodingOption,
    ErrorsOption,
    FieldOption,
    ModelArgument,
    ThreadsOption,
    flag,
    given_reading,
    option,
)
from fastlm.display.screen import is_terminal, printable
from fastlm.errors import ConfigError, CorpusError, TextError
from fastlm.types import DEFAULT_FIELD

if TYPE_CHECKING:
    from fastlm.api.language_model import LanguageModel
    from fastlm.inference.scoring import Score
    from fastlm.text.records import BadRecord, Record, RecordReader

__all__ = ["score"]

# What is written for a record, in parts, since a line may be large.
_Form: TypeAlias = "Callable[[Record, Score], tuple[bytes, ...]]"

# The least and the most of a field of a score.
_Limits: TypeAlias = dict[str, tuple[float, float]]

# How often a line is in memory at most: its chunks, bytes and text, which may take 4 bytes each.
_COPIES = 8


def score(
    invocation: typer.Context,
    model: ModelArgument,
    file: Annotated[
        str,
        typer.Argument(
            metavar="[FILE|-]",
            help="Text, one record per line (also .gz, .zst); - is standard input.",
        ),
    ] = "-",
    field: FieldOption = None,
    skip_bad: Annotated[
        bool, flag("--skip-bad", "Skip records that cannot be used, and say how many.", DATA)
    ] = False,
    encoding: EncodingOption = None,
    errors: ErrorsOption = None,
    as_json: Annotated[bool, flag("--json", "Print a JSON object per record.")] = False,
    tokens: Annotated[
        bool, flag("--tokens", "With JSON: add the tokens and their log-probabilities.")
    ] = False,
    prefix: Annotated[
        str, option("TEXT", "Prefix for the names of the scores in JSON, e.g. lm_.")
    ] = "",
    max_perplexity: Annotated[
        float | None, option("X", "Keep records with a perplexity of at most X, unchanged.")
    ] = None,
    min_perplexity: Annotated[
        float | None, option("X", "Keep records with a perplexity of at least X, unchanged.")
    ] = None,
    max_bits: Annotated[
        float | None, option("X", "Keep records with at most X bits per character.")
    ] = None,
    min_bits: Annotated[
        float | None, option("X", "Keep records with at least X bits per character.")
    ] = None,
    count_end: Annotated[
        bool | None,
        typer.Option(help="Whether the end of a text counts as a token (default: as in eval)."),
    ] = None,
    threads: ThreadsOption = None,
    config: ConfigOption = None,
) -> None:
    """Score each line, or each record of a JSON lines file, in order.

    Lines: perplexity, log_prob (nats), tokens, oov, and the line, separated by tabs. JSON objects:
    the scores are added at the end. With a limit, it filters.
    """
    limits = _range("perplexity", "perplexity", min_perplexity, max_perplexity)
    limits |= _range("bits", "bits_per_char", min_bits, max_bits)

    reading = given_reading(invocation.params)

    from fastlm.api.language_model import LanguageModel
    from fastlm.text.records import RecordReader

    reader = RecordReader(file, reading, longest=_longest_line())
    if tokens and not (as_json or reader.field is not None):
        raise ConfigError("--tokens needs JSON; add --json")
    lm = LanguageModel.load(model)
    options = {"return_tokens": tokens, "count_end": count_end, "threads": threads}
    form: _Form
    if limits and not as_json:
        form = _unchanged
    elif reader.field is not None:
        form = functools.partial(_with_scores, reader.name, prefix)
    elif as_json:
        form = functools.partial(_line_as_json, prefix)
    else:
        form = _columns
    _run(lm, reader, limits, form, options, skip_bad)


def _run(
    lm: LanguageModel,
    reader: RecordReader,
    limits: _Limits,
    form: _Form,
    options: dict[str, Any],
    skip_bad: bool,
) -> None:
    """Score block by block; each block is written before the next is read."""
    out = None if is_terminal(sys.stdout) else getattr(sys.stdout, "buffer", None)
    out = out or _TextOutput()
    bad, first_bad = 0, ""
    from fastlm.display.progress import ScoreProgress

    with ScoreProgress() as progress:
        for block in reader.blocks():
            written = 0
            try:
                for item in _results(lm, block, options):
                    if isinstance(item, tuple):
                        record, result = item
                        if _is_within(limits, result):
                            out.writelines(form(record, result))
                            written += 1
                        continue
                    message = f"{reader.name}, line {item.number}: {item.reason}"
                    if not skip_bad:
                        raise CorpusError(f"{message}; or skip such records with --skip-bad")
                    bad += 1
                    first_bad = first_bad or message
            finally:
                # The records before a bad one have been scored, and are not lost.
                out.flush()
            progress.add(len(block), written, reader.bytes_read)
    if bad:
        records = "1 bad record" if bad == 1 else f"{bad:,} bad records, the first"
        print(printable(f"left out {records}: {first_bad}", sys.stderr), file=sys.stderr)


def _longest_line() -> float:
    """Return the bytes of a line that the memory holds, with its text, tokens and scores."""
    from fastlm.system.resources import usable_memory

    return (usable_memory() or math.inf) // _COPIES


def _results(
    lm: LanguageModel, block: list[Record | BadRecord], options: dict[str, Any]
) -> Iterator[tuple[Record, Score] | BadRecord]:
    """Yield each record of a block with its score, or a BadRecord if it has none."""
    from fastlm.text.records import BadRecord, Record

    good = [record for record in block if isinstance(record, Record)]
    scores = _scores_or_reasons(lm, [record.text for record in good], options)
    for record in block:
        if isinstance(record, BadRecord):
            yield record
        else:
            result = next(scores)
            yield (
                BadRecord(record.number, result) if isinstance(result, str) else (record, result)
            )


def _scores_or_reasons(
    lm: LanguageModel, texts: list[str], options: dict[str, Any]
) -> Iterator[Score | str]:
    """Yield the score of each text, or the reason why it has none."""
    done = 0
    try:
        for result in lm.score(texts, **options):
            yield result
            done += 1
        return
    except TextError:
        # Scoring ends at the first; all others are found at once, not by scoring again and again.
        texts = texts[done:]
    from fastlm.inference.batching import encoding_failures

    failures = encoding_failures(texts, lm.documents, lm.tokenizer)
    good = [text for number, text in enumerate(texts) if number not in failures]
    scores = iter(lm.score(good, **options))
    for number in range(len(texts)):
        yield failures[number].reason if number in failures else next(scores)


# ---------------------------------------------------------------------------- which records


def _range(option_name: str, field: str, least: float | None, most: float | None) -> _Limits:
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


def _is_within(limits: _Limits, result: Score) -> bool:
    """Tell whether a score is within the limits; one without any token is within none."""
    return all(low <= getattr(result, field) <= high for field, (low, high) in limits.items())


# ---------------------------------------------------------------------------- what is printed


class _TextOutput:
    """Standard output that takes text only: a terminal, a notebook."""

    def writelines(self, parts: Iterable[bytes]) -> None:
        text = b"".join(parts).decode("utf-8", errors="replace")
        sys.stdout.write(printable(text.replace("\r\n", "\n"), sys.stdout))

    def flush(self) -> None:
        sys.stdout.flush()


def _unchanged(record: Record, result: Score) -> tuple[bytes, ...]:
    return (record.raw,)


def _columns(record: Record, result: Score) -> tuple[bytes, ...]:
    numbers = f"{result.perplexity:.6g}\t{result.log_prob:.6g}\t{result.tokens}\t{result.oov}\t"
    return numbers.encode("ascii"), record.line, b"\n"


def _line_as_json(prefix: str, record: Record, result: Score) -> tuple[bytes, ...]:
    return _json({DEFAULT_FIELD: record.text} | _prefixed(result, prefix)), b"\n"


def _with_scores(name: str, prefix: str, record: Record, result: Score) -> tuple[bytes, ...]:
    """Return the JSON object as it was, with the scores added at its end."""
    scores = _prefixed(result, prefix)
    taken = sorted(scores.keys() & (record.fields or {}).keys())
    if taken:
        raise ConfigError(
            f"{name}, line {record.number} has a field {taken[0]!r} already; choose other names "
            "for the scores, e.g. with --prefix lm_"
        )
    # The fields are not written anew, so that not a digit of them changes.
    return record.line.rstrip().removesuffix(b"}"), b", ", _json(scores)[1:], b"\n"


def _prefixed(result: Score, prefix: str) -> dict[str, Any]:
    return {prefix + key: value for key, value in result.to_dict().items()}


def _json(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields, ensure_ascii=False, allow_nan=False).encode("utf-8")
