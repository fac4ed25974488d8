"""`fastlm train`: from text files to a model file, a sample, and what to do with them."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fastlm.cli.config_file import COMMA_LIST, ConfigOption
from fastlm.cli.options import (
    DATA,
    CorpusArgument,
    DocumentsOption,
    EncodingOption,
    ErrorsOption,
    FieldOption,
    MaxVocabOption,
    MinCountOption,
    QuietOption,
    SkipBadOption,
    ThreadsOption,
    TokenizerOption,
    VocabOption,
    check_output,
    flag,
    given_settings,
    option,
    parse_int_list,
    parse_valid,
    shell_path,
    shell_quote,
)
from fastlm.cli.train_summary import summarise
from fastlm.config import ModelConfig, TrainingConfig
from fastlm.errors import ConfigError, TrainingError

if TYPE_CHECKING:
    from fastlm.api.language_model import LanguageModel

__all__ = ["resume_command", "train"]

_MODEL = "Model"
_TRAINING = "Training"
_CHECKPOINTS = "Checkpoints"

_DEFAULT_OUTPUT = Path("model.safetensors")

_EXIT_CODES = {"interrupted": 130, "terminated": 143}


def train(
    invocation: typer.Context,
    corpus: CorpusArgument = None,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Where to save the model. A model already there is replaced.",
        ),
    ] = _DEFAULT_OUTPUT,
    valid: Annotated[
        str | None,
        option(
            "FILE|FRACTION",
            "Text to validate on, or the fraction of the corpus to hold out from its end; 0 for "
            "none (default 0.05).",
            DATA,
        ),
    ] = None,
    tokenizer: TokenizerOption = None,
    vocab: VocabOption = None,
    min_count: MinCountOption = None,
    max_vocab: MaxVocabOption = None,
    documents: DocumentsOption = None,
    field: FieldOption = None,
    skip_bad: SkipBadOption = False,
    encoding: EncodingOption = None,
    errors: ErrorsOption = None,
    no_cache: Annotated[
        bool, flag("--no-cache", "Do not cache the tokens of large corpora on disk.", DATA)
    ] = False,
    preset: Annotated[
        str | None,
        option(
            "NAME",
            "Settings of a reference system: tiny or mini. Other options override them.",
            _MODEL,
        ),
    ] = None,
    context: Annotated[
        int | None,
        option("N", "Number of tokens to look back on (default: 8 characters, 4 words).", _MODEL),
    ] = None,
    embed: Annotated[
        int | None,
        option("N", "Width of a token's embedding (default: chosen for corpus and time).", _MODEL),
    ] = None,
    far: Annotated[
        str | None,
        option(
            COMMA_LIST,
            "Pools of tokens beyond the context, each seen as one embedding; or none (default for "
            "words: 12,48).",
            _MODEL,
        ),
    ] = None,
    softmax: Annotated[
        str | None,
        option(
            "HOW",
            "Output for large vocabularies: full, adaptive or auto (default auto: adaptive if a "
            "step gets much cheaper).",
            _MODEL,
        ),
    ] = None,
    hidden: Annotated[
        str | None,
        option(
            COMMA_LIST,
            "Widths of the hidden layers, or none (default: chosen for corpus and time).",
            _MODEL,
        ),
    ] = None,
    combine: Annotated[
        str | None,
        option(
            "HOW",
            "How the embeddings of the context become one vector: concat or mean (default "
            f"{ModelConfig.combine}).",
            _MODEL,
        ),
    ] = None,
    dropout: Annotated[
        float | None,
        option(
            "P",
            "Fraction of hidden units dropped in training (default: grows with the epochs).",
            _MODEL,
        ),
    ] = None,
    embed_dropout: Annotated[
        float | None,
        option(
            "P",
            "Fraction of the first layer's inputs dropped in training (default: grows likewise).",
            _MODEL,
        ),
    ] = None,
    epochs: Annotated[
        float | None,
        option(
            "N",
            "Passes over the corpus (default: chosen for the corpus); with --minutes, at most.",
            _TRAINING,
        ),
    ] = None,
    steps: Annotated[int | None, option("N", "Steps, instead of epochs.", _TRAINING)] = None,
    minutes: Annotated[
        float | None,
        option("X", "Time limit. Sizes and steps are chosen to make good use of it.", _TRAINING),
    ] = None,
    batch: Annotated[
        int | None,
        option("N", f"Examples per step (default {TrainingConfig.batch}; words 512).", _TRAINING),
    ] = None,
    lr: Annotated[
        float | None, option("X", "Learning rate (default: batch / 64).", _TRAINING)
    ] = None,
    momentum: Annotated[
        float | None,
        option("B", f"Momentum coefficient (default {TrainingConfig.momentum:g}).", _TRAINING),
    ] = None,
    weight_decay: Annotated[
        float | None,
        option(
            "X",
            "Each step shrinks every weight by lr times this fraction (default: 30 / number of "
            "tokens, at most 0.0002).",
            _TRAINING,
        ),
    ] = None,
    schedule: Annotated[
        str | None,
        option(
            "HOW",
            "Course of the learning rate: constant, linear or cosine (default "
            f"{TrainingConfig.schedule}).",
            _TRAINING,
        ),
    ] = None,
    patience: Annotated[
        int | None,
        option("N", "Stop after N validations in a row without improvement.", _TRAINING),
    ] = None,
    seed: Annotated[
        int | None,
        option(
            "N",
            "Random seed for initial weights, data order and dropout (default "
            f"{TrainingConfig.seed}).",
            _TRAINING,
        ),
    ] = None,
    shuffle_window: Annotated[
        int | None,
        option(
            "N",
            "Shuffle within windows of N examples (default: everything, or what fits in memory).",
            _TRAINING,
        ),
    ] = None,
    threads: ThreadsOption = None,
    resume: Annotated[
        bool,
        flag(
            "--resume",
            "Continue from the checkpoint beside the model. Settings you leave out keep their "
            "earlier values; only epochs, steps, minutes, patience, threads and lr may change.",
            _CHECKPOINTS,
        ),
    ] = False,
    restart: Annotated[
        bool,
        flag(
            "--restart", "Discard the checkpoint of an unfinished run and start over.", _CHECKPOINTS
        ),
    ] = False,
    checkpoint_every: Annotated[
        str | None,
        option(
            "X",
            "Time or steps between checkpoints: 60s, 5m, '2000 steps', or never (default 60s).",
            _CHECKPOINTS,
        ),
    ] = None,
    keep: Annotated[
        int | None, option("N", "Number of older checkpoints to keep (default 0).", _CHECKPOINTS)
    ] = None,
    init: Annotated[
        str | None,
        option(
            "MODEL",
            "Start from the weights of a model, with its tokenizer and shape.",
            _CHECKPOINTS,
        ),
    ] = None,
    init_momentum: Annotated[
        bool,
        flag(
            "--init-momentum",
            "With --init CHECKPOINT: take its last weights and its momentum.",
            _CHECKPOINTS,
        ),
    ] = False,
    metrics: Annotated[
        str | None,
        option(
            "FILE", "Where to write losses as JSON lines (default: beside the model).", _CHECKPOINTS
        ),
    ] = None,
    quiet: QuietOption = False,
    config: ConfigOption = None,
) -> int:
    """Train a model on text and save it.

    Ctrl-C stops early and saves the model so far; --resume continues from there.
    """
    check_output(output)
    settings = _settings(invocation.params, output)
    checkpoint = settings.get("checkpoint")
    from fastlm.engine.precompile import start_compiling
    from fastlm.system.atomic_file import remove_stale

    remove_stale(output)
    start_compiling()
    try:
        lm = _fit(corpus or None, settings, quiet=quiet)
    except KeyboardInterrupt:  # while reading, say; training itself ends with a result
        return _nothing_saved(_EXIT_CODES["interrupted"], checkpoint, quiet=quiet)
    except TrainingError as error:
        if error.model is not None:
            error.model.save(output)
            step = error.model.details.get("step")
            raise TrainingError(f"{error}; the good model of step {step} is {output}") from None
        raise
    result = lm.result
    assert result is not None
    code = _EXIT_CODES.get(result.reason, 0)
    if result.step == 0:
        # Never put untrained weights in the place of an older model.
        return _nothing_saved(code, checkpoint, quiet=quiet)
    lm.save(output)
    if not quiet:
        summarise(lm, output, sample=not code)
        if code and result.checkpoint is not None:
            print(f"to continue: {resume_command(output, corpus)}", file=sys.stderr)
    return code


def resume_command(output: Path, corpus: Sequence[str] | None = None) -> str:
    """Return the command that continues a run.

    It names the corpus only if that is standard input, which no checkpoint can read again.
    """
    words = ["fastlm", "train"]
    if corpus and "-" in corpus:
        words += corpus
    words.append("--resume")
    command = " ".join(map(shell_quote, words))
    return command if output == _DEFAULT_OUTPUT else f"{command} -o {shell_path(output)}"


def _settings(params: Mapping[str, Any], output: Path) -> dict[str, Any]:
    """Return the settings for `fastlm.train`, with checkpoint and metrics beside the model."""
    settings = given_settings(params, "corpus", "output", "config", "quiet")
    if "valid" in settings:
        settings["valid"] = parse_valid(settings["valid"])
    for name, example in (("hidden", "256,128"), ("far", "12,48")):
        if name in settings:
            settings[name] = parse_int_list(name, settings[name], example)
    if "init" in settings:
        settings["init"] = Path(settings["init"])  # as text it could be a way to draw weights
    if settings.pop("no_cache", False):
        settings["cache"] = False
    if settings.get("checkpoint_every") == "never":
        if any(map(settings.get, ("resume", "restart", "keep"))):
            raise ConfigError(
                "--checkpoint-every never leaves nothing to resume or to keep; leave it out"
            )
        del settings["checkpoint_every"]
        return settings
    from fastlm.training.run_files import checkpoint_beside, metrics_beside

    settings["checkpoint"] = checkpoint_beside(output)
    settings.setdefault("metrics", metrics_beside(output))
    return settings


def _nothing_saved(code: int, checkpoint: Path | None, *, quiet: bool) -> int:
    if not quiet:
        stays = checkpoint is not None and checkpoint.exists()
        more = f"; {checkpoint} stays as it is" if stays else ""
        print(f"interrupted; nothing is saved{more}", file=sys.stderr)
    return code


def _fit(corpus: list[str] | None, settings: dict[str, Any], *, quiet: bool) -> LanguageModel:
    if quiet:
        from fastlm.api.train import train as fit
        from fastlm.cli.display import QuietNotices

        return fit(corpus, callbacks=[QuietNotices()], **settings)

    from fastlm.cli.display import ConsoleProgress

    with ConsoleProgress() as progress:
        progress.wait_for(f"reading {corpus[0] if corpus else 'the text'}")
        from fastlm.api.train import train as fit

        return fit(corpus, callbacks=[progress], **settings)
