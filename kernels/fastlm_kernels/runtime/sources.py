"""A digest of the kernels' sources: the key of everything that was compiled from them.

Numba's own key is the file of the kernel that it loads, not those of the kernels compiled into it.
This module does not import Numba, so that a cache folder can be chosen before Numba is loaded.
"""

import hashlib
from pathlib import Path

PACKAGE = Path(__file__).parent.parent


def sources_digest(package: Path = PACKAGE) -> str:
    """Return a digest (16 hex digits) of all Python files of ``package``, names included."""
    digest = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        digest.update(path.relative_to(package).as_posix().encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]
