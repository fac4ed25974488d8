"""The command line: `fastlm train`, `fastlm generate`, `fastlm eval`."""

from fastlm.cli.app import main

__all__ = ["main"]
