"""Add scores to a Hugging Face dataset, in several processes.

    python datasets_map.py MODEL IN.jsonl OUT.jsonl

Each process loads the model itself, which takes milliseconds, so nothing has to be pickled. With a
process per core, one thread each is best.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import fastlm


def add_scores(batch: dict[str, list[Any]], model: str) -> dict[str, Any]:
    """The new columns of a batch, as ``Dataset.map(..., batched=True)`` wants them."""
    scores = fastlm.load(model).score_arrays(batch["text"], threads=1)
    return {
        "log_prob": scores.log_prob,
        "tokens": scores.tokens,
        "perplexity": scores.perplexity,
    }


def main(model: str, source: str, target: str) -> None:
    from datasets import load_dataset

    data = load_dataset("json", data_files=source, split="train")
    data = data.map(
        add_scores,
        batched=True,
        batch_size=10_000,
        num_proc=os.cpu_count(),
        fn_kwargs={"model": model},
    )
    data.to_json(target)


if __name__ == "__main__":
    main(*sys.argv[1:])
