"""fastlm: small neural language models on a CPU.

    import fastlm
    lm = fastlm.train("corpus.txt", minutes=2)
    lm.generate("Once", length=200, temperature=0.8, seed=1)
    lm.perplexity("some other text")
    lm.save("m.safetensors")
    lm = fastlm.load("m.safetensors")

Importing it loads nothing heavy, compiles nothing and starts no threads.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fastlm._version import __version__

if TYPE_CHECKING:
    from fastlm.config import ModelConfig, TrainingConfig
    from fastlm.errors import FastlmError
    from fastlm.events import Callback
    from fastlm.model import LanguageModel, load
    from fastlm.preparation import prepare
    from fastlm.store import TokenStore
    from fastlm.trainer import Config, Trainer
    from fastlm.training import train

# Where each public name is; loaded when it is first asked for (PEP 562).
_HOME = {
    "Callback": "events",
    "Config": "trainer",
    "FastlmError": "errors",
    "LanguageModel": "model",
    "ModelConfig": "config",
    "TokenStore": "store",
    "Trainer": "trainer",
    "TrainingConfig": "config",
    "load": "model",
    "prepare": "preparation",
    "train": "training",
}

__all__ = [
    "Callback",
    "Config",
    "FastlmError",
    "LanguageModel",
    "ModelConfig",
    "TokenStore",
    "Trainer",
    "TrainingConfig",
    "__version__",
    "load",
    "prepare",
    "train",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'fastlm' has no attribute {name!r}")
    value = getattr(import_module(f"fastlm.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
