"""The public surface: what ``fastlm.__all__`` and the documented modules hold.

``python -m tests.surface`` writes it to tests/golden/surface.txt, once a version is released.
"""

from __future__ import annotations

import importlib
import inspect
from pathlib import Path
from typing import Any

GOLDEN = Path(__file__).parent / "golden" / "surface.txt"

# fastlm itself, and what docs/guide.md names.
MODULES = (
    "fastlm",
    "fastlm.callbacks",
    "fastlm.config",
    "fastlm.errors",
    "fastlm.reference.mini",
    "fastlm.reference.tiny",
    "fastlm.tokenizers",
    "fastlm.tokenizers.blocks",
    "fastlm.types",
)


def surface() -> list[str]:
    """The names with their parameters, a line each: ``fastlm.load(path, *, mmap=)``."""
    lines = set()
    for module_name in MODULES:
        module = importlib.import_module(module_name)
        names = getattr(module, "__all__", None)
        if names is None:
            names = [name for name, value in vars(module).items() if _is_own(value, module_name)]
        for name in names:
            if not name.startswith("_") or name == "__version__":
                lines |= set(_lines(f"{module_name}.{name}", getattr(module, name)))
    return sorted(lines)


def _is_own(value: Any, module_name: str) -> bool:
    return getattr(value, "__module__", None) == module_name


def _lines(name: str, value: Any) -> list[str]:
    if not inspect.isclass(value):
        return [f"{name}{_parameters(value)}"]
    lines = [f"{name}{_parameters(value)}"]
    for base in value.__mro__:
        if base.__module__.startswith("fastlm"):
            members = [*vars(base), *getattr(base, "__annotations__", {})]
            lines += [
                f"{name}.{member}{_parameters(inspect.getattr_static(base, member, None))}"
                for member in members
                if not member.startswith("_")
            ]
    return lines


def _parameters(value: Any) -> str:
    """The parameters of what is called: ``=`` after those that have a default."""
    value = getattr(value, "__func__", value)  # of class methods
    if not inspect.isfunction(value) and not inspect.isclass(value):
        return ""
    if inspect.isclass(value) and issubclass(value, Exception | dict):
        return ""  # what Python tells of these is not the same in every version
    parameters = inspect.signature(value).parameters.values()
    words, starred = [], False
    for parameter in parameters:
        if parameter.kind is parameter.KEYWORD_ONLY and not starred:
            words.append("*")
            starred = True
        mark = {parameter.VAR_POSITIONAL: "*", parameter.VAR_KEYWORD: "**"}.get(parameter.kind, "")
        starred |= mark == "*"
        words.append(f"{mark}{parameter.name}{'=' * (parameter.default is not parameter.empty)}")
    return f"({', '.join(words)})"


if __name__ == "__main__":
    GOLDEN.write_text("".join(f"{line}\n" for line in surface()), encoding="utf-8")
