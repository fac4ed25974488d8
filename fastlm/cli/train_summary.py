"""The summary after `fastlm train`: quality, file, sample, and what to do next."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from fastlm.callbacks import Start
from fastlm.cli.card import card
from fastlm.cli.options import shell_path, shell_quote
from fastlm.display.figures import quality_text, size_text
from fastlm.display.screen import describe, printable, terminal_columns

if TYPE_CHECKING:
    from fastlm.api.language_model import LanguageModel

__all__ = ["summarise"]

_SAMPLE_TEMPERATURE = 0.8


def summarise(lm: LanguageModel, output: Path, start: Start | None, *, sample: bool) -> None:
    """Print the quality of a trained model, its files, a sample if wanted, and the next commands.

    With the facts of its start there is also a card (``fastlm.cli.card``).
    """
    from fastlm.training.run_files import checkpoint_beside, metrics_beside

    out = sys.stdout
    print(file=sys.stderr)
    loss = lm.details.get("valid_loss")
    if loss is not None:
        describe(out, "validation", quality_text(loss, lm.tokenizer.kind))
    describe(out, "saved", f"{output}, {size_text(output.stat().st_size)}")
    files = {
        checkpoint_beside(output): "to continue with --resume",
        metrics_beside(output): "losses, as JSON lines",
    }
    # Without a checkpoint of this run, these are those of an earlier one.
    written = lm.result is not None and lm.result.checkpoint is not None
    for path, what in files.items() if written else ():
        if path.is_file():
            describe(out, "", f"{path}, {what}")
    if sample:
        print("sample")
        _print_indented(_sample(lm).splitlines())
    if sample and start is not None:
        print("card")
        _print_indented(card(lm, start))
    name = shell_path(output)
    print("next")
    print(f"  fastlm generate {name} --prompt {shell_quote(_prompt(lm))}")
    print(f"  fastlm eval {name} FILE")


def _print_indented(lines: Iterable[str]) -> None:
    """Print lines with two spaces before each; on a terminal their words wrap."""
    columns = terminal_columns(sys.stdout)
    for line in lines:
        line = printable(line, sys.stdout)
        rows = [line] if columns is None else textwrap.wrap(line, columns - 3) or [""]
        for row in rows:
            print(f"  {row}".rstrip())


def _sample(lm: LanguageModel) -> str:
    """Generate about 200 characters or 60 words; the same for the same model."""
    length = 200 if lm.tokenizer.kind in ("char", "byte") else 60
    seed = lm.training.seed if lm.training is not None else 0
    if lm.documents == "lines":
        texts = lm.sample(5, length=length, temperature=_SAMPLE_TEMPERATURE, seed=seed)
        return "\n".join(texts)
    text: str = lm.generate(length=length, temperature=_SAMPLE_TEMPERATURE, seed=seed)
    return text


def _prompt(lm: LanguageModel) -> str:
    """Return a prompt that this model knows, else a placeholder."""
    from fastlm.errors import TokenizerError

    try:
        known = lm.tokenizer.unk_id not in lm.tokenizer.encode("The ").tolist()
    except TokenizerError:
        known = False
    return "The " if known else "TEXT"
