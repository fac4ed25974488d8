"""Which commands are there, and what becomes of an error?

Everything that costs time to import (NumPy, Numba, the rest of fastlm) is imported inside the
commands: `fastlm --help` has to answer at once.
"""

from __future__ import annotations

import errno
import functools
import os
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

import typer

from fastlm._version import __version__
from fastlm.cli.bench import bench
from fastlm.cli.eval import evaluate
from fastlm.cli.export import export
from fastlm.cli.generate import generate
from fastlm.cli.inspect import inspect
from fastlm.cli.prepare import prepare
from fastlm.cli.score import score
from fastlm.cli.train import train
from fastlm.errors import FastlmError

__all__ = ["EXIT_ERROR", "EXIT_INTERRUPTED", "EXIT_USAGE", "app", "main"]

EXIT_ERROR = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

app = typer.Typer(
    name="fastlm",
    help="Small neural language models on a CPU: train in minutes, then generate and evaluate.",
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    arguments : without the program's name; None: those of the process

    0: done. 1: an error, told in one line on standard error. 2: wrong usage. 130: interrupted;
    143: terminated.
    """
    _tolerate_narrow_encodings()
    command = typer.main.get_command(app)
    try:
        code = command.main(arguments, prog_name="fastlm", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except FastlmError as error:
        return _fail(str(error))
    except MemoryError as error:
        what = str(error) or "no memory left"
        return _fail(f"{what}; use a smaller model or batch, or less text at a time")
    except OSError as error:
        where = f"{error.filename}: " if error.filename else ""
        return _fail(f"{where}{error.strerror or error}; check the disk and the permissions")
    except (KeyboardInterrupt, typer.Abort):
        return EXIT_INTERRUPTED
    except Exception as error:
        # typer brings a click of its own or uses the installed one, so the classes of its usage
        # errors have no name that holds for all its versions.
        if not hasattr(error, "format_message"):
            raise
        return _wrong_usage(error, sys.argv[1:] if arguments is None else arguments)


def _version(asked: bool) -> None:
    if asked:
        typer.echo(f"fastlm {__version__}")
        raise typer.Exit


@app.callback(invoke_without_command=True)
def _root(
    context: typer.Context,
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show the version."),
    ] = False,
) -> int:
    if context.invoked_subcommand is not None:
        return 0
    typer.echo(context.get_help())
    raise typer.Exit(EXIT_USAGE)


_Command = TypeVar("_Command", bound=Callable[..., Any])


def _until_the_reader_leaves(command: _Command) -> _Command:
    """End a command quietly when what it writes to was closed, as by ``| head -1``."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        try:
            result = command(*args, **kwargs)
            # A full disk must show here, not when the interpreter dies.
            sys.stdout.flush()
            return result
        except OSError as error:
            # Windows reports a closed pipe as an invalid argument.
            closed = os.name == "nt" and error.errno == errno.EINVAL and error.filename is None
            if not isinstance(error, BrokenPipeError) and not closed:
                raise
            # What is still buffered would fail once more when the interpreter flushes it.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 0

    return run  # type: ignore[return-value]


def _tolerate_narrow_encodings() -> None:
    """Let no character end a command because the terminal's encoding lacks it.

    Where Windows redirects standard output, its encoding would be that of the region, in which
    most of the world's text cannot be written; there it is UTF-8, which `fastlm eval` reads again.
    """
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is None:
            continue
        if os.name == "nt" and not stream.isatty() and "PYTHONIOENCODING" not in os.environ:
            reconfigure(encoding="utf-8")
        reconfigure(errors="replace")


def _fail(message: str, code: int = EXIT_ERROR) -> int:
    # Names of files may hold line ends; the message stays one line.
    print("error:", " ".join(message.splitlines()), file=sys.stderr)
    return code


def _wrong_usage(error: Any, arguments: Sequence[str]) -> int:
    context = getattr(error, "ctx", None)
    path = context.command_path if context is not None else "fastlm"
    message = str(error.format_message())
    given = _option_given(getattr(error, "param", None), arguments)
    if given and given[1] not in message:
        # Some versions of typer say what is allowed, but not what was given.
        message = f"{given[0]} {given[1]}: {error.message}"
    code = int(getattr(error, "exit_code", EXIT_USAGE))
    return _fail(f"{message.rstrip('.')}; see {path} --help", code)


def _option_given(option: Any, arguments: Sequence[str]) -> tuple[str, str] | None:
    """The name and the value with which an option stands among the arguments."""
    for name in getattr(option, "opts", ()):
        for argument, after in zip(arguments, [*arguments[1:], ""], strict=True):
            if argument == name:
                return name, after
            if argument.startswith(f"{name}="):
                return name, argument.removeprefix(f"{name}=")
    return None


for _function, _name in (
    (train, "train"),
    (generate, "generate"),
    (evaluate, "eval"),
    (inspect, "inspect"),
    (prepare, "prepare"),
    (export, "export"),
    (score, "score"),
    (bench, "bench"),
):
    app.command(_name)(_until_the_reader_leaves(_function))
