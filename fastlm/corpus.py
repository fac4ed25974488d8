"""From the names of files to documents in memory."""

from __future__ import annotations

import glob
import hashlib
import re
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from os import PathLike, fspath
from pathlib import Path
from typing import TypeAlias

from fastlm.default_corpus import default_corpus
from fastlm.documents import split_documents, split_train_valid
from fastlm.errors import CorpusError

__all__ = [
    "Corpus",
    "CorpusSource",
    "corpus_fingerprint",
    "documents_from_texts",
    "load_corpus",
    "load_documents",
    "read_text",
]

STDIN = "-"

FilePath: TypeAlias = str | PathLike[str]
CorpusSource: TypeAlias = FilePath | Sequence[FilePath] | None
"""A path, several paths, or None for the default corpus; the path "-" is standard input."""


@dataclass(frozen=True)
class Corpus:
    """The documents to train on and to validate on, and where they came from.

    Attributes
    ----------
    train_documents : list of str, not empty
    valid_documents : list of str
        Empty when no validation was asked for.
    description : str
        For people, such as "train.txt (1.0 MB)".
    """

    train_documents: list[str]
    valid_documents: list[str]
    description: str


def load_corpus(
    corpus: CorpusSource = None,
    valid: CorpusSource | float = None,
    documents: str = "file",
) -> Corpus:
    """Read the corpus and its validation part.

    Parameters
    ----------
    corpus : path, sequence of paths, or None
        None is the default corpus. A str is always a path, never text.
    valid : path, sequence of paths, float, or None
        Files to validate on, or the fraction to hold out from the end of the corpus.
    documents : {"file", "paragraphs", "lines"}
        What a document is (see `split_documents`).

    Raises
    ------
    CorpusError
        See `read_text`, `load_documents` and `split_train_valid`.
    """
    train, train_size = _read_documents(corpus, documents)
    description = f"{_named(corpus)} ({_size(train_size)})"
    if valid is None:
        return Corpus(train, [], description)
    if isinstance(valid, (int, float)):
        train, held_out = split_train_valid(train, valid, documents)
        return Corpus(train, held_out, f"{description}, the last {valid:g} of it for validation")
    held_out, valid_size = _read_documents(valid, documents)
    return Corpus(
        train, held_out, f"{description}, validation: {_named(valid)} ({_size(valid_size)})"
    )


def load_documents(corpus: CorpusSource, mode: str) -> list[str]:
    """Return the documents of one or several files in order, or of the default corpus for None.

    A path that names no file but holds `*`, `?` or `[` stands for all files that match it, sorted
    by name.

    Raises
    ------
    CorpusError
        For a file that cannot be read or holds only white space, an empty list, and an unknown
        mode.
    """
    return _read_documents(corpus, mode)[0]


