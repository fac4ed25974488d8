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

from fastlm._version import __version__

# Not from typing, which takes 10 ms: a command must be quiet when it is interrupted so early.
TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fastlm.api.language_model import (
        LanguageModel,
        load,
    )
    from fastlm.api.mixing import (
        mix,
    )
    from fastlm.api.prepare import (
        prepare,
    )
    from fastlm.api.samples import (
        SampleEvery,
    )
    from fastlm.api.train import (
        train,
    )
    from fastlm.callbacks import (
        Callback,
        Notice,
        Preparing,
        Progress,
        Result,
        Start,
        Validation,
    )
    from fastlm.config import (
        Config,
        ModelConfig,
        TrainingConfig,
    )
    from fastlm.data.token_store import (
        TokenStore,
    )
    from fastlm.display.progress import (
        ConsoleProgress,
    )
    from fastlm.errors import (
        ConfigError,
        CorpusError,
        ExportError,
        FastlmError,
        MissingFileError,
        MissingLibraryError,
        MissingModelError,
        MissingStoreError,
        ModelFileError,
        SamplingError,
        ScoreWarning,
        StoreError,
        TextError,
        TokenizerError,
        TrainingError,
        TrainingWarning,
    )
    from fastlm.inference.evaluation import (
        Evaluation,
    )
    from fastlm.inference.sampling import (
        Sampling,
    )
    from fastlm.inference.scores import (
        Score,
        ScoreArrays,
    )
    from fastlm.model.layout import (
        Layout,
    )
    from fastlm.pipelines.document_filter import (
        DocumentFilter,
    )
    from fastlm.pipelines.sampler import (
        Sampler,
    )
    from fastlm.pipelines.scorer import (
        Scorer,
    )
    from fastlm.search.store_index import (
        StoreIndex,
    )
    from fastlm.tokenizers import (
        Tokenizer,
        build_tokenizer,
    )
    from fastlm.training.run_logs import (
        CSVLogger,
        TensorBoard,
    )
    from fastlm.training.trainer import (
        Trainer,
    )

# The module of each public name, imported when the name is first used (PEP 562).
_HOME = {
    "Callback": "callbacks",
    "Config": "config",
    "ConfigError": "errors",
    "ConsoleProgress": "display.progress",
    "CorpusError": "errors",
    "CSVLogger": "training.run_logs",
    "DocumentFilter": "pipelines.document_filter",
    "Evaluation": "inference.evaluation",
    "ExportError": "errors",
    "FastlmError": "errors",
    "LanguageModel": "api.language_model",
    "Layout": "model.layout",
    "MissingFileError": "errors",
    "MissingLibraryError": "errors",
    "MissingModelError": "errors",
    "MissingStoreError": "errors",
    "ModelConfig": "config",
    "ModelFileError": "errors",
    "Notice": "callbacks",
    "Preparing": "callbacks",
    "Progress": "callbacks",
    "Result": "callbacks",
    "SampleEvery": "api.samples",
    "Sampler": "pipelines.sampler",
    "Sampling": "inference.sampling",
    "SamplingError": "errors",
    "Score": "inference.scores",
    "ScoreArrays": "inference.scores",
    "ScoreWarning": "errors",
    "Scorer": "pipelines.scorer",
    "Start": "callbacks",
    "StoreError": "errors",
    "StoreIndex": "search.store_index",
    "TensorBoard": "training.run_logs",
    "TextError": "errors",
    "TokenStore": "data.token_store",
    "Tokenizer": "tokenizers",
    "TokenizerError": "errors",
    "Trainer": "training.trainer",
    "TrainingConfig": "config",
    "TrainingError": "errors",
    "TrainingWarning": "errors",
    "Validation": "callbacks",
    "build_tokenizer": "tokenizers",
    "load": "api.language_model",
    "mix": "api.mixing",
    "prepare": "api.prepare",
    "train": "api.train",
}

__all__ = [
    "CSVLogger",
    "Callback",
    "Config",
    "ConfigError",
    "ConsoleProgress",
    "CorpusError",
    "DocumentFilter",
    "Evaluation",
    "ExportError",
    "FastlmError",
    "LanguageModel",
    "Layout",
    "MissingFileError",
    "MissingLibraryError",
    "MissingModelError",
    "MissingStoreError",
    "ModelConfig",
    "ModelFileError",
    "Notice",
    "Preparing",
    "Progress",
    "Result",
    "SampleEvery",
    "Sampler",
    "Sampling",
    "SamplingError",
    "Score",
    "ScoreArrays",
    "ScoreWarning",
    "Scorer",
    "Start",
    "StoreError",
    "StoreIndex",
    "TensorBoard",
    "TextError",
    "TokenStore",
    "Tokenizer",
    "TokenizerError",
    "Trainer",
    "TrainingConfig",
    "TrainingError",
    "TrainingWarning",
    "Validation",
    "__version__",
    "build_tokenizer",
    "load",
    "mix",
    "prepare",
    "train",
]


if not TYPE_CHECKING:  # type checkers find a misspelt name

    def __getattr__(name: str) -> Any:
        if name not in _HOME:
            raise AttributeError(f"module 'fastlm' has no attribute {name!r}")
        from importlib import import_module

        value = getattr(import_module(f"fastlm.{_HOME[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    return sorted(__all__)
