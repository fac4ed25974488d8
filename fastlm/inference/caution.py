"""A warning where the scores of texts cannot mean much."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable

import numpy as np

from fastlm.errors import TokenizerError
from fastlm.inference.text_model import TextModel
from fastlm.wording import setting

__all__ = ["Caution", "unknown_message"]

# The share of tokens that the model does not know from which on its scores mean little.
_MOST_UNKNOWN = 0.1

# Tokens after which the share is judged, if no more are known to be the last.
_ENOUGH_TOKENS = 1000

# Characters of the texts that are looked at closely, and the share of the letters of a vocabulary
# from which on the model knows their script.
_SAMPLE = 20_000
_KNOWN_SCRIPT = 0.05


def unknown_message(oov: int, tokens: int) -> str | None:
    """Return what a person should know where many tokens are unknown; None where few are."""
    share = oov / max(tokens, 1)
    if share <= _MOST_UNKNOWN:
        return None
    return (
        f"{share:.0%} of the tokens are unknown to the model's vocabulary; its scores mean little: "
        "use a model of such text"
    )


class Caution:
    """Looks at what is scored, and says once where the figures cannot mean much.

    Parameters
    ----------
    model : TextModel
    """

    def __init__(self, model: TextModel) -> None:
        self._model = model
        self._tokens = self._oov = 0
        self._texts = self._short = 0
        self._sample: list[str] = []
        self._left = _SAMPLE
        self._said = False

    def add(self, texts: Iterable[str | None], tokens: Iterable[int], oov: int) -> None:
        """Take texts with the tokens of each, and how many of these are unknown."""
        span = self._model.span
        for text, count in zip(texts, tokens, strict=True):
            if not text:
                continue
            self._texts += 1
            self._tokens += count
            self._short += count < span
            if self._left > 0:
                self._sample.append(text[: self._left])
                self._left -= len(text)
        self._oov += oov

    def message(self, *, at_end: bool = False) -> str | None:
        """Return what a person should know, at most once.

        Parameters
        ----------
        at_end : bool
            Whether no more texts come; without it, the first thousand tokens are waited for.
        """
        if self._said or not self._texts or (self._tokens < _ENOUGH_TOKENS and not at_end):
            return None
        found = self._unknown() or (self._too_short() if at_end else None)
        self._said = found is not None or not self._left > 0
        return found

    def _unknown(self) -> str | None:
        sample = "".join(self._sample)
        scripts = _scripts(sample)
        (script, letters) = scripts.most_common(1)[0] if scripts else ("", 0)
        mostly = letters > scripts.total() / 2
        if mostly and self._lacks(script):
            return (
                f"most letters of the text are {script.capitalize()}, which the model's vocabulary "
                "does not have; its scores mean little: use a model of such text"
            )
        unknown = unknown_message(self._oov, self._tokens)
        if unknown:
            return unknown
        unseen = self._unseen(sample)
        if unseen > _MOST_UNKNOWN:
            of = f" ({script.capitalize()} letters)" if mostly else ""
            return (
                f"{unseen:.0%} of the tokens did not occur in the model's training{of}; its scores "
                "mean little: use a model of such text"
            )
        return None

    def _lacks(self, script: str) -> bool:
        """Whether a vocabulary of characters or words has next to no letter of a script."""
        tokenizer = self._model.tokenizer
        if tokenizer.kind not in ("char", "word", "whitespace"):
            return False
        known = _scripts("".join(tokenizer.vocabulary.symbols)[: 10 * _SAMPLE])
        return bool(known) and known[script] < _KNOWN_SCRIPT * known.total()

    def _unseen(self, sample: str) -> float:
        """Return the share of tokens that did not occur in training, as far as is known."""
        seen = self._model.seen.tokens
        if seen is None or not sample:
            return 0.0
        try:
            ids = self._model.tokenizer.encode(sample)
        except TokenizerError:
            return 0.0
        return float(np.mean(~seen[ids])) if ids.size else 0.0

    def _too_short(self) -> str | None:
        # Where documents are lines or paragraphs, the model has learnt from short ones.
        if self._short < self._texts or self._model.documents not in ("file", "stream"):
            return None
        return (
            f"every text is shorter than the model's context of {self._model.span} tokens; "
            "its scores mean little: score longer texts, or train with "
            f"{setting('documents', 'lines')}"
        )


def _scripts(text: str) -> Counter[str]:
    """Return how many letters of each script there are, by the first word of their names."""
    letters = Counter(filter(str.isalpha, text))
    scripts: Counter[str] = Counter()
    for letter, count in letters.items():
        scripts[unicodedata.name(letter, "unknown").split()[0]] += count
    return scripts
