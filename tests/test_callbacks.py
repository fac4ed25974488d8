"""Callbacks: the base handles every call, and the facts do not change."""

from __future__ import annotations

import dataclasses

import pytest

import fastlm.callbacks
from fastlm.callbacks import (
    Callback,
    Notice,
    Progress,
    Validation,
    as_callbacks,
    model_given,
    takes_notices,
)
from fastlm.errors import ConfigError

FACTS = [
    value
    for name in fastlm.callbacks.__all__
    if dataclasses.is_dataclass(value := getattr(fastlm.callbacks, name))
]


def test_each_kind_of_fact_has_its_call():
    calls = {name.removeprefix("on_") for name in vars(Callback) if name.startswith("on_")}
    assert calls == {"prepare", "start", "progress", "validation", "notice", "end"}
    assert len(calls) == len(FACTS)


def test_the_base_ignores_all_and_a_callback_overrides_what_it_needs():
    class Losses(Callback):
        def __init__(self):
            self.losses = []

        def on_validation(self, validation):
            self.losses.append(validation.loss)

    callback = Losses()
    callback.on_notice(Notice("resume", "from an older one"))
    callback.on_validation(Validation(1, 0.1, 0.5, 2.0, 7.4, 2.5, True))
    assert callback.losses == [2.0]


def test_facts_do_not_change():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Notice("resume", "a").message = "b"
    assert all(fact.__dataclass_params__.frozen for fact in FACTS)


VALIDATION = Validation(1, 0.1, 0.5, 2.0, 7.4, 2.5, True)
PROGRESS = Progress(1, 2, 0.1, 0.2, 0.5, 3.0, 0.1, 10.0, 0.5, 0.5)


def test_one_callback_or_a_function_is_taken_as_several():
    one = Callback()
    assert as_callbacks(one) == as_callbacks([one]) == as_callbacks(iter([one])) == [one]
    assert as_callbacks(()) == []
    seen = []
    (function,) = as_callbacks(seen.append)
    function.on_progress(PROGRESS)
    function.on_validation(VALIDATION)
    function.on_notice(Notice("resume", "from an older one"))
    assert seen == [PROGRESS, VALIDATION]
    assert not takes_notices(function)
    # Facts that a function is given have these in common.
    assert [(one.step, one.epoch, one.elapsed) for one in seen] == [(1, 0.1, 0.5)] * 2


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (Callback, "the callback Callback is a class; give Callback()"),
        ([3], "a callback is 3; give a fastlm.Callback"),
        (3, "a callback is 3; give a fastlm.Callback"),
        ("progress", "a callback is 'p'; give a fastlm.Callback"),
    ],
)
def test_what_is_no_callback(wrong, message):
    with pytest.raises(ConfigError) as caught:
        as_callbacks(wrong)
    assert str(caught.value).startswith(message)


def test_a_callback_has_a_model_during_a_run():
    callback, models = Callback(), iter("ab")
    assert callback.model is None
    with model_given([callback, object()], lambda: next(models)):
        assert (callback.model, callback.model) == ("a", "b")
    assert callback.model is None


def test_a_callback_keeps_a_model_of_its_own():
    class Own(Callback):
        def __init__(self):
            self.model = "mine"

    callback = Own()
    with model_given([callback], lambda: "theirs"):
        assert callback.model == "mine"
    assert callback.model == "mine"


def test_notices_are_taken_by_who_shows_them():
    class Shows(Callback):
        def on_notice(self, notice):
            pass

    class Logs(Shows):
        only_logs = True

    assert [takes_notices(one) for one in (Callback(), Shows(), Logs())] == [False, True, False]
