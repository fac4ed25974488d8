"""How many steps does the next compiled call run, and how fast were the last ones?"""

from __future__ import annotations

from collections import deque

__all__ = ["Chunk", "Speed"]

# One compiled call runs so many seconds of steps: short enough for progress and Ctrl-C.
_CHUNK_SECONDS = 0.2


_SPEED_SECONDS = 3.0


class Chunk:
    """How many steps to run in the next call."""

    def __init__(self) -> None:
        self.first = True
        self.steps = 1

    def done(self, steps: int, seconds: float) -> None:
        self.first = False
        self.steps = _next_chunk(steps, seconds)


class Speed:
    """Examples a second over the last few seconds."""

    def __init__(self) -> None:
        self._chunks: deque[tuple[int, float]] = deque()

    def add(self, examples: int, seconds: float) -> None:
        self._chunks.append((examples, seconds))
        while len(self._chunks) > 1 and sum(s for _, s in self._chunks) > _SPEED_SECONDS:
            self._chunks.popleft()

    @property
    def rate(self) -> float:
        seconds = sum(s for _, s in self._chunks)
        return sum(n for n, _ in self._chunks) / seconds if seconds else 0.0


def _next_chunk(steps: int, seconds: float) -> int:
    """Steps that fill a chunk, reached by doubling at most fourfold at a time."""
    wanted = steps * _CHUNK_SECONDS / seconds if seconds > 0 else 4 * steps
    return max(1, min(4 * steps, int(wanted)))
