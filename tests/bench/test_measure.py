"""Taking turns, and what is made of them."""

from __future__ import annotations

import dataclasses
import math
import pickle

import numpy as np
import pytest

from fastlm.bench import measure
from fastlm.bench.check import BenchmarkError
from fastlm.bench.implementations import Implementation, Turn
from fastlm.bench.measure import (
    Rounds,
    Settings,
    TurnInPieces,
    figure,
    measure_in_turns,
    ratio,
    steps_for,
    uncertainty,
)

from .conftest import CONCAT

SETTINGS = Settings(rounds=3, seconds=1.0, limit_seconds=0.0)


class Scripted(Implementation):
    """Takes ``seconds`` for a step, by its own account, and writes down its turns."""

    kind = "scripted"

    def __init__(self, name, seconds, diary, threads=1, loss=1.0):
        self.name, self.threads = name, threads
        self._seconds, self._diary, self._loss = seconds, diary, loss

    def run(self, steps):
        return [self._loss] * steps

    def params(self):
        return np.zeros(0, dtype=np.float32)

    def renew(self):
        self._diary.append((self.name, "renewed"))
        return True

    def rest(self):
        self._diary.append((self.name, "rests"))

    def turn(self, steps):
        self._diary.append((self.name, steps))
        return Turn(steps, steps * self._seconds, self._loss)


@pytest.fixture
def limits(monkeypatch):
    """No real pauses, no real sgemm; the threads that it was asked for."""
    asked = []

    def sgemm(threads, seconds):
        asked.append(threads)
        return 100.0 * threads

    monkeypatch.setattr(measure, "sgemm_gflops", sgemm)
    monkeypatch.setattr(measure.time, "sleep", lambda _: None)
    monkeypatch.setattr(measure, "busy_seconds", lambda: None)
    return asked


def test_figure_is_median_and_quartiles():
    found = figure([5.0, 1.0, 2.0, 4.0, 3.0])
    assert (found.low, found.median, found.high) == (2.0, 3.0, 4.0)
    assert found.rounds == [5.0, 1.0, 2.0, 4.0, 3.0]


def test_ratio_is_taken_within_rounds():
    # The machine became four times slower after the first round: the ratio stays.
    assert ratio([8.0, 2.0], [4.0, 1.0]).rounds == [2.0, 2.0]


@pytest.mark.parametrize(
    ("rounds", "mean"),
    [
        pytest.param([3.0], 3.0, id="one round"),
        pytest.param([8.0, 2.0], 4.0, id="the geometric mean of two"),
        pytest.param([4.0, 1e6, 4.0, 0.0001, 4.0, 16.0, 4.0, 16.0], 4.0 * 2**0.5, id="quarters"),
        pytest.param([1.0, 2.0, 1000.0], 2.0 * (0.5**0.25 * 500.0**0.25) ** (2 / 3), id="parts"),
    ],
)
def test_a_ratio_is_the_mean_between_the_quarters(rounds, mean):
    found = ratio(rounds, [1.0] * len(rounds))
    assert found.mean == pytest.approx(mean)
    assert (found.low, found.high) == tuple(np.quantile(rounds, (0.25, 0.75)))
    assert ratio([1.0] * len(rounds), rounds).mean == pytest.approx(1 / mean)


@pytest.mark.parametrize("single_bad_rounds", [0.0, 0.1])
@pytest.mark.parametrize("number", [12, 50])
def test_two_runs_differ_by_less_than_the_uncertainty(number, single_bad_rounds):
    rng = np.random.default_rng(number)

    def run():
        rounds = rng.normal(0.0, 0.1, number)
        rounds[rng.random(number) < single_bad_rounds] += 1.0
        return ratio(np.exp(rounds), np.ones(number))

    pairs = [(run(), run()) for _ in range(500)]
    differ = [abs(math.log(a.mean / b.mean)) <= uncertainty(a) for a, b in pairs]
    assert (0.93 if number == 50 else 0.86) <= np.mean(differ) <= 0.97


