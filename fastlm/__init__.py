"""fastlm: small neural language models on a CPU."""

from fastlm._version import __version__

__all__ = ["__version__"]
