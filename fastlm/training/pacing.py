"""How many steps one compiled call runs (about 0.2 seconds), and the throughput of the last."""

from __future__ import annotations

from collections import deque

__all__ = ["CallSize", "Throughput"]

# Seconds of steps in one compiled call: short enough for progress reports and Ctrl-C.
_CALL_SECONDS = 0.2
# Seconds of training over which the throughput is averaged.
_WINDOW_SECONDS = 3.0


class CallSize:
    """Steps of the next compiled call, adapted until a call takes about 0.2 seconds.

    ``first`` tells that no call has been made yet; the first one may include compilation.
    """

    def __init__(self) -> None:
        self.steps = 1
        self.first = True

    def adapt(self, steps: int, seconds: float) -> None:
        """Set the size of the next call; the last one ran ``steps`` steps in ``seconds``."""
        self.first = False
        wanted = steps * _CALL_SECONDS / seconds if seconds > 0 else 4 * steps
        self.steps = max(1, int(min(4 * steps, wanted)))


class Throughput:
    """Training examples per second, over the last three seconds of training."""

    def __init__(self) -> None:
        self._calls: deque[tuple[int, float]] = deque()

    def add(self, examples: int, seconds: float) -> None:
        """Count a call that trained on ``examples`` examples in ``seconds``."""
        self._calls.append((examples, seconds))
        while len(self._calls) > 1 and sum(s for _, s in self._calls) > _WINDOW_SECONDS:
            self._calls.popleft()

    @property
    def rate(self) -> float:
        """Examples per second; 0 before the first call."""
        seconds = sum(s for _, s in self._calls)
        return sum(n for n, _ in self._calls) / seconds if seconds else 0.0
