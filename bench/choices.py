"""Does each choice pay? The same training with one of them changed at a time.

    python bench/choices.py FOLDER [--only brown] [--epochs 4] [--seeds 1] [--change NAME]

FOLDER holds corpora as for ``bench/quality.py``. The first line is what the library picks for so
many epochs; in each of the others one setting is another, and everything else stays as picked.
(``bench/adaptive_quality.py`` compares the adaptive softmax with the full one.)
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import replace
from pathlib import Path
from statistics import median
from typing import Any

from quality import Row, Run, corpora_in, run

# What is changed, by name: from what was picked (model, training) to other settings.
CHANGES: dict[str, Any] = {
    "no weight decay": lambda model, training: {"weight_decay": 0.0},
    "three times the weight decay": lambda model, training: {
        "weight_decay": 3 * training["weight_decay"]
    },
    "no dropout": lambda model, training: {"dropout": 0.0, "embed_dropout": 0.0},
    "no far context": lambda model, training: {"far": ()},
    "one token more in place of far context": lambda model, training: {
        "far": (),
        "context": model["context"] + 1,
    },
    "constant rate": lambda model, training: {"schedule": "constant"},
    "cosine": lambda model, training: {"schedule": "cosine"},
    "half the rate": lambda model, training: {"lr": training["lr"] / 2},
    "twice the rate": lambda model, training: {"lr": 2 * training["lr"]},
    "embeddings at the others' rate": lambda model, training: {"embed_lr_scale": 1.0},
    "no momentum": lambda model, training: {"momentum": 0.0},
    "half the batch, half the rate": lambda model, training: {
        "batch": training["batch"] // 2,
        "lr": training["lr"] / 2,
    },
    "one layer": lambda model, training: {"hidden": tuple(model["hidden"][:1])},
    "twice as wide": lambda model, training: {"hidden": tuple(2 * n for n in model["hidden"])},
}


def changed(name: str, base: Run) -> dict[str, Any] | None:
    """The settings of a change; None where it changes nothing."""
    training = base.training | {"lr": base.training["lr"] or base.training["batch"] / 64}
    found: dict[str, Any] = CHANGES[name](base.model, training)
    picked = base.model | training
    same = all(_plain(picked[key]) == _plain(value) for key, value in found.items())
    return None if same else found


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def settings_of(base: Run, change: dict[str, Any]) -> dict[str, Any]:
    """What was picked, all of it named, with a change to it."""
    kept = {
        name: base.training[name]
        for name in ("batch", "embed_lr_scale", "dropout", "embed_dropout", "weight_decay")
    }
    kept["lr"] = base.training["lr"] or base.training["batch"] / 64
    kept |= {name: tuple(base.model[name]) for name in ("hidden", "far")}
    kept |= {name: base.model[name] for name in ("embed", "context")}
    kept["softmax"] = "adaptive" if base.model["cutoffs"] else "full"
    return kept | change


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="with the corpora's folders in it")
    parser.add_argument("--only", action="append", metavar="CORPUS", help="may be repeated")
    parser.add_argument("--epochs", type=float, default=4, help="of each run (default 4)")
    parser.add_argument("--seeds", type=int, default=1, help="runs of each (default 1)")
    parser.add_argument("--change", action="append", choices=list(CHANGES), help="only these")
    options = parser.parse_args(arguments)
    rows = corpora_in(options.folder, options.only)
    if not rows:
        return 1
    for row in rows.values():
        compare(row, options.folder, options.epochs, options.seeds, options.change or CHANGES)
    return 0


def compare(row: Row, folder: Path, epochs: float, seeds: int, names: Any) -> None:
    """Print the table of one corpus, line by line as it comes."""
    row = replace(row, settings=row.settings | {"epochs": epochs})
    print(f"\n{row.corpus}, {epochs:g} epochs\n\n| change | validation, {row.unit} | | seconds |")
    print("| --- | ---: | ---: | ---: |")
    bases = [run(row, folder, seed) for seed in range(seeds)]
    _line("as picked", bases, bases)
    for name in names:
        change = changed(name, bases[0])
        if change is not None:
            settings = settings_of(bases[0], change)
            _line(name, [run(row, folder, seed, settings) for seed in range(seeds)], bases)


def _line(name: str, runs: list[Run], bases: list[Run]) -> None:
    figure = median(one.figure for one in runs)
    more = figure / median(one.figure for one in bases) - 1
    seconds = median(one.seconds for one in runs)
    print(f"| {name} | {figure:.4g} | {more:+.1%} | {seconds:.0f} |", flush=True)


if __name__ == "__main__":
    sys.exit(main())
