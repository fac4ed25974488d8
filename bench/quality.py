"""Quality of models against training time: validation figures after some minutes.

    python bench/quality.py FOLDER [--only brown] [--minutes 1] [--seeds 3] [--json FILE]
    python bench/quality.py --read FILE [--read FILE] [--page FILE] [--plot FILE]

FOLDER holds corpora as folders of their own, each with train.txt and valid.txt: brown (tokens split
by spaces, vocab.txt beside them, the split of Bengio et al. 2003, Table 1), shakespeare, names (one
a line), books; any that is not there is left out. Every run is `fastlm.train` with the tokenizer,
the documents and the minutes, and nothing else: what it reaches is what a user gets. --read takes
runs that --json kept, so that a page can be put together from several sittings.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import fastlm
from fastlm.bench.machine import machine_facts, machine_line
from fastlm.callbacks import Callback, Start, Validation
from fastlm.system.atomic_file import replace_file


@dataclass(frozen=True)
class Row:
    """A corpus and how long to train on it."""

    corpus: str
    minutes: float
    settings: dict[str, Any]
    unit: str  # of the figure: perplexity, bits or nats
    ngram: str  # what KenLM reaches on the same split (see ``PAGE``)

    @property
    def name(self) -> str:
        return f"{self.corpus}-{self.minutes:g}"

    def figure(self, nats: float) -> float:
        return {"perplexity": math.exp(nats), "bits": nats / math.log(2), "nats": nats}[self.unit]

    def of(self, runs: list[Run]) -> list[Run]:
        return [run for run in runs if run.row == self.name]


WORDS = {"tokenizer": "whitespace", "vocab": "vocab.txt"}
CHARACTERS = {"tokenizer": "char"}
NAMES = {"tokenizer": "char", "documents": "lines"}
BOOKS = {"tokenizer": "word", "max_vocab": 30_000}
ROWS = [
    *(Row("brown", minutes, WORDS, "perplexity", "347 (5-gram)") for minutes in (1, 3, 10)),
    *(Row("shakespeare", minutes, CHARACTERS, "bits", "2.097 (7-gram)") for minutes in (1, 5)),
    *(Row("names", minutes, NAMES, "nats", "1.975 (6-gram)") for minutes in (0.5, 3)),
    Row("books", 10, BOOKS, "perplexity", "159.9 (5-gram)"),
]

PAGE = """\
# Quality of models against training time

Written by `bench/quality.py`. Every line is `fastlm train --minutes` with the tokenizer and the
documents named, and nothing else chosen by hand; the figure is that of the validation text, of the
model that a user gets, and the seconds are those of training and validating. `brown` is the split
of Bengio et al. 2003, Table 1 (there: 276 to 268 for the best networks, on the test part). KenLM is
modified Kneser-Ney, unpruned, of the order named, on the same split: what one would take instead.

{table}

