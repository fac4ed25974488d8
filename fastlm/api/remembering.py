"""Remembering the lines of a text, so that a line that is new can be told."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

from fastlm.errors import ConfigError
from fastlm.inference.conditions import line_ends
from fastlm.model.remembered import Remembered
from fastlm.tokenizers import Tokenizer
from fastlm.types import Documents
from fastlm.wording import setting

__all__ = ["check_remembers", "lines_of"]


def check_remembers(tokenizer: Tokenizer, documents: Documents) -> None:
    """Raise ConfigError where tokens do not tell lines apart."""
    if not line_ends(tokenizer, documents):
        raise ConfigError(
            f"{setting('remember', True)} is of lines, which tokens of {tokenizer.kind} in "
            f"{documents} do not tell apart; train with {setting('documents', 'lines')}"
        )


def lines_of(
    tokenizer: Tokenizer, documents: Documents, arrays: Sequence[NDArray[Any] | None]
) -> Remembered:
    """Return the lines of a text's tokens, those held out for validation included."""
    given = [array for array in arrays if array is not None]
    return Remembered.of(given, line_ends(tokenizer, documents))
