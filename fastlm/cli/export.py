"""`fastlm export`: a model for other programs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fastlm.checks import check_choice
from fastlm.cli.options import ModelArgument, check_output
from fastlm.errors import ConfigError

__all__ = ["export"]


def export(
    model: ModelArgument,
    to: Annotated[
        str,
        typer.Option(
            metavar="FORMAT",
            help="onnx (needs the extra onnx); safetensors, the model without what a checkpoint "
            "has besides; or tokenizer, as JSON.",
            show_default=False,
        ),
    ],
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="FILE", help="Write here.", show_default=False),
    ],
) -> None:
    """Write a model, or its tokenizer, for another program."""
    from fastlm.api.export import FORMATS
    from fastlm.api.export import export as write
    from fastlm.api.language_model import LanguageModel

    check_choice("--to", to, FORMATS)  # before the model is read
    _check_output(output, to)
    write(LanguageModel.load(model), output, to)


def _check_output(path: Path, to: str) -> None:
    """Refuse to replace what is not an earlier export of the same kind."""
    if to == "safetensors" or not path.is_file():
        check_output(path)
        return
    with path.open("rb") as file:
        start = file.read(200)
    # The first field of an ONNX file is its version, the second one who made it; the JSON form of a
    # tokenizer has its keys in the order of the alphabet.
    ours = start[2:10] == b"\x12\x06fastlm" if to == "onnx" else b'"kind": "' in start
    if start and not ours:
        raise ConfigError(
            f"{path} exists and is no {to} file of fastlm, so it is not overwritten; name another "
            "file with -o, or remove it"
        )
