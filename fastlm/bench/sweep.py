"""The next part of a work's measurement, here or in a process that lives for one sweep.

What differs from process to process and stays as long as it lives (where memory lies in the
caches, which processor took up whose threads) made one row's ratio differ by a quarter between two
runs, in every round alike: only several processes show it, and take it out.
"""

from __future__ import annotations

import dataclasses
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager

from fastlm.bench.candidates import candidates
from fastlm.bench.check import BenchmarkError, check_first_loss, check_same_work
from fastlm.bench.measure import Rounds, Settings
from fastlm.bench.works import Work

__all__ = ["Party", "Progress", "measure_next_part", "own_process"]


@dataclasses.dataclass(frozen=True)
class Party:
    """An implementation that takes part: see ``Implementation``, of which one lives for a part."""

    kind: str
    name: str
    threads: int
    first_step_seconds: float


@dataclasses.dataclass(frozen=True)
class Progress:
    """How far the measurement of a work has come. It can be pickled.

    loss : of the first step, by the oracle; None: nothing was checked or measured yet
    parties : in their order; the last is fastlm with its own choice of threads
    """

    work: Work
    torch_compile: bool
    rounds: Rounds
    loss: float | None = None
    parties: tuple[Party, ...] = ()

    @classmethod
    def begin(cls, work: Work, settings: Settings, torch_compile: bool) -> Progress:
        return cls(work, torch_compile, Rounds(work, settings))


NextPart = Callable[[Progress, float, bool], Progress]


def measure_next_part(progress: Progress, seconds: float, last: bool) -> Progress:
    """Measure on for about so many seconds; see ``Rounds.go_on``.

    Raises BenchmarkError when an implementation does other work than it should: the first part
    compares with the oracle's losses and weights, later ones with its first loss.
    """
    work = progress.work
    with ExitStack() as stack:
        implementations = [
            stack.enter_context(make())
            for make in candidates(work, torch_compile=progress.torch_compile).values()
        ]
        if progress.loss is None:
            checked = check_same_work(work, implementations)
            parties = tuple(
                Party(each.kind, each.name, each.threads, checked.seconds[each.name])
                for each in implementations
            )
            progress = dataclasses.replace(progress, loss=checked.loss, parties=parties)
        else:
            check_first_loss(work, implementations, progress.loss)
        progress.rounds.go_on(implementations, seconds, last=last)
    return progress


@contextmanager
def own_process() -> Iterator[NextPart]:
    """``measure_next_part`` in a new process, which ends with the context."""
    # Spawned, not forked: a fork has its parent's memory where that lies.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(max_workers=1, mp_context=context) as pool:

        def measure(progress: Progress, seconds: float, last: bool) -> Progress:
            try:
                return pool.submit(measure_next_part, progress, seconds, last).result()
            except BrokenProcessPool:
                raise BenchmarkError(
                    f"the process that measured {progress.work.name} was ended from outside; "
                    "where memory is short, measure this work alone with --only"
                ) from None

        yield measure
