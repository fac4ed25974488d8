"""Explanations: a text with the bits that each of its parts took."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

import numpy as np

from fastlm.checks import shown
from fastlm.inference.scores import SCORE_FIGURES, Score
from fastlm.inference.scoring import score_texts
from fastlm.inference.spans import Part, Span, joined_parts, spans_of
from fastlm.inference.text_model import TextModel
from fastlm.system.html_pages import coloured_text, figure_text
from fastlm.system.json_values import finite_values

__all__ = ["Explanation", "explain_texts", "spans_as_json"]

_BATCH_CHARS = 1 << 14  # so that the first explanation comes soon


class Explanation:
    """A text, its score, and how surprising each part of it was.

    Attributes
    ----------
    text : str
        As it was given.
    score : Score
        With its tokens.
    """

    def __init__(self, text: str, score: Score) -> None:
        self.text = text
        self.score = score

    @cached_property
    def spans(self) -> list[Span]:
        """The parts of the text that the tokens stand for, in order.

        ``text[span.start : span.stop]`` is the part. What lies between them was not predicted:
        spaces among words, and the first C tokens of a model without a boundary token.
        """
        score = self.score
        if score.token_offsets is None:
            return []
        assert score.token_log_probs is not None
        assert score.token_strings is not None
        return spans_of(score.token_offsets, score.token_log_probs, score.token_strings)

    @property
    def bits(self) -> np.ndarray[Any, np.dtype[np.float64]]:
        """The bits of each span, float64[spans]."""
        return np.array([span.bits for span in self.spans], dtype=np.float64)

    def parts(self) -> Iterator[Part]:
        """Yield all of the text in parts that can be drawn, each with its bits or None."""
        return joined_parts(self.text, self.spans)

    def to_dict(self) -> dict[str, Any]:
        """Return the text, its figures and its spans, as JSON has them."""
        figures = finite_values({name: getattr(self.score, name) for name in SCORE_FIGURES})
        return {"text": self.text, **figures, "spans": spans_as_json(self)}

    def to_html(self) -> str:
        """Return the text as HTML, each part the redder, the more bits it took."""
        return coloured_text(self.parts())

    def to_svg(self) -> str:
        """Return the text as a picture, each part the redder, the more bits it took."""
        from fastlm.display.strip import strip

        return strip([(self.score.perplexity, self.parts())])

    def _repr_html_(self) -> str:
        perplexity = figure_text(self.score.perplexity)
        return f"<div>perplexity {perplexity}</div>{self.to_html()}"

    def __repr__(self) -> str:
        perplexity = figure_text(self.score.perplexity)
        return (
            f"Explanation({shown(self.text)}, perplexity={perplexity}, {len(self.spans):,} spans)"
        )


def spans_as_json(explanation: Explanation) -> list[dict[str, Any]]:
    """Return the spans of a text as JSON has them; bits have four digits after the point."""
    return [
        {
            "start": span.start,
            "stop": span.stop,
            "text": explanation.text[span.start : span.stop],
            "bits": round(span.bits, 4),
            "tokens": span.tokens,
        }
        for span in explanation.spans
    ]


def explain_texts(
    model: TextModel, texts: Iterable[str], count_end: bool | None, threads: int
) -> Iterator[Explanation]:
    """Yield the explanation of each text, in order; see ``LanguageModel.score``."""
    given: deque[str] = deque()  # those whose scores have not come yet

    def noted() -> Iterator[str]:
        for text in texts:
            given.append(text)
            yield text

    scores = score_texts(
        model,
        noted(),
        return_tokens=True,
        count_end=count_end,
        batch_chars=_BATCH_CHARS,
        threads=threads,
    )
    return (Explanation(given.popleft(), score) for score in scores)
