"""From the names of files to documents in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path

from fastlm.decoding import Reading
from fastlm.documents import split_documents
from fastlm.errors import CorpusError
from fastlm.inputs import (
    STDIN,
    CorpusSource,
    FileInput,
    FilePath,
    Input,
    Piece,
    StdinInput,
    TextsInput,
    inputs_of,
)
from fastlm.survey import Survey, survey

__all__ = [
    "CorpusSource",
    "corpus_fingerprint",
    "described",
    "documents_from_texts",
    "documents_of",
    "load_documents",
    "read_text",
    "size_text",
]


def load_documents(corpus: CorpusSource, mode: str, reading: Reading | None = None) -> list[str]:
    """Return the documents of one or several files in order, or of the default corpus for None.

    A path that names no file but holds `*`, `?` or `[` stands for all files that match it, sorted
    by name; a folder for all text files in it.

    Raises
    ------
    CorpusError
        For a file that cannot be read or holds only white space, an empty list, and an unknown
        mode.
    """
    return documents_of(survey(inputs_of(corpus, reading)), mode)


def documents_from_texts(texts: Iterable[str], mode: str = "file") -> list[str]:
    """Return the documents of texts that are in memory already.

    Raises
    ------
    CorpusError
        For one str in place of an iterable of them, an item that is not a str (with its index),
        and texts that hold no document.
    """
    documents: list[str] = []
    for text in _texts(TextsInput(texts).pieces()):
        documents.extend(split_documents(text, mode))
    if not documents:
        raise CorpusError("the texts hold no document: all are empty; give at least one with text")
    return documents


def documents_of(found: Survey, mode: str) -> list[str]:
    """Return the documents of a surveyed corpus."""
    documents: list[str] = []
    for text in _texts(found.pieces()):
        documents.extend(split_documents(text, mode))
    return documents


def read_text(path: FilePath, encoding: str = "utf-8", errors: str = "strict") -> str:
    r"""Return the text of a file, or of standard input for "-".

    A byte order mark at the beginning is dropped, and \r\n and \r become \n.

    Parameters
    ----------
    path : path
    encoding, errors : str
        See `fastlm.decoding.Reading`.

    Raises
    ------
    CorpusError
        For a file that is not there, is a folder, may not be read, is empty, or cannot be decoded
        (with the offset of the first bad byte and its line).
    """
    if not isinstance(path, (str, PathLike)):
        raise CorpusError(f"a path is a str or a Path, got {type(path).__name__}")
    reading = Reading(encoding=encoding, errors=errors)
    source = StdinInput(reading) if str(path) == STDIN else FileInput(path, reading)
    return "".join(_texts(source.pieces()))


def corpus_fingerprint(documents: Iterable[str]) -> str:
    """Return the SHA-256 (hex) of each document's length in bytes (8 bytes, little-endian) and
    its UTF-8, in order."""
    digest = hashlib.sha256()
    for document in documents:
        data = document.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()


def described(found: Survey) -> str:
    """Return what was read and how much, for people, such as "train.txt (1.0 MB)"."""
    return f"{named(found.inputs)} ({size_text(found.bytes)})"


def named(inputs: Sequence[Input]) -> str:
    if len(inputs) > 1:
        return f"{len(inputs)} files"
    source = inputs[0]
    return Path(source.name).name if isinstance(source, FileInput) else source.name


def size_text(size: int) -> str:
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size} bytes"


def _texts(pieces: Iterable[Piece]) -> Iterable[str]:
    parts: list[bytes] = []
    for piece in pieces:
        parts.append(piece.data)
        if piece.end:
            yield b"".join(parts).decode("utf-8")
            parts = []
