"""Callbacks: the base handles every call, and the facts do not change."""

from __future__ import annotations

import dataclasses

import pytest

import fastlm.callbacks
from fastlm.callbacks import Callback, Notice, Validation

FACTS = [getattr(fastlm.callbacks, name) for name in fastlm.callbacks.__all__ if name != "Callback"]


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
