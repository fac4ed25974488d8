"""The trainer: what it visits, when it stops, what it keeps and what it says."""

from __future__ import annotations

import math
import signal
import threading
import time

import numpy as np
import pytest
from numba import config as numba_config

from fastlm.callbacks import Callback
from fastlm.config import Config, ModelConfig, TrainingConfig
from fastlm.engine.losses import mean_loss
from fastlm.errors import ConfigError, TrainingError
from fastlm.model.layout import Layout
from fastlm.training.divergence import RecentLoss
from fastlm.training.schedule import learning_rates
from fastlm.training.trainer import Trainer
from tests import naive

NO_JIT = bool(numba_config.DISABLE_JIT)

SHAPE = {"vocab": 12, "context": 2, "embed": 4, "hidden": (6,)}
MODEL = ModelConfig(**SHAPE)
ORACLE = naive.NaiveConfig(**SHAPE)
TOKENS = np.random.default_rng(0).integers(0, 12, 90)
VALID = np.random.default_rng(1).integers(0, 12, 40)


class Recorder(Callback):
    """Everything a run said, in order; ``during`` is called at each progress."""

    def __init__(self, during=None):
        self.said = []
        self.during = during

    def on_start(self, start):
        self.said.append(start)

    def on_progress(self, progress):
        self.said.append(progress)
        if self.during is not None:
            self.during(progress)

    def on_validation(self, validation):
        self.said.append(validation)

    def on_notice(self, notice):
        self.said.append(notice)

    def on_end(self, result):
        self.said.append(result)

    def of(self, kind):
        return [item for item in self.said if type(item).__name__ == kind]


def initial(seed=3):
    return naive.flatten(naive.random_parameters(ORACLE, seed)).astype(np.float32)


def trainer(valid=None, callbacks=(), params=None, model=MODEL, documents="file", **training):
    config = Config(model=model, training=TrainingConfig(**training), documents=documents)
    return Trainer(config, TOKENS, valid, callbacks=callbacks, params=params)


# ---------------------------------------------------------------------------- what it visits


@pytest.mark.parametrize("batch", [1, 8])
@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("boundary", [None, 50])
def test_each_epoch_visits_each_position_once(batch, shuffle, boundary):
    """Every token differs from the others, and all weights are zero: only the output bias learns.

    A visit to a target adds (1 - 1/V) lr / B to its bias, one to another takes lr / (B V).
    """
    count, context = 51, 3
    model = ModelConfig(vocab=count, context=context, embed=1, hidden=(), boundary=boundary)
    layout = Layout(model)
    first = context if boundary is None else 0
    training = TrainingConfig(
        batch=batch, lr=1e-4 * batch, momentum=0, schedule="constant", shuffle=shuffle, seed=7,
        steps=3 * (count - first),
    )  # fmt: skip
    run = Trainer(
        Config(model=model, training=training),
        np.arange(count),
        params=np.zeros(layout.size, dtype=np.float32),
    )
    run.fit()
    epochs = 3 * batch
    bias = layout.views(run.params)["output.bias"]
    visits = bias / 1e-4 + epochs * (count - first) / count
    expected = np.where(np.arange(count) < first, 0, epochs)
    np.testing.assert_allclose(visits, expected, atol=0.05 * batch)


def test_a_run_is_the_oracles_run():
    """Rates of every schedule reach the steps they belong to, whatever the chunks are."""
    for schedule in ("constant", "linear", "cosine"):
        params = initial()
        steps = 10 if NO_JIT else 60
        run = trainer(
            batch=5, lr=0.5, schedule=schedule, warmup=6, steps=steps, seed=4, params=params.copy()
        )
        run.fit()
        expected = naive.split(params.astype(np.float64), ORACLE)
        rates = learning_rates(run.config.training, np.arange(steps) / steps, 0)
        naive.train(expected, ORACLE, TOKENS, steps, 5, rates, 0.9, 4)
        for name, tensor in naive.split(run.params, ORACLE).items():
            scale = np.abs(expected[name]).max()
            assert np.abs(tensor - expected[name]).max() <= 1e-5 * scale, (schedule, name)


def test_the_same_seed_gives_the_same_model():
    runs = [trainer(batch=5, steps=12, seed=seed) for seed in (1, 1, 2)]
    for run in runs:
        run.fit()
    first, same, other = (run.params.tobytes() for run in runs)
    assert first == same != other


def test_validating_does_not_change_the_training():
    quiet = trainer(batch=5, steps=20)
    watched = trainer(batch=5, steps=20, valid=VALID, valid_every=0.25)
    quiet.fit()
    watched.fit()
    assert len(watched.history) >= 4
    assert watched.engine.snapshot()[0].tobytes() == quiet.params.tobytes()


