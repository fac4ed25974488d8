"""The trainer of one of several ranks: all take the same steps, and rank 0's clock decides when.

What a rank decides by the settings and the step alone is the same on all. What depends on the clock
or on a signal is agreed on between the calls: the steps of a call, the seconds, whether to stop.
"""

from __future__ import annotations

from typing import Any

from fastlm.callbacks import Callback, Notice, Result
from fastlm.config import Config
from fastlm.distributed.agreement import agreed
from fastlm.distributed.communicator import Communicator
from fastlm.distributed.engine import ShardedEngine
from fastlm.errors import TrainingError
from fastlm.training.trainer import Trainer

__all__ = ["LedTrainer"]


class _Unheard(Callback):
    """Takes notices that rank 0 gives, too."""

    def on_notice(self, notice: Notice) -> None:
        """Say nothing."""


class LedTrainer(Trainer):
    """A ``Trainer`` whose steps are shared by ranks.

    Only rank 0 reports, and writes checkpoints and metrics.

    Parameters
    ----------
    communicator : Communicator
    config, train_tokens, valid_tokens, others
        See ``Trainer``; the same on all ranks.

    Raises ConfigError for a batch or a number of ranks that does not suit the shards, too.
    """

    engine: ShardedEngine

    def __init__(
        self,
        config: Config,
        train_tokens: Any,
        valid_tokens: Any = None,
        *,
        communicator: Communicator,
        **others: Any,
    ) -> None:
        self._communicator = communicator
        self._asked: str | None = None
        if communicator.rank:
            others |= {"callbacks": _Unheard(), "checkpoints": None, "metrics": None}
        super().__init__(config, train_tokens, valid_tokens, **others)

    def _new_engine(self, config: Config, tokens: Any, params: Any) -> ShardedEngine:
        return ShardedEngine(config.model, config.training, tokens, params, self._communicator)

    def stop(self, reason: str = "interrupted") -> None:
        """Let ``fit`` end on all ranks, once they have agreed on it."""
        self._asked = reason

    def fit(self) -> Result:
        """Train to the end, see ``Trainer.fit``; from then on no rank waits for another."""
        result = super().fit()
        self._communicator.close()
        return result

    def _agree(self) -> None:
        """Take the clock of rank 0, and stop if any rank is asked to."""
        run, validator = self.run, self._validator
        mine = run.seconds, run.training_seconds, validator.last_seconds, self._asked
        answers = self._communicator.gather(mine)
        run.seconds, run.training_seconds, validator.last_seconds, _ = answers[0]
        asked = [(rank, reason) for rank, (*_, reason) in enumerate(answers) if reason]
        if asked and self._stop_reason is None and len(answers) > 1:
            rank, reason = asked[0]
            self._reporter.notice("ranks", f"rank {rank} was {reason}: all stop", warn=False)
        self._stop_reason = asked[0][1] if asked else None

    def _inspect(self) -> None:
        self._agree()
        super()._inspect()

    def _validated(self) -> None:
        self._agree()
        self._validator.schedule_next(self.run)

    def _bounded(self, steps: int) -> int:
        return int(self._communicator.lead(super()._bounded(steps)))

    def _roll_back(self, cause: str) -> None:
        try:
            super()._roll_back(cause)
        except TrainingError as error:
            raise agreed(error) from None

    def _end(self, reason: str) -> Result:
        self._asked = None
        engine, ranks = self.engine, self._communicator.size
        if ranks > 1:
            megabytes = engine.bytes_sent / max(1, engine.steps_run) / 1e6
            self._reporter.notice(
                "ranks",
                f"{ranks} ranks: {engine.communication:.1%} of the time in communication, "
                f"{megabytes:,.2f} MB sent a step by rank 0",
                warn=False,
            )
        return super()._end(reason)
