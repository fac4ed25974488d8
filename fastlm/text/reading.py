"""Reading whole texts into memory."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from os import PathLike

from fastlm.errors import CorpusError
from fastlm.text.decoding import Reading
from fastlm.text.sources import TextPart, file_or_stdin
from fastlm.types import FilePath

__all__ = ["read_text", "whole_texts"]


def read_text(path: FilePath, encoding: str = "utf-8", errors: str = "strict") -> str:
    r"""Return the text of a file, or of standard input for "-".

    A byte order mark at the beginning is dropped, and \r\n and \r become \n.

    Parameters
    ----------
    path : path
    encoding, errors : str
        See `fastlm.text.decoding.Reading`.

    Raises
    ------
    CorpusError
        For a file that is not there, is a folder, may not be read, is empty, or cannot be decoded
        (with the offset of the first bad byte and its line).
    """
    if not isinstance(path, (str, PathLike)):
        raise CorpusError(f"a path is a str or a Path, got {type(path).__name__}")
    reading = Reading(encoding=encoding, errors=errors)
    return "".join(whole_texts(file_or_stdin(path, reading).parts()))


def whole_texts(parts: Iterable[TextPart]) -> Iterator[str]:
    """Yield each text of the parts as a str."""
    begun: list[bytes] = []
    for part in parts:
        begun.append(part.data)
        if part.ends_text:
            yield b"".join(begun).decode("utf-8")
            begun = []