# ---------------------------------------------------------------------------- how long


@pytest.mark.parametrize(
    ("training", "steps"),
    [
        ({"steps": 7}, 7),
        ({"epochs": 1, "batch": 8}, 11),
        ({"epochs": 1.5, "batch": 11}, 12),
    ],
)
def test_length_of_a_run(training, steps):
    recorder = Recorder()
    run = trainer(callbacks=[recorder], **training)
    result = run.fit()
    assert (result.reason, result.step, run.engine.step) == ("finished", steps, steps)
    assert result.tokens == steps * run.config.training.batch
    assert result.epoch == pytest.approx(result.tokens / 88)
    (start,) = recorder.of("Start")
    assert start.total_steps == steps
    last = recorder.of("Progress")[-1]
    assert (last.step, last.total_steps, last.fraction) == (steps, steps, 1.0)
    assert last.remaining == 0.0
    assert recorder.of("Result") == [result]
    assert result.best is None


def test_minutes():
    recorder = Recorder()
    result = trainer(callbacks=[recorder], batch=8, lr=0.5, minutes=0.01).fit()
    assert result.reason == "finished"
    assert result.step > 3
    assert 0.6 <= result.elapsed < 2.0
    (start,) = recorder.of("Start")
    assert start.total_steps is None
    progress = recorder.of("Progress")
    assert progress[-1].fraction == 1.0
    assert progress[-1].remaining == 0.0
    # Linear to zero over the time; the last steps are an estimate.
    assert 0 <= progress[-1].lr < 0.25
    lrs = np.array([report.lr for report in progress])
    assert np.all(np.diff(lrs) < 0.05)


@pytest.mark.parametrize(("minutes", "whole"), [(30, True), (0.002, False)])
def test_epochs_and_minutes_end_at_what_comes_first(minutes, whole):
    recorder = Recorder()
    length = {"epochs": 3 if whole else 100_000, "minutes": minutes}
    result = trainer(valid=VALID, callbacks=[recorder], batch=8, lr=0.5, **length).fit()
    assert result.reason == "finished"
    assert (result.epoch == pytest.approx(3)) == whole
    assert result.best is not None
    last = recorder.of("Progress")[-1]
    assert (last.step, last.fraction, last.remaining) == (last.total_steps, 1.0, 0.0)
    if whole:  # linear to zero over the steps
        assert last.lr == pytest.approx(0.5 / last.step)


def test_minutes_with_validation():
    result = trainer(valid=VALID, batch=8, minutes=0.005).fit()
    assert result.reason == "finished"
    assert result.best is not None
    assert result.elapsed < 2.0


def test_a_validation_that_takes_the_rest_of_the_time(monkeypatch):
    """What is due at the end is done: the last losses are looked at, and all is reported done."""

    def slow_loss(*arguments, **settings):
        time.sleep(0.7)
        return mean_loss(*arguments, **settings)

    looked = []
    check = RecentLoss.check
    monkeypatch.setattr(
        RecentLoss, "check", lambda self, run: (looked.append(run.step), check(self, run))
    )
    monkeypatch.setattr("fastlm.training.validation.mean_loss", slow_loss)
    recorder = Recorder()
    run = trainer(valid=VALID, callbacks=[recorder], batch=8, minutes=0.01, valid_every=0.25)
    assert run.fit().reason == "finished"
    assert [validation.step for validation in run.history] == [run.engine.step]
    last = recorder.of("Progress")[-1]
    assert (last.step, last.fraction, last.remaining) == (run.engine.step, 1.0, 0.0)
    assert looked[-1] == run.engine.step


def test_minutes_with_validation_every_so_many_epochs():
    run = trainer(valid=VALID, batch=8, minutes=0.01, valid_every=0.25)
    assert run.fit().reason == "finished"
    every = 0.25 * run.engine.examples / 8
    *steps, last = (validation.step for validation in run.history)
    assert steps, run.engine.step
    assert [math.ceil(number * every) for number in range(1, len(steps) + 1)] == steps
    assert last == run.engine.step  # at its end
    assert last - steps[-1] <= math.ceil(every)


# ---------------------------------------------------------------------------- validation


def worse_and_worse(**training):
    """Trained on what the validation text never says: each validation is worse than the last."""
    tokens = np.array([0, 1] * 45)
    valid = np.array([2, 3, 4, 5] * 10)
    config = Config(
        model=MODEL,
        training=TrainingConfig(
            batch=8, lr=0.5, momentum=0, schedule="constant", valid_every=0.5, **training
        ),
    )
    return Trainer(config, tokens, valid, params=initial())