Measured on {machines}.
"""


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
    machine: str
    curve: list[tuple[float, float]] = field(default_factory=list)


class _Curve(Callback):
    def __init__(self, row: Row) -> None:
        self.row = row
        self.points: list[tuple[float, float]] = []

    def on_start(self, start: Start) -> None:
        self.start = start

    def on_validation(self, validation: Validation) -> None:
        self.points.append((validation.elapsed, self.row.figure(validation.loss)))


def run(row: Row, folder: Path, seed: int) -> Run:
    """Train one model and return how it went."""
    curve, corpus = _Curve(row), folder / row.corpus
    files = {"vocab": corpus / row.settings["vocab"]} if "vocab" in row.settings else {}
    lm = fastlm.train(
        corpus / "train.txt",
        valid=corpus / "valid.txt",
        seed=seed,
        callbacks=[curve],
        minutes=row.minutes,
        **row.settings | files,
    )
    result, start = lm.result, curve.start
    assert result is not None
    return Run(
        row=row.name,
        seed=seed,
        figure=row.figure(lm.details["valid_loss"]),
        seconds=result.elapsed,
        epochs=result.epoch,
        parameters=start.parameters,
        tokens_per_second=result.tokens_per_second,
        model=start.model.to_dict(),
        training=start.training.to_dict(),
        machine=machine_line(machine_facts()),
        curve=curve.points,
    )


def table(runs: list[Run]) -> str:
    """Markdown: a line for each corpus and budget, over its seeds."""
    lines = [
        "| corpus | minutes | validation | spread over seeds | KenLM | epochs | tokens/s "
        "| parameters |",
        "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for row in ROWS:
        if not (own := row.of(runs)):
            continue
        figures = [run.figure for run in own]
        middle = median(figures)
        spread = "one seed"
        if len(own) > 1:
            spread = f"{(max(figures) - min(figures)) / middle:.1%} of {len(own)}"
        # Seeds make different numbers of passes where the machine's speed changes.
        epochs = dict.fromkeys(f"{end([run.epochs for run in own]):.1f}" for end in (min, max))
        digits = 1 if row.unit == "perplexity" else 3
        lines.append(
            f"| {row.corpus} | {row.minutes:g} | {middle:.{digits}f} {row.unit} | {spread} "
            f"| {row.ngram} | {' to '.join(epochs)} "
            f"| {median(run.tokens_per_second for run in own):,.0f} | {own[0].parameters:,} |"
        )
    return "\n".join(lines)


# What the README shows, and what it calls it.
README_ROWS = {
    "names-0.5": "first names: nats per letter",
    "shakespeare-5": "Tiny Shakespeare: bits per character",
    "brown-3": "Brown corpus, words: perplexity",
    "books-10": "90 MB of books, words: perplexity",
}


def readme_table(runs: list[Run]) -> str:
    """Markdown: a line for each text of the README, beside KenLM."""
    lines = ["| text | minutes | fastlm | KenLM |", "| --- | ---: | ---: | ---: |"]
    for row in sorted(ROWS, key=lambda row: [*README_ROWS, row.name].index(row.name)):
        if row.name in README_ROWS and (own := row.of(runs)):
            digits = 1 if row.unit == "perplexity" else 3
            figure = f"{median(run.figure for run in own):.{digits}f}"
            title = README_ROWS[row.name]
            lines.append(f"| {title} | {row.minutes:g} | **{figure}** | {row.ngram} |")
    return "\n".join(lines)


def plot(runs: list[Run], path: Path) -> None:
    """A panel for each corpus: the validation figure against seconds of training."""
    from matplotlib.figure import Figure

    corpora: dict[str, list[Row]] = {}
    for row in ROWS:
        if row.of(runs):
            corpora.setdefault(row.corpus, []).append(row)
    figure = Figure(figsize=(4.2 * len(corpora), 3.6), layout="constrained")
    panels = figure.subplots(1, len(corpora), squeeze=False)[0]
    for panel, (corpus, rows) in zip(panels, corpora.items(), strict=True):
        for color, row in enumerate(rows):
            for number, one in enumerate(row.of(runs)):
                label = f"{row.minutes:g} min: {one.figure:.4g}" if number == 0 else None
                points = zip(*one.curve, strict=True)
                panel.plot(*points, label=label, color=f"C{color}", marker=".", markersize=4)
        panel.set(xscale="log", title=corpus, xlabel="seconds of training")
        panel.set_ylabel(f"validation, {rows[0].unit}")
        panel.set_xticks((3, 10, 30, 100, 300), ("3", "10", "30", "100", "300"))
        panel.minorticks_off()
        best = min(one.figure for row in rows for one in row.of(runs))
        panel.set_ylim(best * 0.97, best * 1.5)
        panel.grid(alpha=0.3)
        panel.legend()
    figure.savefig(path, dpi=140)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", help="with the corpora's folders in it")
    parser.add_argument("--read", type=Path, action="append", default=[], metavar="FILE",
                        help="take the runs that --json kept; may be repeated")  # fmt: skip
    parser.add_argument("--only", action="append", metavar="CORPUS", help="may be repeated")
    parser.add_argument("--minutes", type=float, help="only rows of this many minutes")
    parser.add_argument("--seeds", type=int, default=1, help="runs of each row (default 1)")
    parser.add_argument("--first-seed", type=int, default=0, help="the least of them (default 0)")
    parser.add_argument("--page", type=Path, metavar="FILE", help="write the table as a page")
    parser.add_argument("--readme", type=Path, metavar="FILE", help="write its table of quality")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every run there")
    parser.add_argument("--plot", type=Path, metavar="FILE", help="draw the curves, PNG or SVG")
    options = parser.parse_args(arguments)
    runs = [Run(**one) for path in options.read for one in json.loads(path.read_text())]
    rows = [
        row
        for row in ROWS
        if options.folder
        and (options.folder / row.corpus / "train.txt").is_file()
        and (not options.only or row.corpus in options.only)
        and (options.minutes is None or row.minutes == options.minutes)
    ]
    if not rows and not runs:
        folder = options.folder or "no folder"
        print(f"error: {folder} holds none of the corpora asked for", file=sys.stderr)
        return 1
    for row in rows:
        for seed in range(options.first_seed, options.first_seed + options.seeds):
            one = run(row, options.folder, seed)
            runs.append(one)
            print(
                f"{row.name}, seed {seed}: {one.figure:.4g} {row.unit} after {one.seconds:.0f} s, "
                f"{one.epochs:.1f} epochs",
                file=sys.stderr,
            )
            if options.json:
                text = json.dumps([asdict(one) for one in runs], indent=1)
                replace_file(options.json, [text.encode()])
    print(table(runs))
    if options.page:
        machines = "; ".join(dict.fromkeys(one.machine for one in runs))
        page = PAGE.format(table=table(runs), machines=machines)
        if options.plot:
            page += f"\n![Validation against seconds of training]({options.plot.name})\n"
        replace_file(options.page, [page.encode()])
    if options.readme:
        text = options.readme.read_text(encoding="utf-8")
        before, begin, rest = text.partition("<!-- quality:begin -->")
        after = rest.partition("<!-- quality:end -->")[1:]
        page = f"{before}{begin}\n{readme_table(runs)}\n{''.join(after)}"
        replace_file(options.readme, [page.encode()])
    if options.plot:
        plot(runs, options.plot)
    return 0


if __name__ == "__main__":
    sys.exit(main())
