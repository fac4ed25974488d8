"""How good is a model after so many minutes? Validation figures against training time.

    python bench/quality.py FOLDER [--only brown] [--minutes 1] [--seeds 3] [--plot FILE]

FOLDER holds corpora as folders of their own, each with train.txt and valid.txt: brown (tokens split
by spaces, vocab.txt beside them, the split of Bengio et al. 2003, Table 1), shakespeare, names (one
a line), books; any that is not there is left out. Every run is `fastlm.train` with the tokenizer,
the documents and the minutes, and nothing else: what it reaches is what a user gets.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import fastlm
from fastlm.events import Callback, Start, Validation


@dataclass(frozen=True)
class Row:
    """A corpus and how long to train on it."""

    corpus: str
    minutes: float
    settings: dict[str, Any]
    unit: str  # of the figure: perplexity, bits or nats

    @property
    def name(self) -> str:
        return f"{self.corpus}-{self.minutes:g}"

    def figure(self, nats: float) -> float:
        if self.unit == "perplexity":
            return math.exp(nats)
        return nats / math.log(2) if self.unit == "bits" else nats


WORDS = {"tokenizer": "whitespace", "vocab": "vocab.txt"}
ROWS = [
    *(Row("brown", minutes, WORDS, "perplexity") for minutes in (1, 3, 10)),
    *(Row("shakespeare", minutes, {"tokenizer": "char"}, "bits") for minutes in (1, 5)),
    *(
        Row("names", minutes, {"tokenizer": "char", "documents": "lines"}, "nats")
        for minutes in (0.5, 3)
    ),
    Row("books", 10, {"tokenizer": "word", "max_vocab": 30_000}, "perplexity"),
]


@dataclass
class Run:
    """One training: its curve and what was picked."""

    row: str
    seed: int
    figure: float
    seconds: float
    epochs: float
    parameters: int
    tokens_per_second: float
    model: dict[str, Any]
    training: dict[str, Any]
    curve: list[tuple[float, float]] = field(default_factory=list)


class _Curve(Callback):
    def __init__(self, row: Row) -> None:
        self.row = row
        self.points: list[tuple[float, float]] = []
        self.start: Start | None = None

    def on_start(self, start: Start) -> None:
        self.start = start

    def on_validation(self, validation: Validation) -> None:
        self.points.append((validation.elapsed, self.row.figure(validation.loss)))


def run(row: Row, folder: Path, seed: int, changes: dict[str, Any] | None = None) -> Run:
    """Train one model and return how it went.

    changes : settings besides the row's; ``epochs`` among either stand for its minutes
    """
    curve = _Curve(row)
    settings = row.settings | (changes or {})
    if "epochs" not in settings:
        settings["minutes"] = row.minutes
    if "vocab" in settings:
        settings["vocab"] = folder / row.corpus / settings["vocab"]
    lm = fastlm.train(
        folder / row.corpus / "train.txt",
        valid=folder / row.corpus / "valid.txt",
        seed=seed,
        callbacks=[curve],
        **settings,
    )
    result, start = lm.result, curve.start
    assert result is not None
    assert result.best is not None
    assert start is not None
    return Run(
        row=row.name,
        seed=seed,
        figure=row.figure(result.best.loss),
        seconds=result.elapsed,
        epochs=result.epoch,
        parameters=start.parameters,
        tokens_per_second=result.tokens_per_second,
        model=start.model.to_dict(),
        training=start.training.to_dict(),
        curve=curve.points,
    )


def table(runs: list[Run]) -> str:
    """Markdown: a line for each corpus and budget, over its seeds."""
    lines = [
        "| corpus | minutes | validation | spread over seeds | epochs | tokens/s | parameters |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in ROWS:
        own = [run for run in runs if run.row == row.name]
        if not own:
            continue
        figures = [run.figure for run in own]
        middle = median(figures)
        spread = f"{(max(figures) - min(figures)) / middle:.1%}" if len(own) > 1 else "one seed"
        digits = 1 if row.unit == "perplexity" else 3
        lines.append(
            f"| {row.corpus} | {row.minutes:g} | {middle:.{digits}f} {row.unit} | {spread} "
            f"| {median(run.epochs for run in own):.1f} "
            f"| {median(run.tokens_per_second for run in own):,.0f} | {own[0].parameters:,} |"
        )
    return "\n".join(lines)


def plot(runs: list[Run], path: Path) -> None:
    """A panel for each corpus: the validation figure against seconds of training."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    corpora = list(dict.fromkeys(row.corpus for row in ROWS if _of(row, runs)))
    figure, panels = plt.subplots(
        1, len(corpora), figsize=(4.2 * len(corpora), 3.6), layout="constrained", squeeze=False
    )
    for panel, corpus in zip(panels[0], corpora, strict=True):
        for row in (row for row in ROWS if row.corpus == corpus):
            for number, one in enumerate(_of(row, runs)):
                seconds, figures = zip(*one.curve, strict=True)
                label = f"{row.minutes:g} min: {one.figure:.4g}" if number == 0 else None
                color = f"C{[r.name for r in ROWS if r.corpus == corpus].index(row.name)}"
                panel.plot(seconds, figures, label=label, color=color, marker=".", markersize=4)
        panel.set_xscale("log")
        panel.set_title(corpus)
        panel.set_xlabel("seconds of training")
        panel.set_ylabel(f"validation, {row.unit}")
        best = min(one.figure for row in ROWS if row.corpus == corpus for one in _of(row, runs))
        panel.set_ylim(best * 0.97, best * 1.5)
        panel.grid(alpha=0.3)
        panel.legend()
    figure.savefig(path, dpi=140)


def _of(row: Row, runs: list[Run]) -> list[Run]:
    return [run for run in runs if run.row == row.name]


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, help="with the corpora's folders in it")
    parser.add_argument("--only", action="append", metavar="CORPUS", help="may be repeated")
    parser.add_argument("--minutes", type=float, help="only the rows of so many minutes")
    parser.add_argument("--seeds", type=int, default=1, help="runs of each row (default 1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every run there")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the curves, PNG or SVG")
    options = parser.parse_args(arguments)
    rows = [
        row
        for row in ROWS
        if (options.folder / row.corpus / "train.txt").is_file()
        and (not options.only or row.corpus in options.only)
        and (options.minutes is None or row.minutes == options.minutes)
    ]
    if not rows:
        print(f"error: {options.folder} holds none of the corpora asked for", file=sys.stderr)
        return 1
    runs = []
    for row in rows:
        for seed in range(options.seeds):
            one = run(row, options.folder, seed)
            runs.append(one)
            print(
                f"{row.name}, seed {seed}: {one.figure:.4g} {row.unit} after {one.seconds:.0f} s, "
                f"{one.epochs:.1f} epochs",
                file=sys.stderr,
            )
            if options.json:
                _write(options.json, json.dumps([asdict(one) for one in runs], indent=1))
    print(table(runs))
    if options.plot:
        plot(runs, options.plot)
    return 0


def _write(path: Path, text: str) -> None:
    with tempfile.NamedTemporaryFile(
        "w", dir=path.parent, delete=False, encoding="utf-8"
    ) as temporary:
        temporary.write(text)
    Path(temporary.name).replace(path)


if __name__ == "__main__":
    sys.exit(main())
