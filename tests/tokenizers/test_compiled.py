"""Compiled encoders and counters, against the tokenizers in Python."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from fastlm.errors import TokenizerError
from fastlm.text.documents import split_documents
from fastlm.tokenizers import build_tokenizer
from fastlm.tokenizers.blocks import compiled_encoder
from fastlm.tokenizers.compiled import compiled_counter, count_ids, kernels_ready

from .samples import SAMPLES

TEXT = "\n\n".join(SAMPLES.values()).replace("\r", "") + "\nΟΔΟΣ ΌΔΟΣ. İSTANBUL Σ\n"

SETTINGS = [
    ("char", {}),
    ("char", {"lowercase": True}),
    ("word", {}),
    ("word", {"lowercase": True, "pattern": "mini"}),
    ("whitespace", {"lowercase": True}),
    ("byte", {}),
]


@pytest.mark.parametrize("boundary", [True, False])
@pytest.mark.parametrize("documents", ["lines", "paragraphs"])
@pytest.mark.parametrize(("kind", "options"), SETTINGS)
def test_ids_of_documents(kind: str, options: dict, documents: str, boundary: bool) -> None:
    limit = {} if kind == "byte" else {"max_vocab": 60}
    tokenizer = build_tokenizer(kind, [TEXT], boundary=boundary, **options, **limit)
    encoder = compiled_encoder(tokenizer, documents)
    assert encoder is not None
    expected = tokenizer.encode_documents(split_documents(TEXT, documents))
    for _ in range(2):  # the scratch arrays are used again
        ids = encoder.encode(TEXT.encode())
        assert ids.dtype == tokenizer.dtype
        assert np.array_equal(ids, expected)


@pytest.mark.parametrize(
    ("kind", "options"),
    [("word", {"pattern": "mini"}), ("word", {"lowercase": True}), ("whitespace", {})],
)
def test_line_ends_as_tokens(kind: str, options: dict) -> None:
    tokenizer = build_tokenizer(kind, [TEXT], line_ends=True, **options)
    encoder = compiled_encoder(tokenizer, "stream")
    assert encoder is not None
    ids = encoder.encode(TEXT.encode())
    assert np.array_equal(ids, tokenizer.encode(TEXT))
    assert (ids == tokenizer.id_of("\n")).sum() == TEXT.count("\n")
    counter = compiled_counter(
        kind, tokenizer.lowercase, options.get("pattern", "unicode"), "stream", True
    )
    counter.add(TEXT.encode())
    assert counter.counts() == Counter(map(tokenizer.token, ids.tolist()))


@pytest.mark.parametrize("kind", ["char", "word", "whitespace"])
def test_counts(kind: str) -> None:
    counter = compiled_counter(kind, False, "mini", "file")
    counter.add(TEXT.encode())
    tokenizer = build_tokenizer(kind, [TEXT], **({"pattern": "mini"} if kind == "word" else {}))
    assert counter.counts() == Counter(map(tokenizer.token, tokenizer.encode(TEXT)))


@pytest.mark.parametrize(
    ("kind", "text", "message"),
    [
        ("char", "ab?", r"^the character '\?' \(U\+003F\) is not among the 4 symbols"),
        ("word", "a bird b", "^'bird' is not among the 3 symbols"),
        ("whitespace", "a bird b", "^'bird' is not among the 3 symbols"),
    ],
)
def test_unknown_without_unk(kind: str, text: str, message: str) -> None:
    encoder = compiled_encoder(build_tokenizer(kind, ["a b ab"], unk=False), "file")
    assert encoder is not None
    with pytest.raises(TokenizerError, match=message):
        encoder.encode(text.encode())


def test_ids_of_two_bytes_and_of_four_are_counted() -> None:
    for dtype in (np.uint16, np.uint32):
        counts = np.array([1, 0, 0])
        count_ids(counts, np.array([2, 0, 2], dtype=dtype))
        assert counts.tolist() == [2, 0, 2]


def test_bpe_has_no_compiled_encoder() -> None:
    pytest.importorskip("tokenizers")
    assert compiled_encoder(build_tokenizer("bpe", [TEXT]), "file") is None


def test_kernels_that_ran_are_ready() -> None:
    test_ids_of_documents("word", {}, "lines", True)
    from fastlm_kernels.runtime.jit import JIT_DISABLED

    if not JIT_DISABLED:
        assert kernels_ready()


def test_small_texts_load_no_kernels() -> None:
    code = (
        "import sys; from fastlm.tokenizers import build_tokenizer\n"
        "build_tokenizer('word', ['a b']).encode('a b c')\n"
        "print('numba' in sys.modules, 'fastlm.tokenizers.compiled' in sys.modules)"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False False\n"