def test_early_stopping_waits_for_its_patience():
    run = worse_and_worse(epochs=20, patience=3)
    result = run.fit()
    assert result.reason == "early stop"
    losses = [validation.loss for validation in run.history]
    assert losses == sorted(losses)
    assert [validation.best for validation in run.history] == [True, False, False, False]
    assert result.step == run.history[-1].step < run.total_steps
    assert result.best is run.history[0]


@pytest.mark.parametrize("patience", [None, 2])
def test_the_best_model_is_kept(patience):
    run = worse_and_worse(epochs=4, patience=patience)
    result = run.fit()
    assert result.reason == ("finished" if patience is None else "early stop")
    assert run.engine.step > run.history[0].step
    assert run.params.tobytes() != run.engine.snapshot()[0].tobytes()

    shorter = worse_and_worse(steps=run.history[0].step)
    shorter.fit()
    assert run.params.tobytes() == shorter.engine.snapshot()[0].tobytes()
    nats = naive.nll_of_positions(
        naive.split(run.params.astype(np.float64), ORACLE), ORACLE, [2, 3, 4, 5] * 10, range(2, 40)
    )
    assert result.best.loss == pytest.approx(nats.mean(), rel=1e-6)
    assert result.best.perplexity == pytest.approx(math.exp(nats.mean()), rel=1e-6)


def test_a_model_that_improves_is_not_stopped():
    config = Config(
        model=MODEL,
        training=TrainingConfig(batch=8, lr=0.5, epochs=3, valid_every=0.5, patience=1),
    )
    run = Trainer(config, [0, 1] * 45, [0, 1] * 10, params=initial())
    result = run.fit()
    assert result.reason == "finished"
    assert all(validation.best for validation in run.history)
    assert run.params.tobytes() == run.engine.snapshot()[0].tobytes()


def test_history_and_callbacks_agree():
    recorder = Recorder()
    run = trainer(valid=VALID, callbacks=[recorder], batch=8, epochs=3, valid_every=1)
    result = run.fit()
    assert recorder.of("Validation") == run.history
    assert [validation.step for validation in run.history] == [11, 22, 33]
    assert [round(validation.epoch) for validation in run.history] == [1, 2, 3]
    best = min(run.history, key=lambda validation: validation.loss)
    assert result.best is best
    assert type(recorder.said[0]).__name__ == "Start"
    assert type(recorder.said[-1]).__name__ == "Result"
    assert recorder.said[0].valid_tokens == 40
    assert recorder.said[0].train_tokens == 90
    assert recorder.said[0].parameters == Layout(MODEL).size


def test_the_end_of_a_run_is_always_validated():
    run = trainer(valid=VALID, batch=8, steps=10, valid_every=0.5)
    run.fit()
    assert run.history[-1].step == 10


def test_reported_training_losses_are_means_over_what_was_seen():
    recorder = Recorder()
    params = initial()
    run = trainer(
        valid=VALID, callbacks=[recorder], batch=8, steps=20, lr=0.3, valid_every=0.5, seed=2,
        params=params.copy(),
    )  # fmt: skip
    run.fit()
    expected = naive.train(
        naive.split(params.astype(np.float64), ORACLE), ORACLE, TOKENS, 20, 8,
        0.3 * (1 - np.arange(20) / 20), 0.9, 2,
    )  # fmt: skip
    done = 0
    for report in recorder.of("Progress"):
        assert report.loss == pytest.approx(expected[done : report.step].mean(), rel=1e-5)
        assert report.lr == pytest.approx(0.3 * (1 - (report.step - 1) / 20))
        done = report.step
    assert done == 20
    done = 0
    for validation in run.history:
        assert validation.train_loss == pytest.approx(
            expected[done : validation.step].mean(), rel=1e-5
        )
        done = validation.step


@pytest.mark.parametrize(("documents", "counted"), [("file", False), ("lines", True)])
def test_the_end_of_a_line_counts_and_that_of_a_file_does_not(documents, counted):
    shape = SHAPE | {"boundary": 11}
    valid = np.array([1, 2, 11, 3, 4, 5, 11])
    run = trainer(
        valid=valid, model=ModelConfig(**shape), documents=documents, steps=1, batch=4,
        params=initial(),
    )  # fmt: skip
    run.fit()
    where = np.arange(7) if counted else np.flatnonzero(valid != 11)
    params = naive.split(run.params.astype(np.float64), ORACLE)
    nats = naive.nll_of_positions(params, ORACLE, valid, where, 11)
    assert run.history[-1].loss == pytest.approx(nats.mean(), rel=1e-6)


# ---------------------------------------------------------------------------- stopping


