"""Settings that must stand before Numba is imported."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path

import fastlm_kernels


def _cache_folder() -> Path:
    """A folder for compiled kernels, keyed by their sources.

    Numba's own key does not see a change in a called function of another file: a test would run
    what stood there yesterday.
    """
    digest = hashlib.sha256()
    for source in sorted(Path(fastlm_kernels.__file__).parent.glob("*.py")):
        digest.update(source.read_bytes())
    for variable in ("NUMBA_DISABLE_JIT", "NUMBA_BOUNDSCHECK"):
        digest.update(os.environ.get(variable, "0").encode())
    return Path(tempfile.gettempdir()) / f"fastlm-test-cache-{digest.hexdigest()[:16]}"


os.environ.setdefault("NUMBA_CACHE_DIR", str(_cache_folder()))
