"""How fast, on a machine that is never quite quiet: everybody takes turns, round after round.

What the machine does besides (a slower clock, another process) then falls on all alike, and the
ratio of two is taken within each round, never between figures from different times. Turns of short
steps are taken in pieces that alternate (``TurnInPieces``). Every other round goes backwards, so
that nobody is always the first or after the same neighbour. Turns begin again at the first weights,
in memory taken anew: where arrays happen to lie changes their speed by several percent, and the
engine leaves out what is zero, which in training becomes more and more. Where everybody's turn is a
single step they go on: it comes to few steps in one process, and a step before each of them, for
the new memory, took half of the time. Rounds that were disturbed from outside do not count
(``disturbance``), and there are as many rounds as it takes until the ratios are sure, or the time
is over.

What stays the same as long as a process lives, such as where its memory lies in the caches, no
number of rounds takes out: the rounds of one work can come from several processes (``sweep``).
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from fastlm.bench.check import check_finite
from fastlm.bench.disturbance import busy_seconds, disturbances, undisturbed
from fastlm.bench.implementations import Implementation, Turn
from fastlm.bench.limits import sgemm_gflops
from fastlm.bench.works import Work

__all__ = [
    "Figure",
    "Measurement",
    "Ratio",
    "Rounds",
    "Settings",
    "TurnInPieces",
    "figure",
    "measure_in_turns",
    "ratio",
    "steps_for",
    "uncertainty",
]

# Threads of OpenBLAS and OpenMP go on spinning for up to 0.1 s after their work; who comes next is
# not to be measured on a busy machine.
_LOOK = 0.01
_LONGEST_PAUSE = 0.3

_CALLS = 4  # of a turn
_LEAST_STEPS = 4  # of a piece of a turn


@dataclass(frozen=True, kw_only=True)
class Settings:
    """rounds : undisturbed turns of each that are wanted; seconds : that a turn should last, at
    least one step

    limit_seconds : that the machine's own sgemm is measured for, before each round
    precision : rounds end where two runs' ratios would differ by no more (``uncertainty``)
    work_seconds : rounds end after so long a work, on average, sure or not, though not before there
    are ``rounds``; twice as long for a machine so busy that fewer were undisturbed
    sweeps : all works are gone through so often, each time in a new process and for a part of what
    is left: what slows the machine down for some minutes, or one process, then falls on a part of
    every work's rounds, and not on all of one's. Who is sure after half of the sweeps leaves its
    time to the others, of whom the less sure get more, but for a round in each further sweep: what
    lasts for longer than half of the sweeps shows there, and then it is not sure any more
    budget : seconds after which no further work is begun; None: all works
    start : whether to measure the cold and the warm start
    """

    rounds: int
    seconds: float
    limit_seconds: float
    precision: float = 0.0
    work_seconds: float = 0.0
    sweeps: int = 1
    budget: float | None = None
    start: bool = True


@dataclass(frozen=True)
class Figure:
    """A measured quantity: its median and quartiles over the rounds, and each round's value."""

    median: float
    low: float
    high: float
    rounds: list[float]


@dataclass(frozen=True)
class Ratio:
    """Of two figures, taken within each round: the geometric mean of the middle half of the rounds,
    the quartiles, and each round's value."""

    mean: float
    low: float
    high: float
    rounds: list[float]


@dataclass(frozen=True)
class Measurement:
    """rates : tokens/s of each implementation, by name
    limits : what the machine's sgemm reached beside them, GFLOP/s by number of threads
    rounds : that were measured; clean : that were not disturbed; the figures have those that count
    parts : for each round that counts, the part that it is of (``Rounds.go_on``)
    """

    rates: dict[str, Figure]
    limits: dict[int, Figure]
    rounds: int
    clean: int
    parts: list[int]


def figure(rounds: Sequence[float]) -> Figure:
    low, median, high = np.quantile(rounds, (0.25, 0.5, 0.75)).tolist()
    return Figure(median, low, high, list(rounds))


def ratio(above: Sequence[float], below: Sequence[float]) -> Ratio:
    """above / below, round by round.

    The mean of the middle half is as safe from single bad rounds as the median, and as sure as the
    median of a fifth more rounds (halves of full runs compared). Where a machine has two states in
    which ratios differ it lies between them, and does not jump from one to the other.
    """
    rounds = [a / b for a, b in zip(above, below, strict=True)]
    low, high = np.quantile(rounds, (0.25, 0.75)).tolist()
    # The share that each of the sorted rounds has in what lies between a quarter and three.
    edges = np.clip(np.arange(len(rounds) + 1) / len(rounds), 0.25, 0.75)
    mean = np.exp(2 * (np.diff(edges) @ np.sort(np.log(rounds))))
    return Ratio(float(mean), low, high, rounds)


