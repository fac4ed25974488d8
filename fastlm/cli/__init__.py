"""The command line: `fastlm train`, `fastlm generate`, `fastlm eval`."""

from __future__ import annotations

TYPE_CHECKING = False  # as in fastlm/__init__.py
if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; see `fastlm.cli.app.main`."""
    # Imported here: Ctrl-C is quiet while the commands are loaded, which takes 0.15 s. What comes
    # before takes a millisecond.
    try:
        from fastlm.cli.app import main as run

        return run(arguments)
    except KeyboardInterrupt:
        return 130
