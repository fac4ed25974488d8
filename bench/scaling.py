"""How training speed grows and falls: with threads, batch, hidden width, vocabulary, corpus.

    python bench/scaling.py            writes bench/scaling-*.png
    python bench/scaling.py --quick    small sizes, to see that it works

Each plot has the limits drawn in: the machine's sgemm, measured in the same rounds on as many
threads, at 6 FLOP per weight and token; and its memory, at 16 bytes per weight and step (weight and
momentum, read and written once), which binds only weights that fit into no cache.
"""

from __future__ import annotations

import argparse
import dataclasses
import sys
from collections.abc import Callable, Iterable
from functools import lru_cache
from pathlib import Path

from fastlm.bench.kernel_cache import use_kernel_cache

use_kernel_cache()

from fastlm.bench.engine_steps import Engine  # noqa: E402
from fastlm.bench.limits import copy_gbytes  # noqa: E402
from fastlm.bench.measure import Settings, figure, measure_in_turns, ratio  # noqa: E402
from fastlm.bench.plot import check_plot  # noqa: E402
from fastlm.bench.works import Work, works_named  # noqa: E402
from fastlm.errors import FastlmError  # noqa: E402
from fastlm.system.resources import available_processors  # noqa: E402

FULL = Settings(rounds=7, seconds=0.2, limit_seconds=0.1, work_seconds=8.0)
QUICK = Settings(rounds=1, seconds=0.02, limit_seconds=0.02)

BASE = works_named(["mini-256"])[0]
WIDE = works_named(["10k-256"])[0]


BYTES_PER_WEIGHT = 16


@dataclasses.dataclass(frozen=True)
class Point:
    """x : the value on the axis; rate, sgemm, memory : tokens/s, ours and the two limits

    low, high : quartiles of the rate; share : of sgemm, within the rounds
    """

    x: int
    rate: float
    low: float
    high: float
    share: float
    sgemm: float
    memory: float


copying = lru_cache(copy_gbytes)


def measured(work: Work, x: int, threads: int | None, settings: Settings) -> Point:
    """The engine's rate and the limits, with these threads or (None) its own choice of them."""
    with Engine(work, threads) as engine:
        found = measure_in_turns(work, [engine], settings)
    rate = found.rates[engine.name]
    limit = figure(
        [gflops * 1e9 / work.flops_per_token for gflops in found.limits[engine.threads].rounds]
    )
    share = ratio(rate.rounds, limit.rounds).mean
    steps = copying(engine.threads) * 1e9 / (BYTES_PER_WEIGHT * matrix_weights(work))
    return Point(x, rate.median, rate.low, rate.high, share, limit.median, steps * work.batch)


def matrix_weights(work: Work) -> float:
    """Weights that are part of a matrix product, all of which every step changes."""
    return work.flops_per_token / 6


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


MEMORY = "limit: memory, nothing cached"


def save(points: list[Point], label: str, path: Path) -> None:
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(5.5, 3.8), layout="constrained")
    axes = drawing.add_subplot()
    xs = [point.x for point in points]
    rates = [point.rate for point in points]
    sgemm = [point.sgemm for point in points]
    spread = [
        [point.rate - point.low for point in points],
        [point.high - point.rate for point in points],
    ]
    axes.plot(xs, sgemm, "--", color="#d55e00", label="limit: sgemm")
    axes.plot(xs, [point.memory for point in points], ":", color="#666666", label=MEMORY)
    axes.errorbar(
        xs, rates, spread, fmt="o-", color="#0072b2", capsize=3, label="fastlm, % of sgemm"
    )
    if label == "threads":
        axes.set_xticks(xs)
        axes.set_xlim(min(xs) - 0.3, max(xs) + 0.3)
    else:
        axes.set_xscale("log")
    if max(rates) < 4 * min(rates):  # a log scale would blow small differences up
        axes.set_ylim(0, 1.15 * max(*rates, *sgemm))
        axes.yaxis.set_major_formatter("{x:,.0f}")
    else:
        axes.set_yscale("log")
        # What lies between ours and sgemm is what matters; memory may leave the picture.
        axes.set_ylim(min(*rates, *sgemm) / 2, 3 * max(*rates, *sgemm))
    for point in points:
        axes.annotate(
            f"{point.share:.0%}",
            (point.x, point.low),
            xytext=(0, -6),
            textcoords="offset points",
            ha="center",
            va="top",
            fontsize=7,
        )
    axes.set_xlabel(label)
    axes.set_ylabel("tokens/s in training")
    axes.grid(alpha=0.3)
    drawing.legend(loc="outside upper center", ncols=3, fontsize=8, frameon=False)
    drawing.savefig(path, dpi=150)


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", choices=sorted(PLOTS), action="append")
    parser.add_argument("--format", choices=["png", "svg"], default="png")
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parent)
    options = parser.parse_args(arguments)
    try:
        for name in options.only or PLOTS:
            label, measure = PLOTS[name]
            path = options.out / f"scaling-{name}.{options.format}"
            check_plot(path)
            points = measure(options.quick, QUICK if options.quick else FULL)
            save(points, label, path)
            for point in points:
                print(f"{name} {point.x:,}: {point.rate:,.0f} tokens/s, {point.share:.0%} of sgemm")
    except FastlmError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
