"""The run of `fastlm train`: its settings, its files, and what is saved however it ends."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fastlm.callbacks import Callback
from fastlm.cli.card import RunFacts
from fastlm.cli.options import (
    given_settings,
    parse_int_list,
    parse_interval,
    parse_minutes,
    parse_valid,
    shell_path,
    shell_quote,
)
from fastlm.cli.train_summary import summarise
from fastlm.errors import ConfigError, FastlmError, TrainingError

if TYPE_CHECKING:
    from fastlm.api.language_model import LanguageModel

__all__ = [
    "DEFAULT_OUTPUT",
    "resume_command",
    "resumed_run",
    "train_and_save",
    "training_settings",
]

DEFAULT_OUTPUT = Path("model.safetensors")

# The program of the second process of a first start. It is not imported here, for speed.
_SECOND_PROCESS = "from fastlm.api.compile import serve_training; serve_training()"

_EXIT_CODES = {"interrupted": 130, "terminated": 143}


def train_and_save(
    corpus: list[str] | None, output: Path, settings: dict[str, Any], *, quiet: bool
) -> int:
    """Train with ``settings`` of `fastlm.train`, save the model, and return the exit code."""
    from fastlm.training.replaced_run import run_lock

    if "distributed" in settings:
        return _train_on_ranks(corpus, output, settings, quiet=quiet)
    with run_lock(output):
        return _train_and_save(corpus, output, settings, quiet=quiet)


def _train_on_ranks(
    corpus: list[str] | None, output: Path, settings: dict[str, Any], *, quiet: bool
) -> int:
    """Do as ``train_and_save`` on rank 0; the others only train, and say nothing that it says."""
    from fastlm.distributed.mpi import connect, is_follower
    from fastlm.training.replaced_run import run_lock

    try:
        communicator = connect(settings["distributed"])
        with communicator.watched():
            if communicator.rank == 0:
                with run_lock(output):
                    return _train_and_save(corpus, output, settings, quiet=quiet)
            _fit(corpus or None, output, settings, RunFacts(), quiet=True)
    except FastlmError:
        if not is_follower():
            raise
    # Another code than 0 would let mpirun end rank 0, which saves, or says what is wrong.
    return 0


def _train_and_save(
    corpus: list[str] | None, output: Path, settings: dict[str, Any], *, quiet: bool
) -> int:
    checkpoint = settings.get("checkpoint")
    from fastlm.engine.precompile import start_compiling
    from fastlm.system.atomic_file import remove_stale

    remove_stale(output)
    start_compiling("train_steps", _SECOND_PROCESS, ["counts"] if _may_count(settings) else [])
    facts = RunFacts()
    try:
        lm = _fit(corpus or None, output, settings, facts, quiet=quiet)
    except KeyboardInterrupt:  # while reading, say; training itself ends with a result
        return _nothing_saved(_EXIT_CODES["interrupted"], checkpoint, quiet=quiet)
    except TrainingError as error:
        if error.model is not None:
            _save(error.model, output)
            step = error.model.details.get("step")
            raise TrainingError(f"{error}; the good model of step {step} is {output}") from None
        raise
    result = lm.result
    if result is None:  # of counts alone
        _save(lm, output)
        if not quiet:
            summarise(lm, output, None, sample=True)
        return 0
    code = _EXIT_CODES.get(result.reason, 0)
    if result.step == 0:
        # Never put untrained weights in the place of an older model.
        return _nothing_saved(code, checkpoint, quiet=quiet)
    _save(lm, output)
    if not quiet:
        summarise(lm, output, facts.start, sample=not code)
        if code and result.checkpoint is not None:
            print(f"to continue: {resume_command(output, corpus)}", file=sys.stderr)
    return code


def _may_count(settings: Mapping[str, Any]) -> bool:
    """Tell whether counts may be estimated, as far as the options say."""
    names = ("preset", "init", "counts_only", "distributed")
    if settings.get("valid") == 0 or any(map(settings.get, names)):
        return False
    return bool(settings.get("counts") != "none")


def _save(lm: LanguageModel, output: Path) -> None:
    """Save a model; if that fails, save it to a temporary folder, which the error names."""
    try:
        lm.save(output)
    except FastlmError as error:
        try:
            rescued = Path(tempfile.mkdtemp(prefix="fastlm-")) / output.name
            lm.save(rescued)
        except (FastlmError, OSError):
            raise error from None
        raise type(error)(f"{error}; the model is saved as {rescued}") from None


def resume_command(output: Path, corpus: Sequence[str] | None = None) -> str:
    """Return the command that continues a run.

    It names the corpus only if that is standard input, which no checkpoint can read again.
    """
    words = ["fastlm", "train"]
    if corpus and "-" in corpus:
        words += corpus
    words.append("--resume")
    command = " ".join(map(shell_quote, words))
    return command if output == DEFAULT_OUTPUT else f"{command} -o {shell_path(output)}"


def resumed_run(
    corpus: list[str] | None, output: Path, *, output_given: bool
) -> tuple[list[str] | None, Path]:
    """Return the corpus and the output of a run to resume; its model may stand among the corpus.

    Files that end in .safetensors are models or checkpoints: no corpus is one.

    Raises
    ------
    ConfigError
        For several runs.
    """
    from fastlm.training.run_files import model_beside

    runs = {name: model_beside(name) for name in corpus or [] if name.endswith(".safetensors")}
    found = {*runs.values(), *([output] if output_given else [])}
    if not runs:
        return corpus, output
    if len(found) > 1:
        names = " and ".join(sorted(map(str, found)))
        raise ConfigError(f"--resume is given two runs, {names}; name one")
    return [name for name in corpus or [] if name not in runs], found.pop()


def training_settings(params: Mapping[str, Any], output: Path) -> dict[str, Any]:
    """Return the settings for `fastlm.train`, with checkpoint and metrics beside the model."""
    settings = given_settings(params, "corpus", "output", "config", "quiet")
    if "valid" in settings:
        settings["valid"] = parse_valid(settings["valid"])
    for name, example in (("hidden", "256,128"), ("far", "12,48"), ("prune", "0,0,1")):
        if name in settings:
            settings[name] = parse_int_list(name, settings[name], example)
    if "minutes" in settings:
        settings["minutes"] = parse_minutes(settings["minutes"])
    if "init" in settings:
        settings["init"] = Path(settings["init"])  # as text it could be a way to draw weights
    if output.exists():
        settings["replaces"] = output
    if settings.pop("force", False):
        settings["overwrite"] = True
    if settings.pop("no_cache", False):
        settings["cache"] = False
    if settings.get("counts_only"):
        return settings
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


def _fit(
    corpus: list[str] | None,
    output: Path,
    settings: dict[str, Any],
    facts: RunFacts,
    *,
    quiet: bool,
) -> LanguageModel:
    # On the command line a word is the name of a file, never text.
    paths = None if corpus is None else [Path(name) if name else name for name in corpus]
    if isinstance(settings.get("valid"), str):
        settings = settings | {"valid": Path(settings["valid"])}
    every = settings.pop("sample_every", None)
    interval = None if every is None else parse_interval("--sample-every", every)
    if quiet:
        from fastlm.api.train import train as fit
        from fastlm.display.progress import QuietNotices

        return fit(paths, callbacks=[QuietNotices()], progress=False, **settings)

    from fastlm.display.progress import ConsoleProgress

    with ConsoleProgress() as progress:
        progress.wait_for(f"reading {corpus[0] if corpus else 'the text'}")
        from fastlm.api.train import train as fit

        callbacks: list[Callback] = [progress, facts]
        if interval is not None:
            from fastlm.api.samples import SampleEvery
            from fastlm.training.run_files import samples_beside

            epochs, steps = interval
            file = samples_beside(output)
            callbacks.append(SampleEvery(epochs, steps=steps, file=file))
        return fit(paths, callbacks=callbacks, progress=False, **settings)
