"""The scripts of bench/ as modules."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from ..bench.conftest import result

__all__ = ["result", "script"]

SCRIPTS = Path(__file__).resolve().parents[2] / "bench"


def script(name: str) -> ModuleType:
    """Import a script of the folder bench/."""
    spec = importlib.util.spec_from_file_location(f"bench_{name}", SCRIPTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    spec.loader.exec_module(module)
    return module
