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
    from fastlm.api.language_model import LanguageModel, load
    from fastlm.api.train import train
    from fastlm.callbacks import Callback
    from fastlm.config import Config, ModelConfig, TrainingConfig
    from fastlm.data.prepare import prepare
    from fastlm.data.token_store import TokenStore
    from fastlm.errors import FastlmError
    from fastlm.inference.evaluation import Evaluation
    from fastlm.inference.sampling import Sampling
    from fastlm.inference.scoring import Score
    from fastlm.model.layout import Layout
    from fastlm.training.trainer import Trainer

# The module of each public name, imported when the name is first used (PEP 562).
_HOME = {
    "Callback": "callbacks",
    "Config": "config",
    "Evaluation": "inference.evaluation",
    "FastlmError": "errors",
    "LanguageModel": "api.language_model",
    "Layout": "model.layout",
    "ModelConfig": "config",
    "Sampling": "inference.sampling",
    "Score": "inference.scoring",
    "TokenStore": "data.token_store",
    "Trainer": "training.trainer",
    "TrainingConfig": "config",
    "load": "api.language_model",
    "prepare": "data.prepare",
    "train": "api.train",
}

__all__ = [
    "Callback",
    "Config",
    "Evaluation",
    "FastlmError",
    "LanguageModel",
    "Layout",
    "ModelConfig",
    "Sampling",
    "Score",
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
