"""`fastlm train`: from text files to a model file, a sample, and what to do with them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, get_args

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
    option,
)
from fastlm.cli.train_run import (
    DEFAULT_OUTPUT,
    resumed_run,
    train_and_save,
    training_settings,
)
from fastlm.config import ModelConfig, TrainingConfig
from fastlm.types import Combine, Schedule

__all__ = ["train"]

_MODEL = "Model"
_COUNTS = "Counts"
_TRAINING = "Training"
_CHECKPOINTS = "Checkpoints"


def train(
    invocation: typer.Context,
    corpus: CorpusArgument = None,
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            metavar="FILE",
            help="Where to save the model. That of another text or settings is replaced only with "
            "--force.",
        ),
    ] = DEFAULT_OUTPUT,
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
    remember: Annotated[
        bool,
        flag(
            "--remember",
            "Keep a hash of each line, 8 bytes, for generate --new.",
            DATA,
        ),
    ] = False,
    preset: Annotated[
        str | None,
        option(
            "NAME",
            "Settings of a reference system: tiny or mini. Other options override them.",
            _MODEL,
            choices=("tiny", "mini"),
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
            choices=("auto", "full", "adaptive"),
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
            choices=get_args(Combine),
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
    counts: Annotated[
        str | None,
        option(
            "N",
            "Count n-grams of up to N tokens beside the network; none: do not; auto: do where they "
            "lower the validation loss by 0.5 % (default auto).",
            _COUNTS,
        ),
    ] = None,
    counts_only: Annotated[
        bool, flag("--counts-only", "Count n-grams, and train no network.", _COUNTS)
    ] = False,
    order: Annotated[
        int | None,
        option(
            "N", "With --counts-only: up to N tokens (default: 7 characters, 5 words).", _COUNTS
        ),
    ] = None,
    counts_size: Annotated[
        str | None,
        option("SIZE", "Leave out n-grams that matter least, down to this size: 20MB.", _COUNTS),
    ] = None,
    prune: Annotated[
        str | None,
        option(
            COMMA_LIST,
            "Leave out n-grams that occur this often or less, for each length: 0,0,1.",
            _COUNTS,
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
        str | None,
        option(
            "TIME",
            "Time limit in minutes, or 90s, 5m, 1h. Sizes and steps are chosen to make good use "
            "of it.",
            _TRAINING,
            names=("-m", "--minutes"),
        ),
    ] = None,
    batch: Annotated[
        int | None,
        option("N", f"Examples per step (default {TrainingConfig.batch}; words 512).", _TRAINING),
    ] = None,
    lr: Annotated[
        float | None,
        option("X", "Learning rate (default: about batch / 64, at most 8).", _TRAINING),
    ] = None,
    embed_lr_scale: Annotated[
        float | None,
        option(
            "X",
            "Learning rate of the embeddings in units of --lr (default 1; words at most 8).",
            _TRAINING,
        ),
    ] = None,
    warmup: Annotated[
        int | None,
        option("N", "Steps over which the learning rate rises from zero (default 0).", _TRAINING),
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
            choices=get_args(Schedule),
        ),
    ] = None,
    valid_every: Annotated[
        float | None,
        option("X", "Epochs between validations (default: up to twenty over the run).", _TRAINING),
    ] = None,
    valid_tokens: Annotated[
        int | None,
        option(
            "N",
            "Tokens to validate on, spread over the text (default: all; with --minutes as many as "
            "take a fortieth of the time).",
            _TRAINING,
        ),
    ] = None,
    patience: Annotated[
        int | None,
        option("N", "Stop after N validations in a row without improvement.", _TRAINING),
    ] = None,
    sample_every: Annotated[
        str | None,
        option(
            "N",
            "Show what the model writes every N epochs, or '2000 steps' (default: at the end).",
            _TRAINING,
        ),
    ] = None,
    seed: Annotated[
        int | None,
        option(
            "N",
            "Random seed for initial weights, data order and dropout (default "
            f"{TrainingConfig.seed}).",
            _TRAINING,
            names=("-s", "--seed"),
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
            "Continue the run of a model: fastlm train --resume MODEL. Settings you leave out keep "
            "their earlier values; only epochs, steps, minutes, patience, threads and lr may "
            "change.",
            _CHECKPOINTS,
        ),
    ] = False,
    restart: Annotated[
        bool,
        flag(
            "--restart", "Discard the checkpoint of an unfinished run and start over.", _CHECKPOINTS
        ),
    ] = False,
    force: Annotated[
        bool,
        flag("--force", "Replace the model of another text or other settings.", _CHECKPOINTS),
    ] = False,
    checkpoint_every: Annotated[
        str | None,
        option(
            "X",
            "Time or steps between checkpoints: 60s, 5m, '2000 steps', or never (default 60s; "
            "resumed: as before).",
            _CHECKPOINTS,
        ),
    ] = None,
    keep: Annotated[
        int | None,
        option(
            "N",
            "Number of older checkpoints to keep (default 0; resumed: as before).",
            _CHECKPOINTS,
        ),
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
    distributed: Annotated[
        str | None,
        option(
            "HOW",
            "Share the steps among the processes that mpirun started: mpi.",
            _TRAINING,
            choices=("mpi",),
        ),
    ] = None,
    quiet: QuietOption = False,
    config: ConfigOption = None,
) -> int:
    """Train a model on text and save it.

    Ctrl-C stops early and saves the model so far; --resume continues from there.
    """
    if resume:
        given = invocation.get_parameter_source("output")
        is_given = given is not None and given.name != "DEFAULT"
        corpus, output = resumed_run(corpus, output, output_given=is_given)
    check_output(output)
    settings = training_settings(invocation.params, output)
    return train_and_save(corpus, output, settings, quiet=quiet)