def test_parts_that_differ_more_than_their_rounds_are_what_is_unsure():
    rng = np.random.default_rng(0)
    parts = np.repeat(np.arange(8), 6)

    def run(parts_differ):
        each = rng.normal(0.0, parts_differ, 8)[parts] + rng.normal(0.0, 0.1, len(parts))
        return ratio(np.exp(each), np.ones(len(parts)))

    for differ, least in ((0.0, 0.9), (0.1, 0.85)):  # eight parts tell little of how they differ
        pairs = [(run(differ), run(differ)) for _ in range(300)]
        apart = np.array([abs(math.log(a.mean / b.mean)) for a, b in pairs])
        assert np.mean(apart <= [uncertainty(a, parts) for a, _ in pairs]) >= least
        blind = np.mean(apart <= [uncertainty(a) for a, _ in pairs])
        assert blind >= least if differ == 0 else blind < 0.75


@pytest.mark.parametrize(("per_step", "steps"), [(0.001, 1000), (0.3, 3), (10.0, 1)])
def test_steps_fill_the_turn(per_step, steps):
    diary = []
    assert steps_for(Scripted("a", per_step, diary), 1.0) == steps


@pytest.mark.parametrize(
    ("steps", "pieces", "calls"),
    [
        (1, 1, [1]),
        (3, 1, [1, 1, 1]),
        (7, 1, [1, 1, 1, 1]),
        (8, 2, [2, 2, 2, 2]),
        (15, 2, [3, 3, 3, 3]),
        (16, 4, [4, 4, 4, 4]),
        (100, 4, [25, 25, 25, 25]),
    ],
)
def test_a_turn_is_four_calls_in_pieces(steps, pieces, calls):
    diary = []
    turn = TurnInPieces(Scripted("a", 0.01, diary), steps, 1.0)
    assert turn.pieces == pieces
    for piece in range(1, pieces + 1):
        turn.take_piece()
        done = -(-len(calls) * piece // pieces)
        assert [made for _, made in diary] == calls[:done]
    assert turn.is_over
    assert turn.result() == Turn(sum(calls), pytest.approx(0.01 * sum(calls)), 1.0)


def test_a_turn_that_takes_far_longer_than_it_should_is_cut_short():
    turn = TurnInPieces(Scripted("a", 0.3, []), 100, 1.0)
    for _ in range(turn.pieces):
        turn.take_piece()
    assert turn.result() == Turn(25, 7.5, 1.0)


def test_everybody_takes_turns(limits):
    diary = []
    found = measure_in_turns(
        CONCAT,
        [Scripted("a", 0.5, diary, threads=1), Scripted("b", 0.25, diary, threads=2)],
        SETTINGS,
    )
    a = [("a", "renewed"), *[("a", 1)] * 3, ("a", "rests")]
    b = [("b", "renewed"), *[("b", 1)] * 5, ("b", "rests")]
    assert diary[-36:] == a + b + b + a + a + b
    assert limits == [1, 2, 2, 1, 1, 2]
    assert found.rates["a"].rounds == [CONCAT.batch / 0.5] * 3
    assert found.rates["b"].median == CONCAT.batch / 0.25
    medians = {threads: limit.median for threads, limit in found.limits.items()}
    assert medians == {1: 100.0, 2: 200.0}
    assert (found.rounds, found.clean) == (3, 3)


def test_pieces_alternate_and_each_begins_with_a_step_by_the_way(limits):
    diary = []
    parties = [Scripted("a", 1 / 8, diary), Scripted("b", 1 / 16, diary), Scripted("c", 1.0, diary)]
    measure_in_turns(CONCAT, parties, dataclasses.replace(SETTINGS, rounds=1))
    renewed, rests = "renewed", "rests"
    assert diary[-22:] == [
        ("a", renewed), ("a", 1), ("a", 2), ("a", 2),
        ("b", renewed), ("b", 1), ("b", 4),
        ("c", renewed), ("c", 1), ("c", 1), ("c", rests),
        ("b", 1), ("b", 4),
        ("a", 1), ("a", 2), ("a", 2), ("a", rests),
        ("b", 1), ("b", 4),
        ("b", 1), ("b", 4), ("b", rests),
    ]  # fmt: skip


def test_turns_of_a_single_step_go_on_where_they_were(limits):
    diary = []
    measure_in_turns(CONCAT, [Scripted("a", 2.0, diary), Scripted("b", 1.0, diary)], SETTINGS)
    assert diary[-6:] == [("a", 1), ("b", 1), ("b", 1), ("a", 1), ("a", 1), ("b", 1)]
    assert not any("renewed" in entry for entry in diary)


def test_sgemm_is_looked_at_once_a_round_for_each_number_of_threads(limits):
    parties = [Scripted(str(threads), 0.5, [], threads) for threads in (1, 2, 3)]
    parties.append(Scripted("again", 0.5, [], 2))
    measure_in_turns(CONCAT, parties, dataclasses.replace(SETTINGS, rounds=2))
    assert limits == [1, 2, 3, 2, 3, 1]


def test_rounds_can_be_gone_on_with(limits, monkeypatch):
    """Each time for its own part of the seconds, and never without a round."""
    clock = iter(range(1000))
    monkeypatch.setattr(measure.time, "perf_counter", lambda: next(clock))
    settings = dataclasses.replace(SETTINGS, precision=-1.0, work_seconds=6.0)
    rounds = Rounds(CONCAT, settings)
    for seconds, last in [(0.0, False), (0.0, False), (9.0, True)]:  # a round takes three ticks
        rounds = pickle.loads(pickle.dumps(rounds))
        rounds.go_on([Scripted("a", 0.5, []), Scripted("b", 0.25, [])], seconds, last=last)
    found = rounds.found()
    assert found.rounds == 2 + 3
    assert found.parts == [1, 2, 3, 3, 3]
    assert rounds.spent == 15


def test_steps_are_those_of_the_first_part(limits):
    diary = []
    rounds = Rounds(CONCAT, SETTINGS)
    for per_step in (0.5, 0.125):
        rounds.go_on([Scripted("a", per_step, diary)], 0.0, last=False)
    turns = "".join(str(entry[1])[0] for entry in diary)
    assert turns.endswith("r111r" + "r111r")  # renewed, one by the way, two steps in turns, rests


def test_rounds_that_are_few_are_completed_by_the_last_part(limits):
    rounds = Rounds(CONCAT, SETTINGS)
    for last, number in [(False, 1), (True, SETTINGS.rounds)]:
        rounds.go_on([Scripted("a", 0.5, []), Scripted("b", 0.25, [])], 0.0, last=last)
        found = rounds.found()
        assert (found.rounds, found.clean) == (number, number)


@pytest.mark.parametrize(
    ("seconds", "parts"),
    [
        pytest.param([0.25] * 8, 4, id="all alike: after half of the sweeps"),
        pytest.param([0.25, 0.25, 0.35, 0.25] + [0.25] * 4, 5, id="one does not matter"),
        pytest.param([0.25, 0.35] * 4, 8, id="processes differ"),
    ],
)
def test_rounds_of_one_process_do_not_make_it_sure(limits, monkeypatch, seconds, parts):
    clock = iter(range(100_000))
    monkeypatch.setattr(measure.time, "perf_counter", lambda: next(clock))
    settings = dataclasses.replace(SETTINGS, precision=0.03, work_seconds=1e9, sweeps=8)
    rounds = Rounds(CONCAT, settings)
    gone = 0
    for ours in seconds:
        rounds.go_on([Scripted("a", 0.5, []), Scripted("b", ours, [])], 100.0, last=False)
        gone += 1
        if rounds.is_sure:
            break
    assert gone == parts
    assert rounds.is_sure == (parts < 8)


def test_a_loss_that_is_no_number_ends_it(limits):
    with pytest.raises(BenchmarkError, match="b reached a loss of nan"):
        measure_in_turns(
            CONCAT, [Scripted("a", 1.0, []), Scripted("b", 1.0, [], loss=math.nan)], SETTINGS
        )
