"""Ctrl-C and SIGTERM during a training run."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["at_stake", "signals_stop"]

# Whether the runs that are going on would lose work if the process ended now.
_losing: list[Callable[[], bool]] = []


def at_stake() -> bool:
    """Tell whether work would be lost if the process ended now."""
    return any(losing() for losing in _losing)


@contextmanager
def signals_stop(
    stop: Callable[[str], None],
    stopping: Callable[[], bool],
    losing: Callable[[], bool] = lambda: True,
) -> Iterator[None]:
    """Turn SIGINT and SIGTERM into requests to stop, within the context.

    Outside the main thread, which alone may handle signals, nothing changes.

    Parameters
    ----------
    stop : callable
        Called with the reason, "interrupted" or "terminated".
    stopping : callable
        Whether the run is stopping already: then SIGINT raises KeyboardInterrupt.
    losing : callable
        Whether work would be lost if the process ended now (``at_stake``).
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def on_signal(number: int, frame: FrameType | None) -> None:
        if stopping() and number == signal.SIGINT:
            raise KeyboardInterrupt
        stop("interrupted" if number == signal.SIGINT else "terminated")

    old = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    _losing.append(losing)
    try:
        yield
    finally:
        _losing.remove(losing)
        for number, handler in old.items():
            signal.signal(number, handler)
