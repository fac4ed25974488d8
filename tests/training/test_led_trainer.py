"""Trainers of several ranks: one clock, one writer, and all stop at the same step."""

from __future__ import annotations

import json
import time

import numpy as np
import pytest

from fastlm.config import Config, TrainingConfig
from fastlm.distributed.agreement import is_agreed
from fastlm.errors import TrainingError
from fastlm.training.checkpoint import Origin
from fastlm.training.checkpoint_files import CheckpointFiles, newest_checkpoint
from fastlm.training.led_trainer import LedTrainer
from fastlm.training.metrics import MetricsFile
from tests.distributed.threads import on_ranks
from tests.training.runs import MODEL, TOKENIZER, TOKENS, VALID, Listener, settings

pytestmark = pytest.mark.thorough


def new(communicator, path=None, listener=None, **changes):
    return LedTrainer(
        Config(model=MODEL, training=TrainingConfig(**settings(**changes))),
        TOKENS,
        VALID,
        communicator=communicator,
        callbacks=[] if listener is None else [listener],
        origin=Origin(tokenizer=TOKENIZER, description="ten letters"),
        checkpoints=None if path is None else CheckpointFiles(path, "1 step"),
        metrics=None if path is None else MetricsFile(path.with_suffix(".jsonl")),
    )


def state(trainer):
    return [array.tobytes() for array in trainer.engine.state]


def undisturbed(size=1):
    def work(communicator):
        trainer = new(communicator)
        trainer.fit()
        return state(trainer), trainer.params.tobytes(), [each.loss for each in trainer.history]

    return on_ranks(size, work)


def test_all_ranks_have_the_same_and_only_rank_0_tells(tmp_path):
    listeners = [Listener(), Listener()]

    def work(communicator):
        trainer = new(communicator, tmp_path / "run.safetensors", listeners[communicator.rank])
        result = trainer.fit()
        assert (result.reason, result.step) == ("finished", 24)
        return state(trainer), trainer.params.tobytes(), [each.loss for each in trainer.history]

    first, second = on_ranks(2, work)
    assert first == second == undisturbed()[0]
    assert [notice.kind for notice in listeners[0].notices] == ["ranks"]
    assert "2 ranks: " in listeners[0].notices[0].message
    assert listeners[1].notices == []
    rows = [json.loads(line) for line in (tmp_path / "run.jsonl").read_text().splitlines()]
    assert [row["step"] for row in rows] == sorted(row["step"] for row in rows)
    assert rows[-1]["step"] == 24


@pytest.mark.parametrize("asked", [0, 1])
def test_a_rank_that_is_asked_to_stop_stops_all_and_others_go_on(tmp_path, asked):
    path = tmp_path / "run.safetensors"

    def stopped(communicator):
        trainer = new(communicator, path)
        run_call = trainer._run_call

        def run_and_stop(*arguments):
            run_call(*arguments)
            if trainer.run.step >= 7 and communicator.rank == asked:
                trainer.stop("terminated")

        trainer._run_call = run_and_stop
        result = trainer.fit()
        return result.reason, result.step

    first, second = on_ranks(2, stopped)
    assert first == second
    assert first[0] == "terminated"
    assert 7 <= first[1] < 24

    def resumed(communicator):
        saved, _ = newest_checkpoint(path)
        assert saved.run.step == first[1]
        trainer = LedTrainer.from_checkpoint(
            saved,
            TOKENS,
            VALID,
            {},
            checkpoints=CheckpointFiles(path),
            communicator=communicator,
            callbacks=(),
        )
        trainer.fit()
        return state(trainer), trainer.params.tobytes(), [each.loss for each in trainer.history]

    assert on_ranks(3, resumed) == undisturbed() * 3


def test_a_run_bounded_by_time_goes_by_the_clock_of_rank_0():
    def work(communicator):
        trainer = new(communicator, steps=None, minutes=0.01, valid_every=None)
        validate = trainer._validator.validate

        def slow(*arguments):
            time.sleep(0.02 * communicator.rank)
            return validate(*arguments)

        trainer._validator.validate = slow
        result = trainer.fit()
        assert result.reason == "finished"
        return result.step, state(trainer), [each.step for each in trainer.history]

    first, second = on_ranks(2, work)
    assert first == second


def test_a_run_that_diverges_ends_on_all_ranks():
    def work(communicator):
        trainer = new(communicator, listener=Listener(), lr=1e30, steps=200)
        with pytest.raises(TrainingError, match="diverged") as caught:
            trainer.fit()
        return is_agreed(caught.value), np.isfinite(trainer.params).all()

    assert on_ranks(2, work) == [(True, True)] * 2
