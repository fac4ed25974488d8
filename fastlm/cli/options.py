"""Which options do several commands have, what does the text of one stand for, and may the model
be written there?"""

from __future__ import annotations

import os
import shlex
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

from fastlm.errors import ConfigError, ModelFileError

__all__ = [
    "DATA",
    "DocumentsOption",
    "EncodingOption",
    "ErrorsOption",
    "FieldOption",
    "MaxVocabOption",
    "MinCountOption",
    "ModelArgument",
    "OneObjectOption",
    "QuietOption",
    "SkipBadOption",
    "ThreadsOption",
    "TokenizerOption",
    "VocabOption",
    "check_output",
    "quoted",
    "valid_source",
    "whole_numbers",
]

# The panel of the help in which these stand.
DATA = "Text and tokens"

ModelArgument = Annotated[
    Path, typer.Argument(metavar="MODEL", help="A model that fastlm wrote.", show_default=False)
]
TokenizerOption = Annotated[
    str | None,
    typer.Option(
        metavar="KIND",
        help="What a token is: char, word, whitespace, byte or bpe (default char).",
        rich_help_panel=DATA,
    ),
]
VocabOption = Annotated[
    str | None,
    typer.Option(
        metavar="FILE",
        help="The vocabulary, one token a line, in place of the corpus's own.",
        rich_help_panel=DATA,
    ),
]
MinCountOption = Annotated[
    int | None,
    typer.Option(
        metavar="N", help="Tokens seen fewer times are unknown (default 1).", rich_help_panel=DATA
    ),
]
MaxVocabOption = Annotated[
    int | None,
    typer.Option(metavar="N", help="Keep the N most frequent tokens only.", rich_help_panel=DATA),
]
DocumentsOption = Annotated[
    str | None,
    typer.Option(
        metavar="KIND",
        help="What a document is: file, paragraphs or lines (default file). No context crosses "
        "the end of a document.",
        rich_help_panel=DATA,
    ),
]
FieldOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="The key of the text in JSON lines (default text).",
        rich_help_panel=DATA,
    ),
]
SkipBadOption = Annotated[
    bool,
    typer.Option(
        "--skip-bad", help="Leave out JSON lines that cannot be used.", rich_help_panel=DATA
    ),
]
EncodingOption = Annotated[
    str | None,
    typer.Option(
        metavar="NAME",
        help="Of the files, such as latin-1 (default utf-8).",
        rich_help_panel=DATA,
    ),
]
ErrorsOption = Annotated[
    str | None,
    typer.Option(
        metavar="HOW",
        help="Bytes that cannot be decoded: strict or replace (default strict).",
        rich_help_panel=DATA,
    ),
]
ThreadsOption = Annotated[
    int | None,
    typer.Option(
        metavar="N",
        help="Processors to use (default: FASTLM_THREADS, or all); the result is the same.",
    ),
]
QuietOption = Annotated[
    bool, typer.Option("--quiet", "-q", help="Print nothing unless there is an error.")
]
OneObjectOption = Annotated[
    bool, typer.Option("--json", help="One JSON object on standard output.")
]


def whole_numbers(name: str, text: str, example: str) -> tuple[int, ...]:
    """Return the numbers of a list: "256,128", or "none" for none.

    Raises
    ------
    ConfigError
        When it is neither; whether a number is allowed is for `ModelConfig` to say.
    """
    if text.strip().lower() == "none":
        return ()
    try:
        return tuple(int(number) for number in text.split(","))
    except ValueError:
        raise ConfigError(
            f"{name} is {text!r}; give whole numbers separated by commas, such as {example}, or "
            "none"
        ) from None


def valid_source(text: str) -> float | str:
    """Return the fraction that a text names, else the text as a path.

    Numbers are always fractions: a file named 0.1 is ./0.1.
    """
    if text[:1] not in set("+-.0123456789"):  # "nan" and "infinity" are names of files
        return text
    try:
        return float(text)
    except ValueError:
        return text


def check_output(
    path: Path,
    is_own: Callable[[Path], bool] | None = None,
    *,
    what: str = "a model",
    flag: str = "-o",
    example: str = "model.safetensors",
) -> None:
    """Refuse, before any work is done, to write a file where it cannot or should not go.

    A file is replaced only when it is empty or of the same kind, as ``is_own`` says (None: a model
    of fastlm), which messages call ``what``.

    Raises
    ------
    ConfigError
        With what stands in the way.
    """
    another = f"name another file with {flag}"
    try:
        mode = path.stat().st_mode
    except FileNotFoundError:
        mode = None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror or error}; {another}") from None
    except ValueError:  # a zero byte in the name
        raise ConfigError(f"{str(path)!r} is not a path; {another}") from None
    if mode is not None and stat.S_ISDIR(mode):
        raise ConfigError(f"{path} is a folder; name a file in it, e.g. {path / example}")
    if mode is not None and not stat.S_ISREG(mode):
        raise ConfigError(f"{path} is not a regular file; {another}")
    folder = path.parent
    if not folder.is_dir():
        raise ConfigError(f"{folder}: no such folder for {path.name}; create it, or {another}")
    if not os.access(folder, os.W_OK):
        raise ConfigError(f"{folder}: no permission to write {path.name} there; {another}")
    if mode is not None and path.stat().st_size and not (is_own or _is_model)(path):
        raise ConfigError(
            f"{path} exists and is not {what} of fastlm, so it is not overwritten; {another}, "
            "or remove it"
        )


def _is_model(path: Path) -> bool:
    from fastlm.model.model_file import read_model_file

    try:
        read_model_file(path)
    except ModelFileError:
        return False
    return True


def quoted(text: str) -> str:
    """As the user's shell takes it."""
    if os.name == "nt":
        return f'"{text}"' if " " in text or not text else text
    return shlex.quote(text)
