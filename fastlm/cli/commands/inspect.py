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
from fastlm.cli.inspect_views import (
    DEFAULT_TEMPERATURES,
    View,
    make_view,
    parse_temperatures,
    print_views,
)
from fastlm.cli.options import OneObjectOption, flag, option
from fastlm.cli.store_facts import store_facts, store_lines
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
from fastlm.display.screen import describe
from fastlm.errors import ConfigError

if TYPE_CHECKING:
    from fastlm.api.inspection import Inspection

__all__ = ["inspect"]

_SHOWN_VALIDATIONS = 8


def inspect(
    model: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="A model, a checkpoint or a token store written by fastlm.",
            show_default=False,
        ),
    ],
    token_map: Annotated[
        bool,
        flag("--map", "Show the embeddings in two dimensions, and the groups that are found."),
    ] = False,
    neighbors: Annotated[
        str | None,
        option("TOKEN", "Show the tokens with the nearest embeddings."),
    ] = None,
    next_tokens: Annotated[
        str | None,
        option("PROMPT", "Show the most probable next tokens.", names=("--next",)),
    ] = None,
    temperatures: Annotated[
        str | None,
        option("X,X...", f"For --next: at these temperatures (default {DEFAULT_TEMPERATURES})."),
    ] = None,
    places: Annotated[
        bool,
        flag("--places", "Show how strongly the first layer takes each place of the context."),
    ] = False,
    plot: Annotated[
        Path | None,
        option(
            "FILE",
            "Save what is asked for, else the learning curve, as .svg, .png or .pdf.",
            names=("-o", "--plot"),
        ),
    ] = None,
    as_json: OneObjectOption = False,
    config: ConfigOption = None,
) -> None:
    """Show what a model, a checkpoint or a token store is, how training went, what was learnt."""
    from fastlm.data.token_store import TokenStore, is_store

    asked = {
        "map": "" if token_map else None,
        "neighbors": neighbors,
        "next": next_tokens,
        "places": "" if places else None,
    }
    wanted = {name: value for name, value in asked.items() if value is not None}
    if is_store(model):
        options = [f"--{name}" for name in wanted] + ["--plot"] * (plot is not None)
        if options:
            raise ConfigError(
                f"{options[0]} needs a model, but {model} is a token store; name a model"
            )
        store = TokenStore.open(model, check=False)
        _print(store_facts(store), store_lines(store), as_json=as_json)
        return
    if temperatures is not None and next_tokens is None:
        raise ConfigError("--temperatures needs --next PROMPT; give both")
    heats = parse_temperatures(temperatures or DEFAULT_TEMPERATURES)
    if plot is not None:
        from fastlm.pictures.files import check_picture

        check_picture(plot)
        if len(wanted) > 1:
            raise ConfigError(
                f"--plot saves one picture, but {' and '.join(f'--{name}' for name in wanted)} "
                "are given; give one of them"
            )
    from fastlm.api.inspection import Inspection

    inspection = Inspection(model)
    facts = inspection.facts
    if facts["kind"] == "checkpoint":
        facts["resume"] = _resume(model)
    views = [make_view(model, name, value, heats) for name, value in wanted.items()]
    facts |= {view.name: view.data for view in views}
    if plot is not None:
        _save(model, views, plot)
    if as_json:
        print(json.dumps(facts, allow_nan=False))
    elif plot is not None:
        describe(sys.stdout, "picture", str(plot))
    elif views:
        print_views(views)
    else:
        _print(facts, _lines(inspection), as_json=False)


def _save(model: Path, views: list[View], plot: Path) -> None:
    """Save the picture of the one view, or the learning curve."""
    from fastlm.pictures.files import save_picture

    if views:
        save_picture(views[0].scene, plot)
        return
    from fastlm.api.language_model import load
    from fastlm.api.pages.runs import read_runs
    from fastlm.api.pages.views import caption_of
    from fastlm.pictures.curves import curve_scene

    save_picture(curve_scene(read_runs([model]), caption_of(load(model), model)), plot)


def _print(facts: dict[str, Any], lines: list[tuple[str, str]], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps(facts, allow_nan=False))
        return
    for label, text in lines:
        describe(sys.stdout, label, text)


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
    }
    if facts["model"] is not None:
        lines["model"] = model_text(facts["model"], facts["parameters"])
        if cutoffs := facts["model"].get("cutoffs"):
            lines["softmax"] = f"adaptive, cut at {', '.join(f'{cut:,}' for cut in cutoffs)}"
    for number, other in enumerate(facts.get("others", ()), start=2):
        lines[f"model {number}"] = model_text(other["model"], other["parameters"])
    if "counts" in facts:
        lines["counts"] = _counts(facts["counts"])
    if tokenizer is not None:
        document = facts["documents"].removesuffix("s")
        lines["tokenizer"] = (
            f"{tokenizer['kind']}, {tokenizer['vocab']:,} tokens; a document is a {document}"
        )
    if "remembered" in facts:
        known = facts["remembered"]
        lines["remembers"] = (
            f"{plural(known['lines'], 'line')} of its text, as hashes, {size_text(known['bytes'])}"
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
    elif facts.get("valid_loss") is not None:
        lines["validation"] = quality_text(
            facts["valid_loss"], tokenizer["kind"] if tokenizer else ""
        )
    found = [*lines.items(), *_weights(facts), *_history(facts)]
    if "resume" in facts:
        more = " --steps N (more than now)" if facts["ended"] else ""
        found.append(("to continue", facts["resume"] + more))
    return found


def _counts(counts: dict[str, Any]) -> str:
    sizes = " + ".join(f"{size:,}" for size in counts["ngrams"])
    return f"order {counts['order']}, {size_text(counts['bytes'])}: {sizes} n-grams"


def _weights(facts: dict[str, Any]) -> list[tuple[str, str]]:
    """Describe a mixture: the loss of each member, and its weights by the tokens matched."""
    weights = facts.get("weights")
    if weights is None:
        return []
    networks = len(weights[0]) - ("counts" in facts)
    names = [f"network {number}" if number > 1 else "network" for number in range(1, networks + 1)]
    names += ["counts"] * ("counts" in facts)
    lines = [("weights", f"{'matched':>10}" + "".join(f" {name:>10}" for name in names))]
    orders = facts["counts"]["order"] if "counts" in facts else 1
    each = len(weights) // orders
    for matched in range(orders):
        rows = weights[matched * each : (matched + 1) * each]
        means = [sum(column) / each for column in zip(*rows, strict=True)]
        cells = "".join(f" {mean:>10.3f}" for mean in means)
        lines.append(("", f"{matched if orders > 1 else 'any':>10}{cells}"))
    losses = [facts.get(f"{name}_valid_loss") for name in ("network", "counts")]
    if networks == 1 and None not in losses:
        cells = "".join(f" {loss:>10.4f}" for loss in losses)
        lines.append(("", f"{'loss alone':>10}{cells}"))
    return lines


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
