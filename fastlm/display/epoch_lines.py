"""The report of the founding systems: the average loss of every tenth epoch."""

from __future__ import annotations

import math

from fastlm.callbacks import Progress, Start

__all__ = ["EpochLines"]


class EpochLines:
    """Lines such as ``Epoch 10/100, Average Loss: 1.4700``, for runs of the presets.

    Parameters
    ----------
    start : Start
    every : int
        Epochs between two lines.

    Attributes
    ----------
    shown : bool
        Whether the run is one of a founding system; of others there are no lines.
    lines : int
        How many there have been.
    """

    def __init__(self, start: Start, every: int = 10) -> None:
        self.shown = start.training.init != "scaled"
        self.lines = 0
        self._every = every
        self._step = start.step
        self._epoch = 0
        self._loss, self._steps = 0.0, 0
        self._is_whole = start.step == 0

    def add(self, progress: Progress) -> str | None:
        """Count the steps since the last report; return a line if they end a tenth epoch."""
        if not self.shown:
            return None
        steps, self._step = progress.step - self._step, progress.step
        epoch = math.floor(progress.epoch + 1e-9)
        if steps < 0:  # training went back: part of the epoch is counted already
            self._is_whole, self._epoch = False, epoch
            return None
        self._loss += progress.loss * steps
        self._steps += steps
        if epoch == self._epoch:
            return None
        mean, is_whole = self._loss / max(1, self._steps), self._is_whole
        self._loss, self._steps = 0.0, 0
        self._epoch, self._is_whole = epoch, True
        if not is_whole or epoch % self._every:
            return None
        self.lines += 1
        return f"Epoch {epoch}/{progress.total_epochs:.0f}, Average Loss: {mean:.4f}"