def documents_from_texts(texts: Iterable[str], mode: str = "file") -> list[str]:
    """Return the documents of texts that are in memory already.

    Raises
    ------
    CorpusError
        For one str in place of an iterable of them, an item that is not a str (with its index),
        and texts that hold no document.
    """
    if isinstance(texts, (str, bytes)):
        raise CorpusError(
            f"expected several texts, got one {type(texts).__name__}; put it in a list"
        )
    try:
        iterator = iter(texts)
    except TypeError:
        raise CorpusError(
            f"expected an iterable of str, got {type(texts).__name__}; pass a list of texts"
        ) from None
    documents: list[str] = []
    for index, text in enumerate(iterator):
        if not isinstance(text, str):
            raise CorpusError(
                f"text {index} is {type(text).__name__}, not str; decode or convert it first"
            )
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
        As for `bytes.decode`.

    Raises
    ------
    CorpusError
        For a file that is not there, is a folder, may not be read, is empty, or cannot be decoded
        (with the offset of the first bad byte and its line).
    """
    name, data = _read_bytes(path)
    if not data:
        raise CorpusError(f"{name} is empty; name a file that holds text")
    try:
        text = data.decode(encoding, errors)
    except UnicodeDecodeError as error:
        raise CorpusError(_undecodable(name, data, encoding, error.start)) from None
    except LookupError as error:
        raise CorpusError(f"{error}; name one that Python knows, such as utf-8") from None
    text = text.removeprefix("\ufeff")
    if not text:
        raise CorpusError(f"{name} is empty but for a byte order mark; name a file that holds text")
    if "\r" in text:
        text = text.replace("\r\n", "\n").replace("\r", "\n")
    return text


def corpus_fingerprint(documents: Iterable[str]) -> str:
    """Return the SHA-256 (hex) of each document's length in bytes (8 bytes, little-endian) and
    its UTF-8, in order."""
    digest = hashlib.sha256()
    for document in documents:
        data = document.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()


def _read_documents(corpus: CorpusSource, mode: str) -> tuple[list[str], int]:
    """Return the documents and the number of bytes that the texts have in UTF-8."""
    documents: list[str] = []
    size = 0
    for path in [None] if corpus is None else _paths(corpus):
        text = default_corpus() if path is None else read_text(path)
        if text.isspace():
            raise CorpusError(f"{_named(path)} holds only white space; name a file that holds text")
        documents.extend(split_documents(text, mode))
        size += len(text) if text.isascii() else len(text.encode("utf-8"))
    return documents, size


def _paths(corpus: FilePath | Sequence[FilePath]) -> list[FilePath]:
    given = [corpus] if isinstance(corpus, (str, PathLike)) else corpus
    if not isinstance(given, Sequence) or isinstance(given, bytes):
        raise CorpusError(
            f"a corpus is a path or a list of paths, got {type(given).__name__}; for texts in "
            "memory pass a list of them as texts"
        )
    paths: list[FilePath] = []
    for path in given:
        paths.extend(_matches(path))
    if not paths:
        raise CorpusError("the list of corpus files is empty; name at least one file")
    return paths


def _matches(path: FilePath) -> list[FilePath]:
    if not isinstance(path, (str, PathLike)):
        raise CorpusError(f"a path is a str or a Path, got {type(path).__name__}")
    pattern = fspath(path)
    if not isinstance(pattern, str) or not glob.has_magic(pattern) or "\0" in pattern:
        return [path]
    if Path(pattern).exists():
        return [path]
    matching = sorted(m for m in glob.glob(pattern, recursive=True) if not Path(m).is_dir())
    if not matching:
        raise CorpusError(f"no file matches {pattern}; name files that exist")
    return list(matching)


def _read_bytes(path: FilePath) -> tuple[str, bytes]:
    """Return how messages call the file, and what it holds."""
    if not isinstance(path, (str, PathLike)):
        raise CorpusError(f"a path is a str or a Path, got {type(path).__name__}")
    name = str(path)
    if name == STDIN:
        return "standard input", _read_stdin()
    if not name or "\0" in name:
        raise CorpusError(f"{name!r} is not a path; name a file")
    try:
        # Windows reports a folder as a lack of permission, so ask before opening.
        if Path(path).is_dir():
            raise CorpusError(f"{name} is a folder; name files in it, e.g. {Path(path) / '*.txt'}")
        return name, Path(path).read_bytes()
    except FileNotFoundError:
        raise CorpusError(f"{name}: no such file; check the name and the current folder") from None
    except PermissionError:
        raise CorpusError(f"{name}: permission denied; make the file readable") from None
    except OSError as error:
        raise CorpusError(f"{name} cannot be read: {error.strerror or error}") from None


def _read_stdin() -> bytes:
    if sys.stdin is None:
        raise CorpusError("there is no standard input to read from; name a file")
    binary = getattr(sys.stdin, "buffer", None)
    return binary.read() if binary is not None else sys.stdin.read().encode("utf-8")


def _undecodable(name: str, data: bytes, encoding: str, offset: int) -> str:
    line = len(re.findall(rb"\r\n|\r|\n", data[:offset])) + 1
    guess = ""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        guess = " (it begins as UTF-16 does)"
    elif data.startswith((b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"PK\x03\x04")):
        guess = " (it begins as a compressed file does)"
    return (
        f"{name} is not valid {encoding.upper()}: byte 0x{data[offset]:02X} at offset {offset}, "
        f"line {line}{guess}; convert it to UTF-8, e.g. with iconv, or save it as UTF-8 in an "
        "editor"
    )


def _named(corpus: CorpusSource) -> str:
    if corpus is None:
        return "Python's documentation, built in"
    paths = _paths(corpus)
    if len(paths) > 1:
        return f"{len(paths)} files"
    return "standard input" if str(paths[0]) == STDIN else Path(paths[0]).name


def _size(size: int) -> str:
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size} bytes"
