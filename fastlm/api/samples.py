"""Samples while a model is trained: what it writes after each pass over the text."""

from __future__ import annotations

import math
from typing import Unpack

from fastlm.callbacks import Callback, Progress, Start
from fastlm.checks import check_known, check_number, check_whole
from fastlm.display.place import say
from fastlm.errors import ConfigError
from fastlm.inference.generation import GenerationSettings

__all__ = ["SampleEvery"]

_LENGTH = 100


class SampleEvery(Callback):
    """A callback that shows what the model writes, at regular intervals of epochs or steps.

    Parameters
    ----------
    epochs : float, optional
        Passes over the text between two samples; without ``steps`` too, 1.
    steps : int, optional
        Steps between two samples, in place of epochs.
    prompt : str
    show : bool
        Whether to show each sample among the lines of the run; they are in ``samples`` anyway.
    **settings
        Those of ``LanguageModel.generate``; by default ``length=100`` and ``seed=0``, so that the
        samples differ by what the model has learnt only.

    Attributes
    ----------
    samples : list of (int, str)
        The step and the text of each sample.

    Raises
    ------
    ConfigError
        For a setting out of range.
    """

    def __init__(
        self,
        epochs: float | None = None,
        *,
        steps: int | None = None,
        prompt: str = "",
        show: bool = True,
        **settings: Unpack[GenerationSettings],
    ) -> None:
        if epochs is not None and steps is not None:
            raise ConfigError("epochs and steps are both given; choose one of them")
        check_known(
            settings,
            GenerationSettings.__annotations__,
            others=("epochs", "steps", "prompt", "show"),
        )
        self._steps = check_whole("steps", steps, 1, or_none=True)
        self._epochs = check_number("epochs", epochs, above=0, or_none=True) or 1.0
        self._prompt = prompt
        self._show = show
        self._settings: GenerationSettings = {"length": _LENGTH, "seed": 0}
        self._settings.update(settings)
        self._next: float | None = None
        self._is_resumed = False
        self.samples: list[tuple[int, str]] = []

    def on_start(self, start: Start) -> None:
        """Begin to count where the run does."""
        self._next = None
        self._is_resumed = start.step > 0

    def on_progress(self, progress: Progress) -> None:
        """Take a sample if it is time, and at the end of the run."""
        every = self._steps or self._epochs
        done = progress.step if self._steps else progress.epoch
        if self._next is None:
            # What a resumed run has behind it was sampled before.
            self._next = every * (math.floor(done / every) + 1) if self._is_resumed else every
        if done < self._next and progress.fraction < 1:
            return
        self._next = every * (math.floor(done / every) + 1)
        if self.model is None:
            raise ConfigError("SampleEvery has no model; give it to fastlm.train or train_more")
        text = self.model.generate(self._prompt, **self._settings)
        self.samples.append((progress.step, text))
        if self._show:
            say("sample", text)
