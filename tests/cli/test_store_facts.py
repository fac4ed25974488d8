"""What is said of a token store."""

from __future__ import annotations

import json

import fastlm
from fastlm.cli.store_facts import store_facts, store_lines


def test_facts_and_lines_of_a_store(tmp_path):
    text = "the cat sat on the mat\nthe dog sat on the log\n" * 9
    store = fastlm.prepare(
        None, tmp_path / "s.tokens", texts=[text], tokenizer="word", min_count=10, valid=0
    )
    facts = json.loads(json.dumps(store_facts(store)))
    assert facts["tokenizer"] == {"kind": "word", "vocab": store.tokenizer.vocab_size}
    assert facts["train"] == {
        "tokens": 109, "documents": 1, "characters": len(text), "bytes": len(text), "unknown": 36,
    }  # fmt: skip
    assert facts["valid"]["tokens"] == 0
    lines = dict(store_lines(store))
    assert lines["unknown"] == "36 of the training tokens (33.03%)"
    assert lines["vocabulary"] == f"{store.tokenizer.vocab_size} tokens (word)"
    assert lines["tokens"] == "109 to train on"
