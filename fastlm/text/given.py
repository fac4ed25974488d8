"""What a caller gives as a corpus: names of files, or text itself."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable, Sequence
from itertools import chain
from typing import Any

from fastlm.checks import shown
from fastlm.errors import CorpusError, MissingFileError
from fastlm.types import CorpusSource
from fastlm.wording import setting

__all__ = ["as_strings", "is_text", "paths_or_texts"]

# Longer names there are on no system: of a path in all, and of one folder or file in it, in bytes.
_LONGEST_PATH = 4096
_LONGEST_NAME = 255

# A name of so many words, without a suffix, nobody gives a file.
_FEWEST_WORDS = 12

# The end of a file's name, such as .txt; a sentence ends with a bare full stop.
_SUFFIX = re.compile(r"\.\w{1,8}$")


def is_text(given: str) -> bool:
    """Tell whether a str is text, since it is no name that a file can have: by a line end or size.

    What may be a name is one, whether there is such a file or not.
    """
    if "\n" in given or "\r" in given or len(given) > _LONGEST_PATH:
        return True
    return any(len(os.fsencode(name)) > _LONGEST_NAME for name in re.split(r"[/\\]", given))


def paths_or_texts(
    given: Any, *, beside_texts: bool = False
) -> tuple[CorpusSource, Iterable[str] | None]:
    """Return (paths, None) for names of files, and (None, texts) for text.

    Parameters
    ----------
    given : str, path, iterable of them, open text file, or None
        A path object names a file; so does a str, unless it is text (`is_text`), or of a dozen
        words that name no file. A list of str
        that names no file at all is text if one of them is, or if most look like sentences.
        Another iterable, such as a column of a table, is text unless it begins with a path.
    beside_texts : bool
        The str of a name that no file has is text: it stands beside a corpus that is text.

    Raises
    ------
    MissingFileError
        For a str that looks like text but may be a name, with how to say that it is text.
    CorpusError
        For what is neither.
    """
    if given is None or isinstance(given, os.PathLike):
        return given, None
    if isinstance(given, str):
        if is_text(given):
            return None, [given]
        words = len(given.split()) if _is_sentence(given) else 0
        if (beside_texts or words) and not _names_file(given):
            if beside_texts or words >= _FEWEST_WORDS:
                return None, [given]
            raise MissingFileError(
                f"{shown(given)} names no file; if it is text, give it as {setting('texts')}=[...]"
            )
        return given, None
    if hasattr(given, "read"):
        return _of_file(given)
    if isinstance(given, list | tuple):
        return _of_list(given, beside_texts)
    if isinstance(given, bytes) or not hasattr(given, "__iter__"):
        return given, None  # reading it says what is wrong
    return _of_iterable(as_strings(given))


def as_strings(given: Any) -> Any:
    """Return a column of Arrow, whose elements are no str, as a list; anything else as it is."""
    is_column = hasattr(given, "to_pylist") and not hasattr(given, "column_names")
    return given.to_pylist() if is_column else given


def _of_file(file: Any) -> tuple[CorpusSource, Iterable[str] | None]:
    text = file.read()
    if not isinstance(text, str):
        raise CorpusError(
            f"the file {shown(getattr(file, 'name', ''))} is open for bytes; give its path, or "
            "open it for text"
        )
    return None, [text]


def _of_list(given: Sequence[Any], beside_texts: bool) -> tuple[CorpusSource, Iterable[str] | None]:
    names = [one for one in given if isinstance(one, str)]
    if not names or len(names) < len(given) or any(map(_names_file, names)):
        return given, None
    sentences = sum(map(_is_sentence, names))
    if beside_texts or any(map(is_text, names)) or 2 * sentences > len(names):
        return None, names
    if len(names) > 1 and not any(map(_looks_like_a_name, names)):
        raise MissingFileError(
            f"{shown(names[0])} and {len(names) - 1:,} more name no files; if they are texts, give "
            f"them as {setting('texts')}=[...]"
        )
    return given, None


def _of_iterable(given: Any) -> tuple[CorpusSource, Iterable[str] | None]:
    iterator = iter(given)
    first = next(iterator, None)
    if isinstance(first, os.PathLike):
        return [first, *iterator], None
    if first is None or iterator is not given:
        return None, given  # it begins anew each time it is read
    return None, chain([first], iterator)


def _names_file(name: str) -> bool:
    """Tell whether a str names files that there are, or may read more than a file."""
    if is_text(name) or "\0" in name:
        return False
    if name in ("", "-") or os.path.exists(name):
        return True
    return glob.has_magic(name) and any(True for _ in glob.iglob(name, recursive=True))


def _looks_like_a_name(given: str) -> bool:
    """Tell whether a str has a suffix or a folder, as most names of files have."""
    return bool(_SUFFIX.search(given)) or "/" in given or os.sep in given


def _is_sentence(given: str) -> bool:
    return len(given.split()) > 1 and not _SUFFIX.search(given.rstrip())
