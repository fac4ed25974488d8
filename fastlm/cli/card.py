"""The card of a run: its quality, time and size in a few lines that can be posted."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from fastlm._version import __version__
from fastlm.callbacks import Callback, Start
from fastlm.display.figures import plural, time_text
from fastlm.text.compression import compressed_sizes
from fastlm.text.documents import is_one_document

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fastlm.api.language_model import LanguageModel

__all__ = ["RunFacts", "card"]

# Bytes of text to compress, which xz does in half a second; and the tokens decoded for them.
_MOST_BYTES = 1 << 20
# What stands for the end of a document in the text, as it counts for bits per character.
_ENDS = {"lines": "\n", "paragraphs": "\n\n"}


class RunFacts(Callback):
    """What a card says of a run and its model does not."""

    start: Start | None = None

    def on_start(self, start: Start) -> None:
        """Keep the facts."""
        self.start = start


def card(lm: LanguageModel, start: Start) -> list[str]:
    """Return the lines of the card of a trained model, of which ``start`` has the facts.

    Bits per character are compared with those of gzip and xz on the same text, but for words,
    which do not say what stands between them.
    """
    from fastlm.bench.machine import processor_name

    assert lm.result is not None
    lines = []
    if lm.result.best is not None and start.valid_ids is not None:
        lines = _quality(lm, lm.details.get("valid_loss", lm.result.best.loss), start.valid_ids)
    time = time_text(float(f"{lm.result.elapsed:.2g}"))
    counts = "" if lm.counts is None else f", {sum(lm.counts.counts):,} n-grams"
    return [
        *lines,
        f"{time}, {plural(start.threads, 'core')} ({processor_name()}), "
        f"{lm.params.size:,} parameters{counts}",
        f"{start.corpus or 'text in memory'}; fastlm {__version__}",
    ]


def _quality(lm: LanguageModel, loss: float, ids: NDArray[Any]) -> list[str]:
    tokenizer = lm.tokenizer
    if tokenizer.kind in ("word", "whitespace"):
        unknown = float((ids == tokenizer.unk_id).mean())
        said = f", {unknown:.1%} of them unknown" if unknown else ""
        return [f"perplexity {math.exp(loss):,.1f} on {len(ids):,} unseen words{said}"]
    counted = ids[:_MOST_BYTES]
    text = tokenizer.decode(counted, boundary=_ENDS.get(lm.documents, ""))
    tokens = len(counted)
    if is_one_document(lm.documents):  # its end is not predicted
        tokens -= int((counted == tokenizer.boundary_id).sum())
    data = text.encode()[:_MOST_BYTES]
    characters = len(data.decode(errors="ignore"))
    others = ", ".join(
        f"{name} {8 * size / characters:.3f}" for name, size in compressed_sizes(data)
    )
    whole = len(counted) == len(ids) and len(data) == len(text.encode())
    noun = {"char": "character", "byte": "byte"}.get(tokenizer.kind, "token")
    return [
        f"{loss * tokens / math.log(2) / len(text):.3f} bits per character on "
        f"{plural(len(ids), f'unseen {noun}')}",
        f"{others} on {'the same text' if whole else 'the first MB of it'}",
    ]
