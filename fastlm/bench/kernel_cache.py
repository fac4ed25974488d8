"""Where compiled kernels lie while something is measured."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from fastlm_kernels.runtime.sources import sources_digest

__all__ = ["use_kernel_cache"]


def use_kernel_cache() -> None:
    """Keep compiled kernels in a folder keyed by their sources; call it before Numba is loaded.

    Numba's own key does not see a change in a called function of another file: a benchmark would
    time the kernels of yesterday. NUMBA_CACHE_DIR, where it is set, stands.
    """
    folder = Path(tempfile.gettempdir()) / f"fastlm-bench-cache-{sources_digest()}"
    os.environ.setdefault("NUMBA_CACHE_DIR", str(folder))