def uncertainty(found: Ratio, parts: Sequence[int] | None = None) -> float:
    """How far apart two runs' ratios are, 95 times in 100 (89 where a dozen rounds are all that is
    known), at most: 2.77 standard errors.

    parts : for each round the part that it is of (``Rounds.go_on``), where parts may differ more
        than their rounds do
    The standard error of a trimmed mean is that of its winsorised rounds (Tukey and McLaughlin,
    1963), by the share that is left of them; for parts, that of their sums.
    """
    logs = np.log(found.rounds)
    inner = np.clip(logs, *np.quantile(logs, (0.25, 0.75)))
    off = inner - inner.mean()
    variance = _variance_of_sum(off)
    if parts is not None:
        sums = np.array([off[np.equal(parts, part)].sum() for part in set(parts)])
        variance = max(variance, _variance_of_sum(sums))
    return 1.96 * math.sqrt(2 * variance) / (0.5 * len(logs))


def _variance_of_sum(off: NDArray[np.float64]) -> float:
    """Of summands which are off their mean by so much."""
    return float(off @ off) * len(off) / max(1, len(off) - 1)


def steps_for(implementation: Implementation, seconds: float) -> int:
    """Steps that take about ``seconds``, at least one; runs some, which also warms caches up."""
    implementation.turn(1)  # the first call may load compiled code
    steps = 1
    while True:
        turn = implementation.turn(steps)
        if turn.seconds >= seconds / 4:
            return max(1, round(steps * seconds / turn.seconds))
        steps *= 4


