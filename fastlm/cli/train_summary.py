"""The summary after `fastlm train`: quality, file, sample, and what to do next."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

from fastlm.cli.options import shell_path, shell_quote
from fastlm.display.figures import quality_text, size_text
from fastlm.display.screen import printable

if TYPE_CHECKING:
    from fastlm.api.language_model import LanguageModel

__all__ = ["summarise"]

_SAMPLE_TEMPERATURE = 0.8


def summarise(lm: LanguageModel, output: Path, *, sample: bool) -> None:
    """Print the quality of a trained model, its file, a sample if wanted, and the next commands."""
    print(file=sys.stderr)
    assert lm.result is not None
    if lm.result.best is not None:
        print(f"{'validation':<12}{quality_text(lm.result.best.loss, lm.tokenizer.kind)}")
    print(f"{'saved':<12}{output}, {size_text(output.stat().st_size)}")
    if sample:
        print("sample")
        for line in _sample(lm).splitlines():
            print(printable(f"  {line}".rstrip(), sys.stdout))
    name = shell_path(output)
    print("next")
    print(f"  fastlm generate {name} --prompt {shell_quote(_prompt(lm))}")
    print(f"  fastlm eval {name} FILE")


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
