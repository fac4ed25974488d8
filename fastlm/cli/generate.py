"""`fastlm generate`: text from a model, and nothing else, on standard output."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer

from fastlm.checks import check_choice, check_whole
from fastlm.cli.options import ModelArgument
from fastlm.errors import ConfigError

__all__ = ["generate"]


def generate(
    model: ModelArgument,
    prompt: Annotated[str, typer.Option(metavar="TEXT", help="The text to go on from.")] = "",
    length: Annotated[int, typer.Option(metavar="N", help="New tokens at most.")] = 200,
    temperature: Annotated[
        float,
        typer.Option(metavar="T", help="Below 1 safer, above 1 wilder, 0 always the likeliest."),
    ] = 1.0,
    top_k: Annotated[
        int | None, typer.Option(metavar="K", help="Choose among the K likeliest tokens only.")
    ] = None,
    top_p: Annotated[
        float | None,
        typer.Option(
            metavar="P", help="Choose among the likeliest tokens that share probability P only."
        ),
    ] = None,
    greedy: Annotated[bool, typer.Option("--greedy", help="Always the likeliest token.")] = False,
    stop: Annotated[
        list[str] | None,
        typer.Option(metavar="TEXT", help="End before this text; may be given several times."),
    ] = None,
    documents: Annotated[
        str | None,
        typer.Option(
            metavar="KIND",
            help="End where one ends: lines or paragraphs (default: as in training).",
        ),
    ] = None,
    samples: Annotated[
        int,
        typer.Option(
            metavar="N",
            help="Texts to write: one a line where documents are lines, else a blank line between.",
        ),
    ] = 1,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="The same seed gives the same text.")
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(metavar="N", help="Threads for several texts (default: all processors)."),
    ] = None,
    as_json: Annotated[
        bool,
        typer.Option("--json", help="A JSON object a line: sample, seed, prompt and (new) text."),
    ] = False,
) -> None:
    """Write text with a model."""
    check_whole("samples", samples, 1)
    if documents is not None:
        check_choice("documents", documents, ("lines", "paragraphs"))

    from fastlm.api.language_model import LanguageModel
    from fastlm.inference.generation import resolve_seed
    from fastlm.system.resources import thread_count

    thread_count(threads)  # refuses what is no number of threads, before the model is read
    seed = resolve_seed(seed)
    lm = LanguageModel.load(model)
    stops, separator = _ends(lm, documents, stop or [])
    options: dict[str, Any] = {
        "length": length,
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
        "greedy": greedy,
        "seed": seed,
        "stop": stops,
    }
    out = sys.stdout
    if as_json:
        for number, text in enumerate(lm.samples(samples, prompt, threads=threads, **options)):
            new = text.removeprefix(prompt)
            line = {"sample": number, "seed": seed, "prompt": prompt, "text": new}
            out.write(json.dumps(line, ensure_ascii=False) + "\n")
    elif samples == 1:
        pieces = lm.stream(prompt, **options)
        out.write(prompt)
        out.flush()
        for piece in pieces:
            out.write(piece)
            out.flush()
        out.write("\n")
    else:
        for number, text in enumerate(lm.samples(samples, prompt, threads=threads, **options)):
            out.write((separator if number else "") + text)
            out.flush()
        out.write("\n")


def _ends(lm: Any, documents: str | None, stops: list[str]) -> tuple[list[str], str]:
    """What texts end before, and what stands between two of them."""
    kind = documents or lm.documents
    end = "\n" if kind == "lines" else "\n\n"
    if documents is not None and documents != lm.documents:
        if lm.tokenizer.kind in ("word", "whitespace"):
            raise ConfigError(
                f"documents is {documents!r}, but this {lm.tokenizer.kind} model was trained on "
                f"{lm.documents} as documents and knows no line ends; train it with --documents "
                f"{documents}"
            )
        stops = [*stops, end]
    return stops, end
