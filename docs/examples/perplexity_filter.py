"""Keep the records of a JSON lines file whose text a model finds likely.

    python perplexity_filter.py MODEL IN.jsonl OUT.jsonl MAX_PERPLEXITY

The same as ``fastlm score MODEL IN.jsonl --max-perplexity X``, to be changed at will. Memory stays
constant: records are scored as they are read, in batches.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from itertools import tee

import fastlm


def likely(lm: fastlm.LanguageModel, records: Iterator[dict], limit: float) -> Iterator[dict]:
    """The records with a perplexity of at most ``limit``; unknown tokens are left out of it."""
    records, ahead = tee(records)
    for record, score in zip(records, lm.score(r["text"] for r in ahead), strict=True):
        if score.perplexity_without_oov <= limit and score.oov <= 0.1 * score.tokens:
            yield record


def main(model: str, source: str, target: str, limit: str) -> None:
    lm = fastlm.load(model)
    part = f"{target}.part"
    with open(source, encoding="utf-8") as lines, open(part, "w", encoding="utf-8") as out:
        for record in likely(lm, map(json.loads, lines), float(limit)):
            out.write(json.dumps(record, ensure_ascii=False) + "\n")
    os.replace(part, target)  # whole or not at all


if __name__ == "__main__":
    main(*sys.argv[1:])
