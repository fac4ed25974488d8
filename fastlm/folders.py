"""Which files of a folder are text?"""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

from fastlm.compressed import COMPRESSED, read_chunks
from fastlm.decoding import Reading, text_blocks
from fastlm.errors import CorpusError

__all__ = ["FolderFiles", "text_files"]

_TEXT_SUFFIXES = {".txt", ".text", ".md", ".markdown", ".rst", ".jsonl", ".ndjson"}
_SAMPLE = 1 << 12


class FolderFiles(NamedTuple):
    """The files to read, and what was left out, for people ("" where nothing was)."""

    files: list[Path]
    note: str


def text_files(folder: Path, reading: Reading) -> FolderFiles:
    """Return the text files of a folder and all folders in it, by name.

    Hidden ones (a name that begins with a dot) are not looked at. A name ending in .txt, .text,
    .md, .markdown, .rst, .jsonl or .ndjson (and .gz or .zst behind it) says that it is text; any
    other file is, if its first 4 kB have no zero byte and can be decoded.

    Raises
    ------
    CorpusError
        For a folder that cannot be listed or has no text file, with what it has.
    """
    files: list[Path] = []
    others: list[Path] = []
    for path in _visible(folder):
        (files if _is_text(path, reading) else others).append(path)
    if not files:
        there = f"no text file (but {others[0].name} and the like)" if others else "no file"
        raise CorpusError(f"the folder {folder} holds {there}; name one with text files in it")
    note = ""
    if others:
        plural = "file is" if len(others) == 1 else "files are"
        note = f"{len(others):,} {plural} not text and was left out: {others[0]}"
        note = note if len(others) == 1 else note.replace("was", "were") + " and others"
    return FolderFiles(files, note)


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
    plain = path.with_suffix("") if path.suffix.lower() in COMPRESSED else path
    if plain.suffix.lower() in _TEXT_SUFFIXES:
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
