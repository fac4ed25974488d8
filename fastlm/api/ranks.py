"""A run of ``fastlm.train`` on several ranks: rank 0 reads and resolves, all train."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace

from fastlm.api.language_model import LanguageModel
from fastlm.api.run import Request, ResolvedRun, fit, resolve
from fastlm.api.start import RunStart
from fastlm.callbacks import Callback
from fastlm.data.handover import handed_over, taken_over
from fastlm.distributed.agreement import check_versions, led, on_all
from fastlm.distributed.communicator import Communicator
from fastlm.distributed.shards import check_batch, check_ranks
from fastlm.training.replaced_run import run_lock
from fastlm.types import FilePath

__all__ = ["train_on_ranks"]

_Found = tuple[RunStart, ResolvedRun]


def train_on_ranks(
    communicator: Communicator,
    request: Request,
    start: Callable[[], RunStart],
    checkpoint: FilePath | None,
    listeners: Sequence[Callback],
) -> LanguageModel:
    """Train on all ranks; return the model, on each the same network.

    Parameters
    ----------
    communicator : Communicator
    request : Request
    start : callable
        Returns how the run starts; called on rank 0, which alone reads and writes files but for
        token stores.
    checkpoint : path, optional
        Locked by rank 0.
    listeners : sequence of Callback
        Told on rank 0.

    Raises
    ------
    FastlmError
        As ``fastlm.train``, on all ranks.
    """
    with ExitStack() as files:

        def resolved() -> _Found:
            check_ranks(communicator.size)
            files.enter_context(run_lock(checkpoint))
            begun = start()
            run = resolve(begun, request)
            check_batch(run.config.training)
            return begun, run

        check_versions(communicator)
        begun, run = led(communicator, resolved, _handed_over)
        if communicator.rank:
            listeners = ()
        run = on_all(communicator, lambda: replace(run, data=taken_over(run.data)))
        begun.communicator = communicator
        return fit(begun, run, listeners)


def _handed_over(found: _Found) -> _Found:
    start, run = found
    start = copy.copy(start)
    start.metrics = None
    return start, replace(run, data=handed_over(run.data))
