"""The frame of the command line: help, version, wrong usage, and errors in one line."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys

import pytest
import typer

import fastlm
from fastlm.cli import app as frame
from fastlm.errors import CorpusError

from .conftest import assert_one_line, make_model

HEAVY = ("numpy", "numba", "scipy", "safetensors", "rich")


def python(*arguments: str, **options) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        **options,
    )


@pytest.fixture
def failing(monkeypatch):
    """A command `fail` that raises what it is given."""

    def install(error: BaseException) -> None:
        application = typer.Typer()

        @application.callback()
        def root() -> None: ...

        @application.command()
        def fail() -> None:
            raise error

        monkeypatch.setattr(frame, "app", application)

    return install


def test_help_lists_the_commands(run):
    outcome = run("--help")
    assert outcome.code == 0
    for command in ("train", "generate", "eval", "score", "prepare", "export", "inspect"):
        assert command in outcome.out
    assert "--install-completion" in outcome.out


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from fastlm.cli import main; code = main(['--help']); "
        f"print('heavy:', [name for name in {HEAVY} if name in sys.modules]); sys.exit(code)"
    )
    done = python("-c", code)
    assert done.returncode == 0, done.stderr
    assert "heavy: []" in done.stdout


@pytest.mark.parametrize(
    "command", ["train", "generate", "eval", "score", "prepare", "export", "inspect", "bench"]
)
def test_each_command_has_help(run, command):
    outcome = run(command, "--help")
    assert outcome.code == 0
    assert "Usage: fastlm " + command in outcome.out
    assert "--config" in outcome.out


def test_train_help_names_the_defaults(run):
    text = " ".join(run("train", "--help").out.split())
    for default in (
        "(default: 8 characters",
        "(default concat)",
        "(default 256; words 512)",
        "(default 0.9)",
    ):
        assert default in text


@pytest.mark.thorough
@pytest.mark.skipif(os.name == "nt", reason="a shell of POSIX")
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize(
    "arguments",
    [
        "generate m.safetensors --length 3 --json",
        "score m.safetensors corpus.txt",
        "eval m.safetensors corpus.txt",
        "train corpus.txt --steps 2 --hidden 8 -o t.safetensors",
        "prepare corpus.txt",
        "inspect m.safetensors",
        "--version",
    ],
)
def test_closed_streams_are_no_error(closed, arguments, corpus, tmp_path):
    make_model().save(tmp_path / "m.safetensors")
    command = f'"{sys.executable}" -m fastlm {arguments} {closed}'
    done = subprocess.run(
        command, shell=True, timeout=60, check=False, cwd=tmp_path, stderr=subprocess.PIPE
    )
    assert (done.returncode, b"Traceback" in done.stderr) == (0, False)
    assert (tmp_path / "t.safetensors").exists() == arguments.startswith("train")


@pytest.mark.parametrize("name", ["stdout", "stderr"])
def test_a_stream_that_this_process_closed(name, model, monkeypatch):
    for stream in (None, io.TextIOWrapper(io.BytesIO())):
        if stream is not None:
            stream.close()
        with monkeypatch.context() as patched:
            patched.setattr(sys, name, stream)
            assert frame.main(["generate", str(model), "--length", "3"]) == 0
            getattr(sys, name).close()


def test_ctrl_c_while_the_commands_are_loaded_is_quiet():
    """From the first import of fastlm on; before it, Python itself is starting."""
    code = (
        "import builtins, os, signal, sys\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # ignored behind a shell's &
        "load = builtins.__import__\n"
        "def interrupted(name, *arguments):\n"
        "    if name == sys.argv[1]: os.kill(os.getpid(), signal.SIGINT)\n"
        "    return load(name, *arguments)\n"
        "from fastlm.cli import main\n"
        "builtins.__import__ = interrupted\n"
        "sys.exit(main(['--version']))\n"
    )
    for name in ("typer", "fastlm.cli.commands.train", "fastlm.config"):
        done = python("-c", code, name)
        assert (done.returncode, done.stderr) == (130, ""), name


def complete(*words: str, shell: str = "bash") -> list[str]:
    """Return what a shell offers for the last word."""
    environment = {
        "_FASTLM_COMPLETE": f"complete_{shell}",
        "COMP_WORDS": " ".join(("fastlm", *words)),
        "COMP_CWORD": str(len(words)),
    }
    done = python("-m", "fastlm", env=os.environ | environment)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.split()


def test_the_shell_completes_commands_options_and_values():
    assert complete("tr") == ["train"]
    assert complete("train", "--tok") == ["--tokenizer"]
    assert complete("train", "--tokenizer", "w") == ["word", "whitespace"]
    assert complete("generate", "m.safetensors", "--documents", "l") == ["lines"]
    # Nothing of ours: the shell offers files.
    assert complete("train", "corp") == []


def test_the_script_of_completion(run, monkeypatch):
    monkeypatch.setattr("shellingham.detect_shell", lambda *_: ("bash", "/bin/bash"))
    outcome = run("--show-completion")
    assert outcome.code == 0, outcome.err
    assert "_FASTLM_COMPLETE=complete_bash" in outcome.out


def test_a_shell_that_nobody_knows(run, monkeypatch):
    monkeypatch.setattr("shellingham.detect_shell", lambda *_: ("zork", "/bin/zork"))
    outcome = run("--show-completion")
    assert outcome.code == 1
    assert outcome.err == "Shell zork not supported.\n"


def test_loading_the_entry_point_loads_no_command():
    code = "import sys; import fastlm.cli; print('typer' in sys.modules)"
    assert python("-c", code).stdout == "False\n"


@pytest.mark.skipif(os.name == "nt", reason="Windows has no such locales")
@pytest.mark.parametrize("as_json", [False, True])
def test_files_are_utf8_in_every_locale(as_json, tmp_path):
    make_model().save(tmp_path / "m.safetensors")
    arguments = ["generate", "m.safetensors", "--prompt", "é猫", "--length", "1"]
    for encoding in ("ascii", "latin-1"):
        done = subprocess.run(
            [sys.executable, "-m", "fastlm", *arguments, *["--json"] * as_json],
            env=os.environ | {"PYTHONIOENCODING": encoding},
            capture_output=True,
            cwd=tmp_path,
            timeout=60,
            check=True,
        )
        assert "é猫" in done.stdout.decode("utf-8")


def test_an_option_that_is_a_file(run, tmp_path):
    (tmp_path / "-x.txt").write_text("text")
    assert_one_line(run("eval", "m.safetensors", "-x.txt"), 2, f"is .{os.sep}-x.txt")


def test_version(run):
    outcome = run("--version")
    assert outcome.code == 0
    assert outcome.out == f"fastlm {fastlm.__version__}\n"


def test_python_m_fastlm():
    done = python("-m", "fastlm", "--version")
    assert (done.returncode, done.stdout) == (0, f"fastlm {fastlm.__version__}\n"), done.stderr


def test_no_command_shows_help_as_wrong_usage(run):
    outcome = run()
    assert outcome.code == 2
    assert "generate" in outcome.out


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (("frobnicate",), ("frobnicate",)),
        (("trian",), ("'trian'; did you mean 'train'?",)),
        (("train", "--hiden", "8"), ("--hiden; did you mean --hidden?",)),
        (("train", "--learning-rate", "8"), ("--learning-rate; did you mean --lr?",)),
        (("train", "--batch_size=8"), ("--batch_size; did you mean --batch?",)),
        (("generate", "m", "--max-new-tokens", "8"), ("did you mean --length?",)),
        (("train", "--lr", "fast"), ("--lr is 'fast'; give a number",)),
        (("train", "--zzyzx"), ("--zzyzx", "fastlm train --help")),
        (
            ("train", "--context", "many"),
            ("--context is 'many'; give a whole number; see",),
        ),
        (
            ("train", "--context=many"),
            ("--context is 'many'; give a whole number; see",),
        ),
        (("train", "--resume=yes"), ("--resume", "fastlm train --help")),
        (("generate",), ("MODEL", "fastlm generate --help")),
        (("eval", "m.safetensors"), ("FILE",)),
        (("train", "a.txt", "-o"), ("-o",)),
    ],
)
def test_wrong_usage_is_one_line_and_2(run, arguments, parts):
    assert_one_line(run(*arguments), 2, *parts)


def test_an_error_of_fastlm_is_one_line_and_1(run, failing):
    failing(CorpusError("a\nb.txt is empty"))
    outcome = run("fail")
    assert (outcome.code, outcome.err) == (1, "error: a b.txt is empty\n")


def test_no_memory_is_one_line(run, failing):
    failing(MemoryError("Unable to allocate 8.00 TiB"))
    assert_one_line(run("fail"), 1, "8.00 TiB", "smaller model")


def test_a_full_disk_is_one_line(run, failing):
    failing(OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)))
    assert_one_line(run("fail"), 1, os.strerror(errno.ENOSPC))


def test_interrupt_is_130(run, failing):
    failing(KeyboardInterrupt())
    outcome = run("fail")
    assert outcome.code == 130
    assert "Traceback" not in outcome.err


def test_a_mistake_in_the_program_is_not_hidden(run, failing):
    failing(ZeroDivisionError())
    with pytest.raises(ZeroDivisionError):
        run("fail")
