"""`fastlm eval`: how well a model predicts text."""

from __future__ import annotations

import json
from typing import Annotated, Any, cast

import typer

from fastlm.cli.config_file import ConfigOption, argument_from_config
from fastlm.cli.options import (
    DATA,
    EncodingOption,
    ErrorsOption,
    FieldOption,
    ModelArgument,
    OneObjectOption,
    SkipBadOption,
    given_reading,
    option,
)
from fastlm.types import DOCUMENT_MODES, Documents

__all__ = ["evaluate"]


def evaluate(
    invocation: typer.Context,
    model: ModelArgument,
    files: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="FILE",
            help="Text files, folders or patterns, or one token store; - is standard input.",
            show_default=False,
            callback=argument_from_config,
        ),
    ] = None,
    documents: Annotated[
        str | None,
        option(
            "KIND",
            "What a document is: file, paragraphs, lines or stream (default: as in training).",
            DATA,
            choices=DOCUMENT_MODES,
        ),
    ] = None,
    cache: Annotated[
        int | None,
        option(
            "N",
            "Also measure with a cache of the last N tokens of the same document: the adaptive "
            "perplexity.",
        ),
    ] = None,
    field: FieldOption = None,
    skip_bad: SkipBadOption = False,
    encoding: EncodingOption = None,
    errors: ErrorsOption = None,
    as_json: OneObjectOption = False,
    config: ConfigOption = None,
) -> None:
    """Measure how well a model predicts text: perplexity, bits per character, unknown tokens.

    The figures are those of all files together.
    """
    if not files:
        raise typer.BadParameter("name at least one FILE", param_hint="FILE")
    reading = given_reading(invocation.params)

    from fastlm.api.language_model import LanguageModel
    from fastlm.data.dataset import check_no_reading, corpus_store
    from fastlm.data.progress import ProgressReporter
    from fastlm.data.scan import read_texts
    from fastlm.data.token_store import is_store
    from fastlm.engine.precompile import start_compiling
    from fastlm.inference.caution import unknown_message

    store = None
    if any(map(is_store, files)):
        from fastlm.display.progress import ConsoleProgress

        with ConsoleProgress() as progress:
            store = corpus_store(files, ProgressReporter((progress,)))
    if store is not None:
        check_no_reading(store, reading)
    start_compiling("position_losses")
    lm = LanguageModel.load(model)
    found = lm.evaluate(
        read_texts(files, reading) if store is None else store,
        documents=cast("Documents | None", documents),
        cache=cache,
    )
    figures = found.to_dict()
    typer.echo(json.dumps(figures, allow_nan=False) if as_json else _table(figures))
    warning = unknown_message(found.oov, found.tokens)
    if warning:
        typer.echo(f"warning: {warning}", err=True)


def _table(figures: dict[str, Any]) -> str:
    texts = {key: _figure(value) for key, value in figures.items()}
    width = max(map(len, texts.values()))
    label = 20 if "perplexity_adaptive" in figures else 16
    lines = [f"{key.replace('_', ' '):<{label}}{text:>{width}}" for key, text in texts.items()]
    if figures["oov"]:
        lines[list(figures).index("oov")] += f"  ({figures['oov'] / figures['tokens']:.2%} unknown)"
    return "\n".join(lines)


def _figure(value: float | None) -> str:
    if value is None:  # infinite, or not defined for this text
        return "-"
    if isinstance(value, int):
        return f"{value:,}"
    return f"{value:,.4f}" if value < 1e6 else f"{value:.4g}"