class TurnInPieces:
    """One implementation's turn of a round: about ``steps`` steps, which should take ``seconds``,
    in four calls. Who is slowed down much by something (PyTorch's threads by another process,
    thirtyfold) stops when the time is over.

    pieces : how many the calls are done in, with the others' in between: 1, 2 or 4. A machine's
        speed wanders in all times from milliseconds to minutes, as much in long ones as in short
        ones, so a ratio is the surer the faster the two alternate; but before each piece a step is
        done by the way, for the caches, and it is to be short beside the piece
    """

    def __init__(self, implementation: Implementation, steps: int, seconds: float) -> None:
        self.implementation = implementation
        self.pieces = next(n for n in (_CALLS, 2, 1) if n == 1 or steps >= n * _LEAST_STEPS)
        self._steps, self._seconds = steps, seconds
        self._done, self._spent, self._loss = 0, 0.0, math.nan
        self._calls = 0

    @property
    def is_over(self) -> bool:
        return self._calls == _CALLS or self._done >= self._steps or self._spent >= self._seconds

    def take_piece(self) -> None:
        """The next piece, if the turn is not over."""
        for _ in range(_CALLS // self.pieces):
            if self.is_over:
                return
            turn = self.implementation.turn(max(1, self._steps // _CALLS))
            self._done += turn.steps
            self._spent += turn.seconds
            self._loss = turn.loss
            self._calls += 1

    def result(self) -> Turn:
        return Turn(self._done, self._spent, self._loss)


def measure_in_turns(
    work: Work,
    implementations: Sequence[Implementation],
    settings: Settings,
) -> Measurement:
    """Everybody's turns, in paired rounds; ratios are to the last of them.

    Raises BenchmarkError when a loss stops being a number.
    """
    rounds = Rounds(work, settings)
    rounds.go_on(implementations, settings.work_seconds, last=True)
    return rounds.found()


class Rounds:
    """The rounds of one work, in parts; it can be sent to another process for the next part."""

    def __init__(self, work: Work, settings: Settings) -> None:
        self._work = work
        self._settings = settings
        self._steps: dict[str, int] = {}
        self._rounds: list[_Round] = []
        self._parts = 0
        self._spent = 0.0

    @property
    def spent(self) -> float:
        """Seconds so far."""
        return self._spent

    @property
    def has_seen_enough_parts(self) -> bool:
        """Whether it is time to judge by what came out so far: after half of the sweeps."""
        return 2 * self._parts >= self._settings.sweeps

    @property
    def uncertainty(self) -> float:
        """Of the least sure ratio; see the function ``uncertainty``."""
        return _uncertainty(self.found())

    @property
    def is_sure(self) -> bool:
        """Whether there are enough rounds, from enough parts, and as sure as wanted."""
        return (
            self.has_seen_enough_parts
            and self._has_enough(self.found())
            and self.uncertainty <= self._settings.precision
        )

    def go_on(
        self, implementations: Sequence[Implementation], seconds: float, *, last: bool
    ) -> None:
        """The next part: rounds for about so long or until the ratios are sure, but at least one.

        implementations : who takes turns; ratios are to the last of them
        last : go on where there are too few rounds, or too few undisturbed and the time is not
            twice over
        """
        if not self._steps:
            self._steps = {
                implementation.name: steps_for(implementation, self._settings.seconds)
                for implementation in implementations
            }
        self._parts += 1
        until = self._spent + seconds
        while True:
            self._add(implementations)
            if not (last and self._lacks_rounds()) and (self._spent >= until or self.is_sure):
                return

    def found(self) -> Measurement:
        """What came out so far."""
        return _measurement(self._rounds)

    def _lacks_rounds(self) -> bool:
        if len(self._rounds) < self._settings.rounds:
            return True
        over = self._spent >= 2 * self._settings.work_seconds
        return not over and not self._has_enough(self.found())

    def _has_enough(self, found: Measurement) -> bool:
        return found.clean >= self._settings.rounds

    def _add(self, implementations: Sequence[Implementation]) -> None:
        began = time.perf_counter()
        # There and back again.
        order = implementations[:: 1 if len(self._rounds) % 2 == 0 else -1]
        rates, limits, others = _round(self._work, order, self._steps, self._settings)
        self._rounds.append(_Round(rates, limits, others, self._parts))
        self._spent += time.perf_counter() - began


@dataclass(frozen=True)
class _Round:
    rates: dict[str, float]
    limits: dict[int, float]
    others: float | None  # processors that others kept busy, on average
    part: int


def _round(
    work: Work, order: Sequence[Implementation], steps: dict[str, int], settings: Settings
) -> tuple[dict[str, float], dict[int, float], float | None]:
    """(rates by name, sgemm by threads, what others took) of one round."""
    renew = max(steps.values()) > 1
    limits: dict[int, float] = {}
    before = _times(order)
    for threads in dict.fromkeys(implementation.threads for implementation in order):
        _come_to_rest()
        limits[threads] = sgemm_gflops(threads, settings.limit_seconds)
    turns = [TurnInPieces(each, steps[each.name], settings.seconds) for each in order]
    may_spin, before_it = True, None
    for number in range(_CALLS):
        for turn in turns[:: 1 if number % 2 == 0 else -1]:
            if number >= turn.pieces:
                continue
            if may_spin and turn is not before_it:
                _come_to_rest()
            before_it = turn
            _take_piece(turn, first=renew and number == 0, last=renew and number == turn.pieces - 1)
            may_spin = turn.implementation.threads > 1
    rates = {}
    for turn in turns:
        name, found = turn.implementation.name, turn.result()
        check_finite(work, name, found)
        rates[name] = found.steps * work.batch / found.seconds
    return rates, limits, _others(before, _times(order))


def _take_piece(turn: TurnInPieces, *, first: bool, last: bool) -> None:
    """first : whether to begin again; last : whether to let go of what that takes"""
    implementation = turn.implementation
    if not turn.is_over and ((first and implementation.renew()) or turn.pieces > 1):
        # Neither the first touch of new memory is to be measured nor what others have left in the
        # caches: training goes on for longer than a turn.
        implementation.turn(1)
    turn.take_piece()
    if last:
        implementation.rest()


def _come_to_rest() -> None:
    """Wait until this process has nothing more to do."""
    for _ in range(round(_LONGEST_PAUSE / _LOOK)):
        before = time.process_time()
        time.sleep(_LOOK)
        if time.process_time() - before < _LOOK / 4:
            return


def _times(implementations: Sequence[Implementation]) -> tuple[float, float, float | None]:
    """Seconds: (wall, processor time that we used, here and in processes that work for us,
    processor time that anybody used, where that is known)."""
    own = time.process_time() + sum(each.seconds_elsewhere for each in implementations)
    return time.perf_counter(), own, busy_seconds()


def _others(
    before: tuple[float, float, float | None], after: tuple[float, float, float | None]
) -> float | None:
    """Processors that others kept busy, on average, between two ``_times``."""
    wall, own = after[0] - before[0], after[1] - before[1]
    if before[2] is None or after[2] is None or wall <= 0:
        return None
    return max(0.0, after[2] - before[2] - own) / wall


def _measurement(rounds: Sequence[_Round]) -> Measurement:
    disturbed = disturbances([each.limits for each in rounds], [each.others for each in rounds])
    counted = [rounds[number] for number in undisturbed(disturbed)]
    parts = [each.part for each in counted]
    return Measurement(
        rates={name: figure([each.rates[name] for each in counted]) for name in rounds[0].rates},
        limits={
            threads: figure([each.limits[threads] for each in counted])
            for threads in rounds[0].limits
        },
        rounds=len(rounds),
        clean=sum(value <= 1 for value in disturbed),
        parts=parts,
    )


def _uncertainty(found: Measurement) -> float:
    """Of the least sure of the ratios that are reported: of the last to each of the others."""
    *others, ours = (rate.rounds for rate in found.rates.values())
    return max((uncertainty(ratio(ours, other), found.parts) for other in others), default=0.0)
