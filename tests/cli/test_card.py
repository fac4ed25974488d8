"""The card of a run: figures that agree with their definitions, and fit narrow pages."""

from __future__ import annotations

import gzip
import lzma
import math

import numpy as np
import pytest

from fastlm._version import __version__
from fastlm.callbacks import Result, Start, Validation
from fastlm.cli.card import card
from fastlm.config import ModelConfig, TrainingConfig
from fastlm.text.compression import compressed_sizes

from .conftest import TEXT, make_model


def lines_of(lm, ids, loss=1.5, elapsed=90.0):
    best = None if loss is None else Validation(20, 1.0, 1.0, loss, math.exp(loss), 1.9, True)
    lm.result = Result("finished", 20, 1.0, elapsed, 160, 160.0, 1.9, best)
    start = Start(
        ModelConfig(vocab=9), TrainingConfig(), 4, 100, 50, 20, 2, False,
        corpus="a.txt (1.0 kB)", valid_ids=ids,
    )  # fmt: skip
    return card(lm, start)


def bits(size, text):
    return f"{8 * size / len(text):.3f}"


@pytest.mark.parametrize(("kind", "noun"), [("char", "characters"), ("byte", "bytes")])
def test_bits_are_compared_with_compressors_on_the_same_text(kind, noun):
    lm = make_model(kind=kind)
    ids = lm.tokenizer.encode(TEXT)
    quality, others, machine, version = lines_of(lm, np.append(ids, lm.tokenizer.boundary_id))
    assert quality == (
        f"{1.5 / math.log(2):.3f} bits per character on {len(ids) + 1:,} unseen {noun}"
    )
    data = TEXT.encode()
    packed, xz = len(gzip.compress(data, 9)), len(lzma.compress(data))
    assert others == f"gzip {bits(packed, TEXT)}, xz {bits(xz, TEXT)} on the same text"
    assert machine.startswith("1.5 minutes, 2 cores (")
    assert machine.endswith(f", {lm.params.size:,} parameters")
    assert version == f"a.txt (1.0 kB); fastlm {__version__}"


def test_the_end_of_a_line_is_a_character():
    lm = make_model(documents="lines")
    ids = lm.tokenizer.encode_documents(["the dog", "sleeps"])
    quality, *_ = lines_of(lm, ids, loss=2 * math.log(2))
    assert quality == "2.000 bits per character on 15 unseen characters"


def test_long_text_is_compressed_in_part(monkeypatch):
    monkeypatch.setattr("fastlm.cli.card._MOST_BYTES", 100)
    lm = make_model()
    _, others, *_ = lines_of(lm, lm.tokenizer.encode(TEXT))
    assert others.endswith(" on the first MB of it")
    assert others.startswith(f"gzip {bits(len(gzip.compress(TEXT[:100].encode(), 9)), 'x' * 100)},")


def test_words_have_a_perplexity_and_unknown_ones():
    lm = make_model(kind="word")
    quality, machine, _ = lines_of(lm, lm.tokenizer.encode("the dog jumps over Zork"), elapsed=60)
    assert quality == "perplexity 4.5 on 5 unseen words, 20.0% of them unknown"
    assert machine.startswith("1 minute, 2 cores")
    assert len(lines_of(lm, None, loss=None)) == 2


def test_a_python_without_xz(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "lzma", None)
    assert [name for name, _ in compressed_sizes(b"text")] == ["gzip"]
