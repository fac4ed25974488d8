"""`fastlm train`: from text files to a model file, a sample, and what to do with them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fastlm.cli.options import (
    DATA,
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
    quoted,
    valid_source,
    whole_numbers,
)
from fastlm.cli.train_summary import summarise
from fastlm.config import ModelConfig, TrainingConfig
from fastlm.errors import ConfigError, FastlmError, TrainingError

if TYPE_CHECKING:
    from fastlm.api.language_model import LanguageModel

__all__ = ["resume_command", "train"]

_MODEL = "Model"
_TRAINING = "Training"
_CHECKPOINTS = "Stopping and going on"

_DEFAULT_OUTPUT = Path("model.safetensors")

_EXIT_CODES = {"interrupted": 130, "terminated": 143}


def train(
    corpus: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="CORPUS",
            help="Files, folders or patterns (text, .gz, .zst, .jsonl), or one token store; - is "
            "standard input. Without any: the documentation that comes with Python.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Where to save the model. A model that is there already is replaced.",
        ),
    ] = _DEFAULT_OUTPUT,
    valid: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Text to validate on, or a number: the share of the corpus to hold out from its "
            "end, 0 for none (default 0.05).",
            rich_help_panel=DATA,
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
        bool,
        typer.Option(
            "--no-cache",
            help="Of large text, keep no token store in the cache folder (FASTLM_CACHE).",
            rich_help_panel=DATA,
        ),
    ] = False,
    preset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The settings of a reference system, tiny or mini; other options override them.",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    context: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Tokens that the model looks back on (default: 8 characters, 4 words).",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    embed: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Numbers per token embedding (default: chosen for the corpus and the time).",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    far: Annotated[
        str | None,
        typer.Option(
            metavar="N,N...",
            help="Pools of tokens further back than the context, each seen as one embedding, or "
            "none (default: 12,48 words).",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    softmax: Annotated[
        str | None,
        typer.Option(
            metavar="HOW",
            help="Of large vocabularies: full, adaptive or auto (default auto: adaptive where a "
            "step gets much cheaper by it).",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    hidden: Annotated[
        str | None,
        typer.Option(
            metavar="N,N...",
            help="Widths of the hidden layers, or none (default: chosen for the corpus and the "
            "time).",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    combine: Annotated[
        str | None,
        typer.Option(
            metavar="HOW",
            help=f"The context's embeddings: concat or mean (default {ModelConfig.combine}).",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    dropout: Annotated[
        float | None,
        typer.Option(
            metavar="P",
            help="Share of hidden units left out in training (default: the more the more often "
            "the corpus is gone through).",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    embed_dropout: Annotated[
        float | None,
        typer.Option(
            metavar="P",
            help="Share of the first layer's inputs left out in training (default likewise).",
            rich_help_panel=_MODEL,
        ),
    ] = None,
    epochs: Annotated[
        float | None,
        typer.Option(
            metavar="N",
            help="Passes over the corpus (default: as many as suit it); with --minutes at most.",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option(metavar="N", help="Steps, in place of epochs.", rich_help_panel=_TRAINING),
    ] = None,
    minutes: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            help="Time at most; sizes and steps are chosen so that it is well spent.",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    batch: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help=f"Examples per step (default {TrainingConfig.batch}; words 512).",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    lr: Annotated[
        float | None,
        typer.Option(
            metavar="X", help="Learning rate (default: batch / 64).", rich_help_panel=_TRAINING
        ),
    ] = None,
    momentum: Annotated[
        float | None,
        typer.Option(
            metavar="B",
            help=f"Share of the last update that stays (default {TrainingConfig.momentum:g}).",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    weight_decay: Annotated[
        float | None,
        typer.Option(
            metavar="X",
            help="Share of itself, over the learning rate, that a weight loses a step (default: 30 "
            "over the number of tokens, at most 0.0002).",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    schedule: Annotated[
        str | None,
        typer.Option(
            metavar="HOW",
            help="How the learning rate goes down: constant, linear or cosine (default "
            f"{TrainingConfig.schedule}).",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    patience: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Stop after N validations without progress.",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help=f"Of weights, order and dropout (default {TrainingConfig.seed}).",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    shuffle_window: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Shuffle within so many examples at a time (default: all, or what fits into "
            "memory).",
            rich_help_panel=_TRAINING,
        ),
    ] = None,
    threads: ThreadsOption = None,
    resume: Annotated[
        bool,
        typer.Option(
            "--resume",
            help="Go on from the checkpoint beside the model. What is not given is as it was; "
            "epochs, steps, minutes, patience, threads and lr may be others.",
            rich_help_panel=_CHECKPOINTS,
        ),
    ] = False,
    restart: Annotated[
        bool,
        typer.Option(
            "--restart",
            help="Begin anew where the checkpoint is one of a run that has not ended.",
            rich_help_panel=_CHECKPOINTS,
        ),
    ] = False,
    checkpoint_every: Annotated[
        str | None,
        typer.Option(
            metavar="X",
            help="How often to write the checkpoint: 60s, 5m, '2000 steps', or never (default "
            "60s).",
            rich_help_panel=_CHECKPOINTS,
        ),
    ] = None,
    keep: Annotated[
        int | None,
        typer.Option(
            metavar="N",
            help="Older checkpoints to keep beside it (default 0).",
            rich_help_panel=_CHECKPOINTS,
        ),
    ] = None,
    init: Annotated[
        str | None,
        typer.Option(
            metavar="MODEL",
            help="Start from the weights of a model, with its tokenizer and shape.",
            rich_help_panel=_CHECKPOINTS,
        ),
    ] = None,
    init_momentum: Annotated[
        bool,
        typer.Option(
            "--init-momentum",
            help="With --init CHECKPOINT: from its last weights, and from its momentum too.",
            rich_help_panel=_CHECKPOINTS,
        ),
    ] = False,
    metrics: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Where to write the losses as they come, a JSON object a line (default: beside "
            "the model).",
            rich_help_panel=_CHECKPOINTS,
        ),
    ] = None,
    quiet: QuietOption = False,
) -> int:
    """Train a model on text and save it.

    Ctrl-C ends the training early and saves what there is; --resume goes on from there.
    """
    check_output(output)
    from fastlm.training.run_files import checkpoint_beside, metrics_beside

    checkpoint = None if checkpoint_every == "never" else checkpoint_beside(output)
    if checkpoint is None and (resume or restart or keep):
        raise ConfigError(
            "--checkpoint-every never leaves nothing to resume or to keep; leave it out"
        )
    settings: dict[str, Any] = {
        "valid": None if valid is None else valid_source(valid),
        "tokenizer": tokenizer,
        "vocab": vocab,
        "min_count": min_count,
        "max_vocab": max_vocab,
        "documents": documents,
        "field": field,
        "skip_bad": skip_bad or None,
        "encoding": encoding,
        "errors": errors,
        "cache": False if no_cache else None,
        "preset": preset,
        "context": context,
        "embed": embed,
        "hidden": None if hidden is None else whole_numbers("hidden", hidden, "256,128"),
        "far": None if far is None else whole_numbers("far", far, "12,48"),
        "combine": combine,
        "batch": batch,
        "lr": lr,
        "momentum": momentum,
        "weight_decay": weight_decay,
        "schedule": schedule,
        "epochs": epochs,
        "steps": steps,
        "minutes": minutes,
        "patience": patience,
        "dropout": dropout,
        "embed_dropout": embed_dropout,
        "softmax": softmax,
        "seed": seed,
        "shuffle_window": shuffle_window,
        "threads": threads,
        "checkpoint": checkpoint,
        "checkpoint_every": checkpoint_every if checkpoint else None,
        "keep": keep,
        "resume": resume or None,
        "restart": restart or None,
        "init": None if init is None else Path(init),
        "init_momentum": init_momentum or None,
        "metrics": metrics or (checkpoint and metrics_beside(output)),
    }
    from fastlm.engine.precompile import start_compiling
    from fastlm.system.atomic_file import remove_stale

    remove_stale(output)
    start_compiling()
    try:
        lm = _fit(
            corpus or None,
            {name: value for name, value in settings.items() if value is not None},
            quiet=quiet,
        )
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
            print(f"go on with: {resume_command(output, corpus)}", file=sys.stderr)
    return code


def resume_command(output: Path, corpus: Sequence[str] | None = None) -> str:
    """What to type to go on; the corpus only where a checkpoint cannot say where it is."""
    words = ["fastlm", "train"]
    if corpus and "-" in corpus:
        words += corpus
    words.append("--resume")
    if output != _DEFAULT_OUTPUT:
        words += ["-o", str(output)]
    return " ".join(map(quoted, words))


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

    kind, before = _earlier(settings)
    with ConsoleProgress(
        corpus=before if before and corpus is None else _named(corpus), tokenizer=kind
    ) as progress:
        progress.wait_for(f"reading {corpus[0] if corpus else 'the text'}")
        from fastlm.api.train import train as fit

        return fit(corpus, callbacks=[progress], **settings)


def _earlier(settings: dict[str, Any]) -> tuple[str, str]:
    """(kind of the tokenizer, the corpus of a checkpoint to resume from or ""), for the display."""
    from fastlm.model.model_file import read_metadata

    kind = settings.get("tokenizer", "word" if settings.get("preset") == "mini" else "char")
    source = settings.get("checkpoint" if settings.get("resume") else "init")
    if source is None:
        return kind, ""
    try:
        metadata = read_metadata(source)
        kind = str(metadata["tokenizer"]["kind"])
        return kind, str(metadata["corpus"]["description"]) if settings.get("resume") else ""
    except (FastlmError, KeyError, TypeError):  # training says what is wrong
        return kind, ""


def _named(corpus: list[str] | None) -> str:
    if corpus is None:
        return "Python's own documentation; name text files for another"
    first = "standard input" if corpus[0] == "-" else corpus[0]
    return first if len(corpus) == 1 else f"{first} and {len(corpus) - 1:,} more"
