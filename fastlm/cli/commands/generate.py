"""`fastlm generate`: text from a model, and nothing else, on standard output."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fastlm.checks import check_choice, check_whole
from fastlm.cli.config_file import ConfigOption
from fastlm.cli.options import ModelArgument, flag, given_settings, option
from fastlm.display.screen import is_utf8, printable
from fastlm.errors import ConfigError

if TYPE_CHECKING:
    from fastlm.api.language_model import LanguageModel

__all__ = ["generate"]

_REPETITION = "Repetition"
_ONLY = "What is written"
_CONDITIONS = ("new", "unique", "min_chars", "max_chars", "starts", "contains")

# What a text may end with.
_ENDS = ("lines", "paragraphs", "stream")


def generate(
    invocation: typer.Context,
    model: ModelArgument,
    prompt: Annotated[str, option("TEXT", "Text to continue.", names=("-p", "--prompt"))] = "",
    length: Annotated[
        int, option("N", "Maximum number of new tokens.", names=("-n", "--length"))
    ] = 200,
    temperature: Annotated[
        float,
        option(
            "T",
            "Below 1: safer text; above 1: more surprising; 0: always the likeliest token.",
            names=("-t", "--temperature"),
        ),
    ] = 1.0,
    top_k: Annotated[
        int | None,
        option("K", "Choose among the K likeliest tokens only.", names=("-k", "--top-k")),
    ] = None,
    top_p: Annotated[
        float | None,
        option(
            "P",
            "Nucleus sampling: choose among the fewest likeliest tokens that together have "
            "probability P.",
        ),
    ] = None,
    greedy: Annotated[bool, flag("--greedy", "Always choose the likeliest token.")] = False,
    stop: Annotated[
        list[str] | None, option("TEXT", "Stop before this text. May be repeated.")
    ] = None,
    documents: Annotated[
        str | None,
        option(
            "KIND",
            "Stop at the end of: lines, paragraphs or stream (default: as in training).",
            choices=_ENDS,
        ),
    ] = None,
    samples: Annotated[
        int,
        option("N", "Number of texts: one a line if documents are lines, else with blank lines."),
    ] = 1,
    repetition_penalty: Annotated[
        float,
        option(
            "X",
            "Divide the probability of what would repeat L tokens by X^L; 1.05 to 1.3 ends loops.",
            _REPETITION,
        ),
    ] = 1.0,
    no_repeat: Annotated[
        int | None, option("N", "Write no run of N tokens twice.", _REPETITION)
    ] = None,
    new: Annotated[
        bool,
        flag("--new", "Only texts without a line of the training text; train --remember.", _ONLY),
    ] = False,
    unique: Annotated[bool, flag("--unique", "Only texts that differ.", _ONLY)] = False,
    min_chars: Annotated[
        int | None, option("N", "Only texts of at least N characters.", _ONLY)
    ] = None,
    max_chars: Annotated[
        int | None, option("N", "Only texts of at most N characters.", _ONLY)
    ] = None,
    starts: Annotated[str, option("TEXT", "Only texts that begin so.", _ONLY)] = "",
    contains: Annotated[str, option("TEXT", "Only texts with this in them.", _ONLY)] = "",
    seed: Annotated[
        int | None, option("N", "The same seed gives the same text.", names=("-s", "--seed"))
    ] = None,
    threads: Annotated[
        int | None, option("N", "Threads for several texts (default: all processors).")
    ] = None,
    as_json: Annotated[
        bool,
        flag("--json", "Print a JSON object per text: sample, seed, prompt, and text (the new)."),
    ] = False,
    interactive: Annotated[
        bool,
        flag("--interactive", "Choose each token yourself, among the five most probable."),
    ] = False,
    config: ConfigOption = None,
) -> None:
    """Generate text."""
    check_whole("--samples", samples, 1)
    if interactive and (as_json or samples > 1):
        raise ConfigError("--interactive writes one text; leave out --json and --samples")
    conditions = given_settings({name: invocation.params[name] or None for name in _CONDITIONS})
    if interactive and (conditions or repetition_penalty != 1 or no_repeat is not None):
        raise ConfigError(
            "--interactive writes what you choose; leave out conditions and --repetition-penalty "
            "and --no-repeat"
        )
    if documents is not None:
        check_choice("--documents", documents, _ENDS)

    from fastlm.api.language_model import LanguageModel
    from fastlm.engine.precompile import start_compiling
    from fastlm.inference.generation import resolve_seed
    from fastlm.system.resources import thread_count

    thread_count(threads)  # checked before the model is read
    seed = resolve_seed(seed)
    start_compiling("generate_tokens")
    lm = LanguageModel.load(model)
    if interactive:
        _write_with(lm, prompt)
        return
    stops, separator = _ends(lm, documents, stop or [])
    options = given_settings(
        invocation.params,
        "model",
        "prompt",
        "documents",
        "samples",
        "threads",
        "as_json",
        "interactive",
        "config",
        *_CONDITIONS,
    )
    options |= conditions | {"seed": seed, "stop": stops}
    out = sys.stdout
    if as_json:
        for number, text in enumerate(lm.samples(samples, prompt, threads=threads, **options)):
            rest = text.removeprefix(prompt)
            line = {"sample": number, "seed": seed, "prompt": prompt, "text": rest}
            out.write(printable(json.dumps(line, ensure_ascii=not is_utf8(out)), out) + "\n")
    elif samples == 1 and not conditions:
        pieces = lm.stream(prompt, **options)
        # With the prompt, so that no message on what takes long comes between them.
        out.write(printable(prompt + next(pieces, ""), out))
        out.flush()
        for piece in pieces:
            out.write(printable(piece, out))
            out.flush()
        out.write("\n")
    else:
        _write_all(lm.samples(samples, prompt, threads=threads, **options), separator)


def _write_all(texts: Iterator[str], separator: str) -> None:
    """Write texts with a separator between them; after an error those before it stand whole."""
    out = sys.stdout
    number = 0
    try:
        for number, text in enumerate(texts, start=1):
            out.write((separator if number > 1 else "") + printable(text, out))
            out.flush()
    finally:
        out.write("\n" * (number > 0))


def _write_with(lm: LanguageModel, prompt: str) -> None:
    """Let a person choose the tokens; the text goes to standard output at the end."""
    from fastlm.cli.interactive import Draft, write_together

    draft = Draft(lm.text_model, prompt)
    write_together(draft, sys.stdin, sys.stderr)
    print(file=sys.stderr)
    print(printable(draft.text, sys.stdout))


def _ends(lm: Any, documents: str | None, stops: list[str]) -> tuple[list[str], str]:
    """Return the strings that end a text, and the separator between two texts."""
    kind = documents or lm.documents
    end = "\n" if kind == "lines" else "\n\n"
    if documents is not None and documents != lm.documents:
        if documents == "stream":
            raise ConfigError(
                f"--documents is 'stream', but this model's documents are {lm.documents!r}; leave "
                "it out, or train it with --documents stream"
            )
        if lm.tokenizer.kind in ("word", "whitespace") and lm.documents != "stream":
            raise ConfigError(
                f"--documents is {documents!r}, but this {lm.tokenizer.kind} model has no line "
                f"ends, as its documents are {lm.documents!r}; train it with --documents "
                f"{documents}"
            )
        stops = [*stops, end]
    return stops, end
