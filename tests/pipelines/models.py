"""A model file, and the texts that the tests of engines score."""

from __future__ import annotations

from pathlib import Path

from fastlm.api.language_model import LanguageModel
from tests.inference.models import make_model

TEXTS = ["the cat sat", None, "", "and the dog saw it", "on a mat"]


def saved_model(folder: Path, seed: int = 0) -> str:
    path = folder / "m.safetensors"
    make_model(seed=seed).save(path)
    return str(path)


def expected(name: str, texts=TEXTS, path: str | None = None) -> list:
    """The figures, with None for what is missing or not defined."""
    lm = make_model() if path is None else LanguageModel.load(path)
    given = [text for text in texts if text is not None]
    values = iter(getattr(score, name) for score in lm.score(given))
    found = [None if text is None else next(values) for text in texts]
    return [None if value != value else value for value in found]
