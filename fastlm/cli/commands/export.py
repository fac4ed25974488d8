"""`fastlm export`: a model for other programs."""

from __future__ import annotations

import sys
import zlib
from pathlib import Path
from typing import Annotated

import typer

from fastlm.checks import check_choice
from fastlm.cli.config_file import ConfigOption
from fastlm.cli.options import ModelArgument, check_output
from fastlm.display.figures import size_text
from fastlm.display.screen import describe

__all__ = ["export"]


_KINDS = {
    "arpa": "an ARPA file",
    "onnx": "an ONNX file",
    "safetensors": "a model",
    "tokenizer": "a tokenizer file",
}


def export(
    model: ModelArgument,
    to: Annotated[
        str,
        typer.Option(
            metavar="FORMAT",
            help="onnx (needs the onnx library); arpa, the counts; safetensors, a checkpoint's "
            "model alone; or tokenizer, as JSON.",
            show_default=False,
            autocompletion=lambda: list(_KINDS),
        ),
    ],
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="FILE", help="Write here.", show_default=False),
    ],
    config: ConfigOption = None,
) -> None:
    """Write a model, or its tokenizer, for another program."""
    from fastlm.api.export import FORMATS, left_out
    from fastlm.api.export import export as write
    from fastlm.api.language_model import LanguageModel

    check_choice("--to", to, FORMATS)  # before the model is read
    is_own = {"arpa": _is_arpa, "onnx": _is_onnx, "tokenizer": _is_tokenizer}.get(to)
    check_output(output, is_own, what=_KINDS[to])
    lm = LanguageModel.load(model)
    write(lm, output, to)
    describe(sys.stdout, "saved", f"{output}, {size_text(output.stat().st_size)}")
    missing = left_out(lm, to)
    if missing is not None:
        print(f"note: {missing}", file=sys.stderr)


def _is_arpa(path: Path) -> bool:
    start = _start(path)
    if start.startswith(b"\x1f\x8b"):
        start = zlib.decompressobj(wbits=31).decompress(start, 6)
    return start.startswith(b"\\data\\")


def _is_onnx(path: Path) -> bool:
    # The first field of an ONNX file is its version, the second the program that made it.
    return _start(path)[2:10] == b"\x12\x06fastlm"


def _is_tokenizer(path: Path) -> bool:
    # The keys of a tokenizer's JSON are sorted.
    return b'"kind": "' in _start(path)


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(200)