def test_stop_from_a_callback():
    runs = []
    recorder = Recorder(lambda progress: runs[0].stop())
    runs.append(trainer(callbacks=[recorder], batch=8, steps=10_000))
    result = runs[0].fit()
    assert result.reason == "interrupted"
    assert 0 < result.step < 10_000
    assert result.step == recorder.of("Progress")[-1].step
    assert np.all(np.isfinite(runs[0].params))


@pytest.mark.parametrize(
    ("number", "reason"), [(signal.SIGINT, "interrupted"), (signal.SIGTERM, "terminated")]
)
def test_a_signal_ends_the_run_with_everything_kept(number, reason):
    before = signal.getsignal(number)
    recorder = Recorder(lambda progress: signal.raise_signal(number))
    run = trainer(callbacks=[recorder], batch=8, steps=10_000)
    result = run.fit()
    assert (result.reason, result.step) == (reason, run.engine.step)
    assert recorder.of("Result") == [result]
    assert signal.getsignal(number) is before


def test_a_second_interrupt_does_not_wait():
    def twice(progress):
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        trainer(callbacks=[Recorder(twice)], batch=8, steps=10_000).fit()
    assert signal.getsignal(signal.SIGINT) is before


def test_an_interrupted_run_keeps_the_best_validation():
    runs = []

    def stop_late(progress):
        if len(runs[0].history) >= 2:
            runs[0].stop()

    run = worse_and_worse(epochs=20)
    run.callbacks.append(Recorder(stop_late))
    runs.append(run)
    result = run.fit()
    assert result.reason == "interrupted"
    assert result.best is run.history[0]


def test_fit_in_another_thread_leaves_signals_alone():
    results = []
    run = trainer(batch=8, steps=5)
    thread = threading.Thread(target=lambda: results.append(run.fit()))
    thread.start()
    thread.join(60)
    assert results[0].step == 5


def test_an_error_in_a_callback_reaches_the_caller():
    def fail(progress):
        raise RuntimeError("on purpose")

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(RuntimeError, match="on purpose"):
        trainer(callbacks=[Recorder(fail)], steps=5).fit()
    assert signal.getsignal(signal.SIGINT) is before


# ---------------------------------------------------------------------------- bad numbers, input


def test_a_loss_that_is_not_finite_names_the_rate():
    run = trainer(callbacks=[Recorder()], batch=8, lr=1e9, steps=200)
    with np.errstate(all="ignore"), pytest.raises(TrainingError) as caught:  # JIT off warns
        run.fit()
    message = str(caught.value)
    assert "learning rate 1e+09" in message
    assert "lr=31250000.0" in message
    assert "at step" in message
    assert "\n" not in message


@pytest.mark.parametrize("valid", [None, VALID], ids=["unwatched", "validated"])
def test_a_last_step_that_ruins_the_weights_is_not_called_finished(valid):
    """The loss of a step is that of its batch before the update: the last update shows nowhere."""
    run = trainer(
        valid=valid, callbacks=[Recorder()], batch=8, lr=1e300, steps=1, schedule="constant",
        momentum=0.0,
    )  # fmt: skip
    with np.errstate(all="ignore"), pytest.raises(TrainingError, match=r"learning rate 1e\+300"):
        run.fit()


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        (np.array([1, -2, 3, 4]), "token id -2 is outside 0..11"),
        (np.array([1, 12, 3, 4]), "token id 12 is outside 0..11"),
        (np.array([1, 2]), "2 tokens, but a context of 2 needs at least 3"),
        (np.array([], dtype=np.uint16), "0 tokens"),
        (np.array([1.0, 2.0, 3.0]), "float64"),
        (np.ones((3, 3), dtype=np.int64), "1-D"),
        ([], "1-D array of integer ids"),
    ],
)
def test_bad_training_tokens(tokens, message):
    with pytest.raises(ConfigError, match=message):
        Trainer(Config(model=MODEL), tokens)


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int32, np.uint32, np.uint64])
def test_every_kind_of_integers_trains_the_same_model(dtype):
    config = Config(model=MODEL, training=TrainingConfig(batch=5, steps=3))
    expected, run = Trainer(config, TOKENS), Trainer(config, TOKENS.astype(dtype))
    expected.fit()
    run.fit()
    assert run.params.tobytes() == expected.params.tobytes()


def test_bad_validation_tokens():
    with pytest.raises(ConfigError, match=r"token id 12 is outside 0\.\.11"):
        trainer(valid=[1, 2, 12])


def test_two_runs_of_the_same_trainer_do_not_go_on_by_themselves():
    run = trainer(batch=8, steps=5)
    run.fit()
    again = run.fit()
    assert again.step == 5
