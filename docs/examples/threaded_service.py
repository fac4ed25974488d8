"""Answer many callers at once from one model, as a web framework's handlers would.

A model may be used by any number of threads. While one is in a kernel it does not hold the GIL, so
the callers run on all cores with one thread each.

    service = ScoringService("model.safetensors")
    await service.perplexities(["a text", "another"])  # in an async handler
    service.score(["a text"])  # in a threaded one
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import fastlm


class ScoringService:
    def __init__(self, model: str, workers: int = 4) -> None:
        self._lm = fastlm.load(model)
        self._pool = ThreadPoolExecutor(workers, thread_name_prefix="score")
        self.score(["the first call compiles, so the first caller need not wait"])

    def score(self, texts: list[str]) -> list[fastlm.Score]:
        return list(self._lm.score(texts, threads=1))

    async def perplexities(self, texts: list[str]) -> list[float]:
        """Do not block the event loop: other requests are served meanwhile."""
        loop = asyncio.get_running_loop()
        scores = await loop.run_in_executor(self._pool, self.score, texts)
        return [score.perplexity for score in scores]

    def close(self) -> None:
        self._pool.shutdown()
