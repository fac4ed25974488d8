"""Options that several commands share, and how their text is read."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import stat
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fastlm.checks import shown
from fastlm.cli.config_file import argument_from_config
from fastlm.errors import ConfigError, ModelFileError
from fastlm.types import DOCUMENT_MODES, FilePath

if TYPE_CHECKING:
    from fastlm.text.decoding import Reading

__all__ = [
    "DATA",
    "TOKENIZERS",
    "CorpusArgument",
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
    "flag",
    "given_reading",
    "given_settings",
    "option",
    "parse_int_list",
    "parse_interval",
    "parse_minutes",
    "parse_valid",
    "shell_path",
    "shell_quote",
]


def option(
    metavar: str,
    help: str,
    panel: str | None = None,
    *,
    names: Sequence[str] = (),
    choices: Sequence[str] = (),
) -> Any:
    """Return an option in a panel of the help.

    Parameters
    ----------
    metavar, help : str
        What the help calls its value, and what it says.
    panel : str, optional
    names : sequence of str
        With their dashes. Default: that of the parameter.
    choices : sequence of str
        What the shell completes; the command itself checks the value.
    """
    complete = (lambda: list(choices)) if choices else None
    return typer.Option(
        *names, metavar=metavar, help=help, rich_help_panel=panel, autocompletion=complete
    )


def flag(name: str, help: str, panel: str | None = None) -> Any:
    """Return an option without a value, in a panel of the help."""
    return typer.Option(name, help=help, rich_help_panel=panel)


# The panel of the help for these options.
DATA = "Text and tokens"

TOKENIZERS = ("char", "word", "whitespace", "byte", "bpe")
"""The kinds of tokenizer, which are listed here so that no help imports them."""

ModelArgument = Annotated[
    Path, typer.Argument(metavar="MODEL", help="A model written by fastlm.", show_default=False)
]
CorpusArgument = Annotated[
    list[str] | None,
    typer.Argument(
        metavar="CORPUS",
        help="Files, folders or patterns (text, .gz, .zst, .jsonl, .parquet, .arrow); - is "
        "standard input. Default: the documentation that comes with Python.",
        show_default=False,
        callback=argument_from_config,
    ),
]
TokenizerOption = Annotated[
    str | None,
    option(
        "KIND",
        "What a token is: char, word, whitespace, byte or bpe (default char).",
        DATA,
        names=("-t", "--tokenizer"),
        choices=TOKENIZERS,
    ),
]
VocabOption = Annotated[
    str | None,
    option("FILE", "Take the vocabulary from a file, one token per line.", DATA),
]
MinCountOption = Annotated[
    int | None,
    option("N", "Treat tokens that occur fewer than N times as unknown (default 1).", DATA),
]
MaxVocabOption = Annotated[
    int | None,
    option(
        "N",
        "Keep only the N most frequent tokens (default for word, without --min-count: 32768).",
        DATA,
    ),
]
DocumentsOption = Annotated[
    str | None,
    option(
        "KIND",
        "What a document is: file, paragraphs, lines or stream (default file). No context crosses "
        "the end of a document. stream: a file, whose line ends are tokens of words, too.",
        DATA,
        choices=DOCUMENT_MODES,
    ),
]
FieldOption = Annotated[
    str | None,
    option(
        "NAME",
        "The key of the text in JSON lines, its column in .parquet, .arrow, .csv and .tsv (default "
        "text; without it .csv and .tsv are plain text). All other files hold JSON lines then.",
        DATA,
    ),
]
SkipBadOption = Annotated[
    bool, flag("--skip-bad", "Skip JSON lines or rows that cannot be used.", DATA)
]
EncodingOption = Annotated[
    str | None, option("NAME", "Encoding of the files, e.g. latin-1 (default utf-8).", DATA)
]
ErrorsOption = Annotated[
    str | None,
    option(
        "HOW",
        "Bytes that cannot be decoded: strict (stop) or replace (by U+FFFD); default strict.",
        DATA,
        choices=("strict", "replace"),
    ),
]
ThreadsOption = Annotated[
    int | None,
    option("N", "Processors to use (default: FASTLM_THREADS, or all). The result is the same."),
]
QuietOption = Annotated[
    bool, typer.Option("-q", "--quiet", help="Print nothing but warnings and errors.")
]
OneObjectOption = Annotated[bool, flag("--json", "Print one JSON object.")]


def parse_int_list(name: str, text: str, example: str) -> tuple[int, ...]:
    """Return the numbers in "256,128", or an empty tuple for "none".

    Raises
    ------
    ConfigError
        When it is neither. Whether a number is allowed, `ModelConfig` decides.
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


