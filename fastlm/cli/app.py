"""The commands of fastlm, and how their errors are told.

Everything that costs time to import (NumPy, Numba, the rest of fastlm) is imported inside the
commands: `fastlm --help` has to answer at once.
"""

from __future__ import annotations

import errno
import functools
import os
import reprlib
import sys
from collections.abc import Callable, Sequence
from typing import Annotated, Any, TypeVar

import typer

from fastlm._version import __version__
from fastlm.cli.commands.bench import bench
from fastlm.cli.commands.calibrate import calibrate
from fastlm.cli.commands.compile import compile_command
from fastlm.cli.commands.demo import demo
from fastlm.cli.commands.eval import evaluate
from fastlm.cli.commands.export import export
from fastlm.cli.commands.find import find
from fastlm.cli.commands.generate import generate
from fastlm.cli.commands.index import index
from fastlm.cli.commands.inspect import inspect
from fastlm.cli.commands.mix import mix
from fastlm.cli.commands.plot import plot
from fastlm.cli.commands.prepare import prepare
from fastlm.cli.commands.report import report
from fastlm.cli.commands.rescore import rescore
from fastlm.cli.commands.score import score
from fastlm.cli.commands.train import train
from fastlm.cli.help_pages import SETTINGS, Command, Group
from fastlm.cli.options import shell_path
from fastlm.display.screen import is_terminal, printable
from fastlm.errors import FastlmError
from fastlm.wording import as_options, nearest_name

__all__ = ["EXIT_ERROR", "EXIT_INTERRUPTED", "EXIT_USAGE", "app", "main"]

EXIT_ERROR = 1
EXIT_USAGE = 2
EXIT_INTERRUPTED = 130

app = typer.Typer(
    name="fastlm",
    help="Small neural language models on a CPU: train in minutes, then generate and evaluate.",
    cls=Group,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings=SETTINGS,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code.

    Parameters
    ----------
    arguments : sequence of str, optional
        Without the program's name. Default: those of the process.

    Returns
    -------
    int
        0: done. 1: an error, told in one line on standard error. 2: wrong usage.
        130: interrupted. 143: terminated.
    """
    _prepare_streams()
    with as_options():
        return _main(arguments)


def _main(arguments: Sequence[str] | None) -> int:
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
    except SystemExit as end:  # of --show-completion
        return end.code if isinstance(end.code, int) else EXIT_ERROR
    except Exception as error:
        # Some versions of typer contain click: no name of its usage errors holds for all.
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


def _until_closed(command: _Command) -> _Command:
    """End a command quietly when its output is closed, as by ``| head -1``."""

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


def _interruptible(command: _Command) -> _Command:
    """Let Ctrl-C end a command at once and quietly while kernels are compiled."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        # Numba's colours write a control code at the end, on dumb terminals too.
        os.environ.setdefault("NUMBA_DISABLE_ERROR_MESSAGE_HIGHLIGHTING", "1")
        from fastlm.system.interrupts import watch_interrupts

        quiet, terminal = kwargs.get("quiet", False), sys.stderr.isatty()
        with watch_interrupts(_tell_compiling if terminal and not quiet else None, _leave_terminal):
            return command(*args, **kwargs)

    return run  # type: ignore[return-value]


def _tell_compiling() -> None:
    from fastlm.display.compiling import announced
    from fastlm.display.place import say
    from fastlm.engine.precompile import compiling_text

    if not announced():
        say("compiling", f"{compiling_text()} ...")


def _leave_terminal() -> None:
    """Show the cursor, which a display may have hidden, and what is still buffered."""
    sys.stdout.flush()
    if sys.stderr.isatty():
        print("\x1b[?25h", file=sys.stderr, flush=True)


def _prepare_streams() -> None:
    """Let no closed stream, and no character that an encoding lacks, end a command.

    Files and pipes become UTF-8, which every command reads again: the encoding of the region may
    not hold the text. A terminal has its own encoding.
    """
    # Streams that the parent process has closed are None.
    if sys.stdout is None or sys.stdout.closed:
        sys.stdout = open(os.devnull, "w")  # noqa: SIM115
    if sys.stderr is None or sys.stderr.closed:
        sys.stderr = open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is None:
            continue
        if not is_terminal(stream):
            reconfigure(encoding="utf-8")
        reconfigure(errors="replace")


def _fail(message: str, code: int = EXIT_ERROR) -> int:
    # Names of files may hold line ends; the message stays one line.
    print("error:", printable(" ".join(message.splitlines()), sys.stderr), file=sys.stderr)
    return code


def _wrong_usage(error: Any, arguments: Sequence[str]) -> int:
    """Tell in one line what is wrong; the wording of typer and click differs by version."""
    context = getattr(error, "ctx", None)
    words = ["fastlm", *(word for word in arguments[:1] if not word.startswith("-"))]
    path = " ".join(words) if context is None else context.command_path
    message = str(error.format_message()).rstrip(".").replace(". Did you mean", "; did you mean")
    given = _option_given(getattr(error, "param", None), arguments)
    if hasattr(error, "possibilities"):  # for an option that there is not
        near = _nearest_option(error.option_name, context)
        more = f"; did you mean {near}?" if near else ""
        message = f"No such option: {error.option_name}{more}"
        files = [each for each in arguments if each[:1] == "-" and os.path.exists(each)]
        if files and files[0].startswith(error.option_name):
            message += f"; the file of that name is {shell_path(files[0])}"
    elif given:
        number = "a whole number" if " int" in message else "a number"
        message = f"{given[0]} is {reprlib.repr(given[1])}; give {number}"
    code = int(getattr(error, "exit_code", EXIT_USAGE))
    return _fail(message if message.endswith("?") else f"{message}; see {path} --help", code)


def _nearest_option(name: str, context: Any) -> str | None:
    """Return the option that a name most likely means; also by its name in other libraries."""
    options = [] if context is None else [o for each in context.command.params for o in each.opts]
    known = {o[2:].replace("-", "_"): o for o in options if o.startswith("--")}
    near = nearest_name(name.lstrip("-").replace("-", "_"), known)
    return known[near] if near else None


def _option_given(option: Any, arguments: Sequence[str]) -> tuple[str, str] | None:
    """Return the name and the value of an option among the arguments."""
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
    (plot, "plot"),
    (report, "report"),
    (demo, "demo"),
    (prepare, "prepare"),
    (index, "index"),
    (find, "find"),
    (export, "export"),
    (score, "score"),
    (rescore, "rescore"),
    (calibrate, "calibrate"),
    (mix, "mix"),
    (bench, "bench"),
    (compile_command, "compile"),
):
    app.command(_name, cls=Command)(_interruptible(_until_closed(_function)))
