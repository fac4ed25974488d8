"""Settings that must stand before Numba is imported, and what runs beside the tests."""

from __future__ import annotations

import os
import tempfile
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

# Kept from run to run; what other sources made is never used (``fastlm_kernels.runtime.cache``).
os.environ.setdefault("NUMBA_CACHE_DIR", str(Path(tempfile.gettempdir()) / "fastlm-test-cache"))


_BESIDE = ThreadPoolExecutor(max_workers=1)
_STARTED: dict[str, Future[Any]] = {}
_FUTURE = pytest.StashKey[Future[Any]]()


def pytest_collection_finish(session: pytest.Session) -> None:
    """Start what tests marked ``beside(run=function)`` will ask for: processes that compile for
    long, on another processor than the tests before them. They get the test's parameters."""
    if os.environ.get("NUMBA_DISABLE_JIT", "0") != "0" or session.config.option.collectonly:
        return
    for item in session.items:
        for marker in item.iter_markers("beside"):
            function = marker.kwargs["run"]
            parameters = item.callspec.params if hasattr(item, "callspec") else {}
            key = f"{function.__module__} {function.__name__} {parameters}"
            if key not in _STARTED:
                _STARTED[key] = _BESIDE.submit(function, **parameters)
            item.stash[_FUTURE] = _STARTED[key]


@pytest.fixture
def beside(request: pytest.FixtureRequest) -> Any:
    """What the function that the test is marked ``beside`` with returned."""
    return request.node.stash[_FUTURE].result()


def pytest_sessionfinish() -> None:
    _BESIDE.shutdown(wait=False, cancel_futures=True)