_UNITS = {"s": 1 / 60, "m": 1.0, "h": 60.0}
_TIME = r"(\d+(?:\.\d*)?|\.\d+)\s*(s|secs?|seconds?|m|mins?|minutes?|h|hours?)\s*"


def parse_minutes(text: str) -> float:
    """Return the minutes in "1.5", "90s", "5m", "1h" or "1h 30m".

    Raises
    ------
    ConfigError
        For anything else. Whether the number is allowed, `TrainingConfig` decides.
    """
    form = text.strip().lower()
    with contextlib.suppress(ValueError):
        return float(form)
    if not re.fullmatch(f"(?:{_TIME})+", form):
        raise ConfigError(f"--minutes is {shown(text)}; give minutes, such as 1.5, or 90s, 5m, 1h")
    return sum(float(number) * _UNITS[unit[0]] for number, unit in re.findall(_TIME, form))


def parse_interval(name: str, text: str) -> tuple[float | None, int | None]:
    """Return the epochs or the steps in "0.5" or "2000 steps"; the other is None.

    Raises
    ------
    ConfigError
        For anything else, and for zero.
    """
    match = re.fullmatch(r"(\d+(?:\.\d*)?|\.\d+)\s*(epochs?|steps?)?", text.strip().lower())
    number = float(match[1]) if match else 0.0
    if match and (match[2] or "").startswith("step") and number.is_integer() and number:
        return None, int(number)
    if match and not (match[2] or "").startswith("step") and number:
        return number, None
    raise ConfigError(f"{name} is {shown(text)}; give epochs, such as 0.5, or '2000 steps'")


def parse_valid(text: str) -> float | str:
    """Return the fraction that a text stands for, else the text: the path of a file.

    A number is always a fraction: a file named 0.1 is given as ./0.1.
    """
    if text[:1] not in set("+-.0123456789"):  # "nan" and "infinity" are names of files
        return text
    try:
        return float(text)
    except ValueError:
        return text


def given_settings(params: Mapping[str, Any], *others: str) -> dict[str, Any]:
    """Return the parameters that were given, but for the names in ``others``.

    What was not given has its default in the library.
    """
    return {
        name: value
        for name, value in params.items()
        if name not in others and value is not None and value is not False
    }


def given_reading(params: Mapping[str, Any]) -> Reading:
    """Return how text is read, from the parameters of a command."""
    from fastlm.text.decoding import Reading

    names = Reading.__dataclass_fields__
    return Reading(**given_settings({name: params[name] for name in names}))


def check_output(
    path: Path,
    is_own: Callable[[Path], bool] | None = None,
    *,
    what: str = "a model",
    example: str = "model.safetensors",
) -> None:
    """Check, before any work is done, that a file may be written.

    An existing file is replaced only if it is empty or of the same kind.

    Parameters
    ----------
    path : Path
        The file to write.
    is_own : callable, optional
        Tells whether an existing file is of the same kind. Default: whether it is a model.
    what, example : str
        For messages: the kind of file, and a usual name.

    Raises
    ------
    ConfigError
        If it cannot be written there, or would replace a file of another kind.
    """
    another = "name another file with -o"
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


def shell_path(path: FilePath) -> str:
    """Quote the name of a file for the user's shell; one that begins with a dash is no option."""
    name = str(path)
    return shell_quote(f".{os.sep}{name}" if name.startswith("-") else name)


def shell_quote(text: str) -> str:
    """Quote a word for the user's shell."""
    if os.name == "nt":
        return f'"{text}"' if " " in text or not text else text
    return shlex.quote(text)
