"""`fastlm inspect`: the facts of a model or a checkpoint, and how to continue its run."""

from __future__ import annotations

import json
import math
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fastlm.cli.config_file import ConfigOption
from fastlm.cli.options import OneObjectOption, option
from fastlm.config import TrainingConfig
from fastlm.display.figures import (
    count_text,
    duration_text,
    model_text,
    plural,
    quality_text,
    size_text,
    tokens_text,
)
from fastlm.display.screen import printable

if TYPE_CHECKING:
    from fastlm.api.inspection import Inspection

__all__ = ["inspect"]

_SHOWN_VALIDATIONS = 8


def inspect(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="FILE", help="A model or a checkpoint written by fastlm.", show_default=False
        ),
    ],
    neighbors: Annotated[
        str | None,
        option("TOKEN", "List the tokens with the nearest embeddings."),
    ] = None,
    plot: Annotated[
        Path | None,
        option("FILE", "Save the learning curve, as .png or .svg."),
    ] = None,
    as_json: OneObjectOption = False,
    config: ConfigOption = None,
) -> None:
    """Show what a model or a checkpoint is, how its training went, and how to continue."""
    from fastlm.api.inspection import Inspection
    from fastlm.bench.plot import check_plot
    from fastlm.cli.charts import save_curve

    if plot is not None:
        check_plot(plot)
    inspection = Inspection(model)
    facts = inspection.facts
    if facts["kind"] == "checkpoint":
        facts["resume"] = _resume(model)
    near = None if neighbors is None else inspection.neighbors(neighbors)
    if plot is not None:
        save_curve(inspection, plot)
    if as_json:
        if near is not None:
            facts["neighbors"] = [{"token": token, "cosine": cosine} for token, cosine in near]
        typer.echo(json.dumps(facts, allow_nan=False))
        return
    for label, text in _lines(inspection):
        typer.echo(printable(f"{label:<12}{text}", sys.stdout))
    if near is not None:
        typer.echo(f"{'neighbors':<12}{'cosine':>7}")
        for token, cosine in near:
            typer.echo(f"{'':<12}{cosine:7.3f}  {_shown(token)}")


def _resume(checkpoint: Path) -> str:
    from fastlm.cli.train_run import resume_command
    from fastlm.training.run_files import model_beside

    return resume_command(model_beside(checkpoint))


def _lines(inspection: Inspection) -> list[tuple[str, str]]:
    facts = inspection.facts
    training = facts["training"] and TrainingConfig(**facts["training"])
    tokenizer = facts["tokenizer"]
    lines = {
        "file": f"{facts['file']}: a {facts['kind']}, {size_text(facts['bytes'])}, format "
        f"{facts['format_version']}, written by fastlm {facts['library_version']}{_when(facts)}",
        "model": model_text(facts["model"], facts["parameters"]),
    }
    if tokenizer is not None:
        document = facts["documents"].removesuffix("s")
        lines["tokenizer"] = (
            f"{tokenizer['kind']}, {tokenizer['vocab']:,} tokens; a document is a {document}"
        )
    if facts.get("corpus"):
        lines["corpus"] = facts["corpus"]
    if "train" in facts:
        valid = facts["valid"]["tokens"] if facts["valid"] else 0
        lines["tokens"] = tokens_text(facts["train"]["tokens"], valid)
    if training is not None:
        lines["training"] = (
            f"batch {training.batch:,}, lr {training.base_lr:g}, momentum {training.momentum:g}, "
            f"{training.schedule}, dropout {training.dropout:g}, weight decay "
            f"{training.weight_decay:g}, seed {training.seed}"
        )
    if "step" in facts:
        lines["progress"] = _progress(facts)
        lines["time"] = duration_text(facts.get("seconds") or math.nan)
        if training and facts.get("seconds"):
            speed = count_text(facts["step"] * training.batch / facts["seconds"])
            lines["time"] += f", {speed} tokens/s"
    if "lr" in facts:
        lines["lr now"] = f"{facts['lr']:.4g}"
        if facts["rollbacks"]:
            back = plural(len(facts["rollbacks"]), "rollback")
            lines["lr now"] += f", {facts['rate_factor']:g} of the plan after {back}"
    if facts.get("train_loss") is not None:
        lines["train loss"] = f"{facts['train_loss']:.4f} nats per token"
    if facts.get("valid_loss") is not None and "best_step" in facts:
        quality = quality_text(facts["valid_loss"], tokenizer["kind"] if tokenizer else "")
        lines["best"] = f"{quality}, at step {facts['best_step']:,}"
    found = [*lines.items(), *_history(facts)]
    if "resume" in facts:
        more = " --steps N (more than now)" if facts["ended"] else ""
        found.append(("to continue", facts["resume"] + more))
    return found


def _progress(facts: dict[str, Any]) -> str:
    total = facts.get("total_steps")
    steps = f"step {facts['step']:,}" + (f" of {total:,}" if total else "")
    epochs = f", {plural(facts['epoch'], 'epoch')}" if facts.get("epoch") is not None else ""
    share = f" ({facts['fraction']:.0%})" if "fraction" in facts else ""
    return f"{steps}{share}{epochs}, {facts.get('reason', 'reason of its end unknown')}"


def _history(facts: dict[str, Any]) -> list[tuple[str, str]]:
    rows = facts["history"][-_SHOWN_VALIDATIONS:]
    if not rows:
        return []
    lines = [("validations", f"{'step':>10} {'train':>8} {'valid':>8}")]
    for row in rows:
        train = "-" if row.get("train_loss") is None else f"{row['train_loss']:.4f}"
        lines.append(("", f"{row['step']:>10,} {train:>8} {row['valid_loss']:>8.4f}"))
    return lines


def _when(facts: dict[str, Any]) -> str:
    written = facts.get("written")
    if not isinstance(written, int | float):
        return ""
    try:
        return time.strftime(", %Y-%m-%d %H:%M", time.localtime(written))
    except (OverflowError, ValueError, OSError):
        return ""


def _shown(token: str) -> str:
    return token if token.isprintable() and token.strip() == token else repr(token)
