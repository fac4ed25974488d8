"""The command `fastlm compile`: all kernels ahead of time."""

from __future__ import annotations

from fastlm.cli.config_file import ConfigOption

__all__ = ["compile_command"]


def compile_command(config: ConfigOption = None) -> None:
    """Compile all kernels now, so that no later start has to; for building an image.

    They are kept inside the installed package, where every user of it finds them, or, if its
    folder cannot be written, in your cache folder.
    """
    from rich.console import Console

    with Console(stderr=True).status("compiling the kernels, half a minute or so"):
        from fastlm.api.compile import compile_kernels

        done = compile_kernels()
    print(
        f"{done.kernels} kernels, {done.size / 1e6:.1f} MB in {done.folder} ({done.seconds:.0f} s)"
    )
