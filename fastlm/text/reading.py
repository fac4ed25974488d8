"""Whole texts in memory, and their documents."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from os import PathLike

from fastlm.errors import CorpusError
from fastlm.text.decoding import Reading
from fastlm.text.documents import split_documents
from fastlm.text.sources import TextPart, TextsInput, file_or_stdin
from fastlm.types import FilePath

__all__ = ["documents_from_texts", "read_text", "whole_texts"]


def documents_from_texts(texts: Iterable[str], mode: str = "file") -> list[str]:
    """Return the documents of texts that are in memory already.

    Parameters
    ----------
    texts : iterable of str
    mode : {"file", "paragraphs", "lines"}
        See `split_documents`.

    Raises
    ------
    CorpusError
        For one str in place of an iterable of them, an item that is not a str (with its index),
        and texts that hold no document.
    """
    documents: list[str] = []
    for text in whole_texts(TextsInput(texts).parts()):
        documents.extend(split_documents(text, mode))
    if not documents:
        raise CorpusError("the texts hold no document: all are empty; give at least one with text")
    return documents


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
