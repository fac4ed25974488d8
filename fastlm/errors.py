"""Errors that a user may see: each is one line.

Each message names the value, the limit and the remedy. The command line prints it alone and
exits with 1; a traceback is a bug.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "ConfigError",
    "CorpusError",
    "ExportError",
    "FastlmError",
    "MissingFileError",
    "MissingLibraryError",
    "MissingModelError",
    "MissingStoreError",
    "ModelFileError",
    "SamplingError",
    "ScoreWarning",
    "StoreError",
    "TextError",
    "TokenizerError",
    "TrainingError",
    "TrainingWarning",
]


class FastlmError(Exception):
    """The base of all errors that fastlm raises on purpose."""


class ConfigError(FastlmError, ValueError):
    """A setting outside its range, or two settings that exclude each other."""


class CorpusError(FastlmError, ValueError):
    """Text that cannot be read, decoded or split, or that is too short."""


class MissingFileError(CorpusError, FileNotFoundError):
    """A file of text that is not there."""


class TokenizerError(FastlmError, ValueError):
    """A vocabulary that cannot be built, or text or ids that it cannot represent."""


class MissingLibraryError(FastlmError, ImportError):
    """An optional library that is not installed; the message says how to install it."""


class TextError(TokenizerError):
    """One of several texts that cannot be scored.

    Attributes
    ----------
    index : int
        The number of the text, from 0.
    reason : str
        The message without the number.
    """

    def __init__(self, index: int, reason: str) -> None:
        super().__init__(f"text {index}: {reason}")
        self.index = index
        self.reason = reason

    def __reduce__(self) -> tuple[type[TextError], tuple[int, str]]:
        return TextError, (self.index, self.reason)


class ModelFileError(FastlmError, ValueError):
    """A file that is not a fastlm model, or is damaged, or comes from a newer version."""


class MissingModelError(ModelFileError, FileNotFoundError):
    """A model file that is not there."""


class SamplingError(FastlmError, RuntimeError):
    """Texts under conditions that the model did not write in as many tries as there are.

    Attributes
    ----------
    texts : list of str
        Those that it found.
    """

    def __init__(self, message: str, texts: list[str]) -> None:
        super().__init__(message, texts)
        self.texts = texts

    def __str__(self) -> str:
        return str(self.args[0])


class StoreError(FastlmError, ValueError):
    """A file that is not a token store, is damaged, or was made with other settings."""


class MissingStoreError(StoreError, FileNotFoundError):
    """A token store that is not there."""


class ExportError(FastlmError, RuntimeError):
    """A model that cannot be written for another program."""


class TrainingError(FastlmError, RuntimeError):
    """Training that cannot go on, such as a loss that is not finite.

    Attributes
    ----------
    model : LanguageModel or None
        The last good model; set by `fastlm.train`.
    """

    model: Any = None


class TrainingWarning(UserWarning):
    """A notice of a training run that goes on (a `Notice`) that no callback takes."""


class ScoreWarning(UserWarning):
    """Scores that cannot mean much, such as those of text that the model does not know."""
