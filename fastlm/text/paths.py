"""The files that paths, folders and patterns name."""

from __future__ import annotations

import glob
import os
from collections.abc import Iterable, Sequence
from os import PathLike, fspath
from pathlib import Path

from fastlm.checks import short_name
from fastlm.errors import CorpusError
from fastlm.text.compression import plain_suffix, read_chunks
from fastlm.text.decoding import Reading, text_blocks
from fastlm.text.default_corpus import default_corpus
from fastlm.text.sources import DEFAULT_NAME, Input, Note, PathInput, TextsInput
from fastlm.text.tables import file_input, input_of, is_table
from fastlm.types import CorpusSource, FilePath

__all__ = ["expand", "files_of", "folder_inputs", "inputs_of"]

_TEXT_SUFFIXES = {".txt", ".text", ".md", ".markdown", ".rst", ".jsonl", ".ndjson"}
_SAMPLE = 1 << 12  # bytes that say whether a file with another name is text


def folder_inputs(folder: Path, reading: Reading) -> list[PathInput]:
    """Return the text files of a folder and of all folders in it, by name.

    Hidden ones (a name that begins with a dot) are not looked at. A name ending in .txt, .text,
    .md, .markdown, .rst, .jsonl or .ndjson (and then .gz or .zst) says that it is text, and so does
    that of a table (`fastlm.text.tables`); any other file is, if its first 4 kB have no zero byte
    and can be decoded. The last one notes what was left out.

    Raises
    ------
    CorpusError
        For a folder that cannot be listed or has no text file, with what it has.
    """
    files: list[PathInput] = []
    others: list[Path] = []
    for path in _visible(folder):
        if _is_text(path, reading):
            files.append(file_input(path, reading, in_folder=True))
        else:
            others.append(path)
    if not files:
        there = f"no text file (but {others[0].name} and the like)" if others else "no file"
        raise CorpusError(f"the folder {folder} holds {there}; name one with text files in it")
    if others:
        are = "1 file is" if len(others) == 1 else f"{len(others):,} files are"
        more = "" if len(others) == 1 else " and others"
        was = "was" if len(others) == 1 else "were"
        left_out = f"{are} not text and {was} left out"
        files[-1].left_out = Note(
            f"{left_out}: {others[0]}{more}", f"{left_out}: {others[0].name}{more}"
        )
    return files


def _visible(folder: Path) -> list[Path]:
    def fail(error: OSError) -> None:
        raise CorpusError(
            f"{error.filename} cannot be listed: {error.strerror}; make the folder readable"
        )

    found: list[Path] = []
    for here, folders, names in os.walk(folder, onerror=fail):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(here, name) for name in names if not name.startswith(".")]
    # By the parts of the path: the same order on every system.
    return sorted((path for path in found if path.is_file()), key=lambda path: path.parts)


def _is_text(path: Path, reading: Reading) -> bool:
    if plain_suffix(str(path)) in _TEXT_SUFFIXES or is_table(str(path), reading.field):
        return True
    try:
        with path.open("rb") as file:
            sample = next(read_chunks(file, str(path)), b"")[:_SAMPLE]
    except CorpusError:
        return False
    except OSError:
        return True  # reading it says what is wrong
    if b"\0" in sample and reading.utf8:
        return False
    try:
        # Whole characters only: the sample may end inside one.
        next(text_blocks((sample,), str(path), reading), None)
    except CorpusError:
        return False
    return True


def expand(corpus: FilePath | Sequence[FilePath]) -> list[tuple[FilePath, list[FilePath]]]:
    """Return each path that is given with those that it means: a pattern, the files by name.

    A path that names no file but holds `*`, `?` or `[` is a pattern; `**` crosses folders.

    Raises
    ------
    CorpusError
        For no path, what is no path, and a pattern that nothing matches.
    """
    given = [corpus] if isinstance(corpus, (str, PathLike)) else corpus
    if not isinstance(given, Sequence) or isinstance(given, bytes):
        raise CorpusError(
            f"a corpus is a path or a list of paths, got {type(given).__name__}; for texts in "
            "memory pass a list of them as texts"
        )
    if not given:
        raise CorpusError("the list of corpus files is empty; name at least one file")
    return [(path, _matches(path)) for path in given]


def inputs_of(
    corpus: CorpusSource | None = None,
    reading: Reading | None = None,
    texts: str | Iterable[str] | None = None,
) -> list[Input]:
    """Return the sources that a corpus or texts in memory name, without reading their text.

    Parameters
    ----------
    corpus : path, list of paths or None
        Files, folders, patterns, "-" for standard input; None: the default corpus.
    reading : Reading, optional
        How files are read.
    texts : str or iterable of str, optional
        Texts in memory, in place of a corpus.

    Raises
    ------
    CorpusError
        See `expand` and `folder_inputs`; and for a field of what holds no JSON lines.
    """
    reading = Reading() if reading is None else reading
    if reading.field is not None and (texts is not None or corpus is None):
        what = "text in memory" if texts is not None else "the default corpus"
        raise CorpusError(
            f"field is {reading.field!r}, but {what} holds no JSON lines; leave it out, or name "
            "files"
        )
    if texts is not None:
        return [TextsInput(texts)]
    if corpus is None:
        return [TextsInput([default_corpus()], DEFAULT_NAME)]
    inputs: list[Input] = []
    for given, paths in expand(corpus):
        if _is_folder(given):
            inputs += folder_inputs(Path(given), reading)
        elif paths == [given]:
            inputs.append(input_of(given, reading))
        else:
            inputs += [file_input(path, reading, in_folder=True) for path in paths]
    return inputs


def files_of(corpus: FilePath | Sequence[FilePath], reading: Reading) -> list[FilePath]:
    """Return the files that paths, folders and patterns name, each to be read by itself.

    Raises
    ------
    CorpusError
        See `expand` and `folder_inputs`.
    """
    files: list[FilePath] = []
    for given, paths in expand(corpus):
        if _is_folder(given):
            files += [source.path for source in folder_inputs(Path(given), reading)]
        else:
            files += paths
    return files


def _is_folder(path: FilePath) -> bool:
    return "\0" not in str(path) and str(path) != "" and Path(path).is_dir()


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
        raise CorpusError(f"no file matches {short_name(pattern)}; name files that exist")
    return list(matching)
