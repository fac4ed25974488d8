"""`fastlm rescore`: lists of hypotheses of a recogniser or translator, scored in order."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from fastlm.checks import check_number
from fastlm.cli.config_file import ConfigOption
from fastlm.cli.options import ModelArgument, ThreadsOption, flag, option
from fastlm.display.screen import printable
from fastlm.errors import ConfigError

__all__ = ["rescore"]

_FORMATS = ("kaldi", "tsv", "jsonl")
_WEIGHTS = "Weights"


def rescore(
    model: ModelArgument,
    nbest: Annotated[
        str,
        typer.Argument(
            metavar="NBEST", help="Hypotheses, one a line; - is standard input.", show_default=False
        ),
    ],
    form: Annotated[
        str | None,
        option(
            "FORM",
            "kaldi (utterance, words), tsv (utterance, score, text) or jsonl (utt, score, text, "
            "prefix); default by the name, else kaldi.",
            names=("--format",),
            choices=_FORMATS,
        ),
    ] = None,
    lm_weight: Annotated[
        float | None,
        option("W", "What a log-probability (nats) of the model counts (default 1).", _WEIGHTS),
    ] = None,
    word_bonus: Annotated[
        float | None, option("B", "What a word counts (default 0).", _WEIGHTS)
    ] = None,
    tune: Annotated[
        Path | None,
        option(
            "REFERENCE",
            "Take the weights with the fewest word errors against these texts, in the same format.",
            _WEIGHTS,
        ),
    ] = None,
    costs: Annotated[
        list[Path] | None,
        option("FILE", "Of kaldi: costs of the lines, key and number. May be repeated.", _WEIGHTS),
    ] = None,
    best: Annotated[
        bool, flag("--best", "Write the best hypothesis of each utterance only, unchanged.")
    ] = False,
    output: Annotated[
        Path | None,
        option("FILE", "Write there (default: standard output).", names=("-o", "--output")),
    ] = None,
    force: Annotated[bool, flag("--force", "Replace an output that exists.")] = False,
    count_end: Annotated[
        bool | None,
        typer.Option(help="Whether the end of a text counts (default: yes)."),
    ] = None,
    threads: ThreadsOption = None,
    config: ConfigOption = None,
) -> None:
    """Rescore hypotheses, in order: score + W log p + B words.

    Kaldi: the key and the total of each line. Tabs: log p and total are added as columns. JSON:
    lm_log_prob, words and total are added.
    """
    check_number("--lm-weight", lm_weight, least=0, or_none=True)
    if output is not None and output.exists() and not (force and output.is_file()):
        raise ConfigError(f"{output} exists; name another file with -o, or give --force")
    if output is not None and not output.parent.is_dir():
        raise ConfigError(f"{output.parent}: no such folder; create it, or name another with -o")

    from fastlm.api.language_model import LanguageModel
    from fastlm.engine.precompile import start_compiling
    from fastlm.jobs.rescoring import Rescoring
    from fastlm.system.atomic_file import replace_file, unwritable

    asked = Rescoring(
        nbest=nbest,
        form=form,
        lm_weight=lm_weight,
        word_bonus=word_bonus,
        tune=tune,
        costs=costs or (),
        best=best,
        count_end=count_end,
        threads=threads,
        tell=lambda message: print(printable(message, sys.stderr), file=sys.stderr),
    )
    start_compiling("position_losses")
    lines = asked.lines(LanguageModel.load(model))
    if output is not None:
        try:
            replace_file(output, ((line + "\n").encode("utf-8") for line in lines))
        except OSError as error:
            raise ConfigError(unwritable("output", output, error)) from None
        return
    for line in lines:
        sys.stdout.write(printable(line, sys.stdout) + "\n")
