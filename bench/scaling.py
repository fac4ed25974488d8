"""How training speed grows and falls: with threads, batch, hidden width, vocabulary, corpus.

    python bench/scaling.py            writes bench/scaling-*.png
    python bench/scaling.py --quick    small sizes, to see that it works

Each plot has the limit drawn in: the machine's sgemm, measured in the same rounds on as many
threads, at 6 FLOP per weight and token.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Callable, Iterable
from pathlib import Path

from fastlm.bench.kernel_cache import use_kernel_cache

use_kernel_cache()

from fastlm.bench.engine_steps import Engine  # noqa: E402
from fastlm.bench.measure import Settings, measure_in_turns  # noqa: E402
from fastlm.bench.plot import check_plot  # noqa: E402
from fastlm.bench.works import Work, works_named  # noqa: E402
from fastlm.errors import FastlmError  # noqa: E402
from fastlm.threads import available_processors  # noqa: E402

FULL = Settings(rounds=5, seconds=0.4, limit_seconds=0.2)
QUICK = Settings(rounds=1, seconds=0.02, limit_seconds=0.02)

BASE = works_named(["mini-256"])[0]
WIDE = works_named(["10k-256"])[0]


@dataclasses.dataclass(frozen=True)
class Point:
    """x : the value on the axis; rate, limit : tokens/s"""

    x: int
    rate: float
    limit: float


def measured(work: Work, x: int, threads: int | None, settings: Settings) -> Point:
    """The engine's rate and the limit, with these threads or (None) its own choice of them."""
    with Engine(work, threads) as engine:
        found = measure_in_turns(work, [engine], settings)
    limit = found.limits[engine.threads].median * 1e9 / work.flops_per_token
    return Point(x, found.rates[engine.name].median, limit)


def over(
    work: Work, field: str, values: Iterable[int], settings: Settings, **fixed: object
) -> list[Point]:
    """One point for each value of a field of the work."""

    def varied(value: int) -> Work:
        chosen = (value, value) if field == "hidden" else value
        lr = value / 64 if field == "batch" else work.lr
        return dataclasses.replace(work, lr=lr, **fixed, **{field: chosen})

    return [measured(varied(value), value, None, settings) for value in values]


def threads(quick: bool, settings: Settings) -> list[Point]:
    return [
        measured(BASE if quick else WIDE, count, count, settings)
        for count in range(1, available_processors() + 1)
    ]


def batch(quick: bool, settings: Settings) -> list[Point]:
    values = (8, 32) if quick else (1, 4, 16, 32, 64, 128, 256, 512, 1024, 2048)
    return over(BASE, "batch", values, settings)


def hidden(quick: bool, settings: Settings) -> list[Point]:
    values = (16, 64) if quick else (16, 32, 64, 128, 256, 512, 1024)
    return over(BASE, "hidden", values, settings)


def vocabulary(quick: bool, settings: Settings) -> list[Point]:
    values = (50, 500) if quick else (50, 250, 1_000, 4_000, 16_000, 64_000)
    return over(BASE, "vocab", values, settings)


def corpus(quick: bool, settings: Settings) -> list[Point]:
    values = (1_000, 10_000) if quick else (10_000, 100_000, 1_000_000, 10_000_000, 100_000_000)
    return over(BASE, "corpus", values, settings)


PLOTS: dict[str, tuple[str, Callable[[bool, Settings], list[Point]]]] = {
    "threads": ("threads", threads),
    "batch": ("batch, examples", batch),
    "hidden": ("width of both hidden layers", hidden),
    "vocabulary": ("vocabulary, tokens", vocabulary),
    "corpus": ("corpus, tokens", corpus),
}


def save(points: list[Point], label: str, path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5, 3.6), layout="constrained")
    axes = figure.add_subplot()
    xs = [point.x for point in points]
    axes.plot(xs, [point.limit for point in points], "--", color="#888888", label="sgemm's limit")
    axes.plot(xs, [point.rate for point in points], "o-", color="#1f5f99", label="fastlm")
    if label == "threads":
        axes.set_xticks(xs)
        axes.set_ylim(bottom=0)
    else:
        axes.set_xscale("log")
        axes.set_yscale("log")
    axes.set_xlabel(label)
    axes.set_ylabel("tokens/s in training")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=150)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", choices=sorted(PLOTS), action="append")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent)
    options = parser.parse_args(arguments)
    try:
        for name in options.only or PLOTS:
            label, measure = PLOTS[name]
            path = options.out / f"scaling-{name}.png"
            check_plot(path)
            points = measure(options.quick, QUICK if options.quick else FULL)
            save(points, label, path)
            for point in points:
                share = point.rate / point.limit
                print(f"{name} {point.x:,}: {point.rate:,.0f} tokens/s, {share:.0%} of the limit")
    except FastlmError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
