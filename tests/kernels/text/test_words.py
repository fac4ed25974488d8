"""Kernels over UTF-8: each against Python's own way with text."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import config

from fastlm.text.documents import split_documents
from fastlm.tokenizers.character_tables import (
    CODE_POINTS,
    character_classes,
    lower_case_table,
    space_table,
)
from fastlm.tokenizers.compiled import compiled_counter, count_ids
from fastlm.tokenizers.word_pattern import ASSIGNED_PLANES, word_pattern
from fastlm_kernels.text import utf8
from fastlm_kernels.text.utf8 import END, PADDING

TEXTS = st.text(
    alphabet=st.one_of(
        st.sampled_from("aB \n\t\x1c\u00a0\u3000ẞİȺé第😀"),
        st.characters(exclude_categories=["Cs"], exclude_characters="Σ\r"),
    ),
    max_size=60,
)

# As many characters as a slow machine has time for where kernels run as Python.
STEP = 997 if config.DISABLE_JIT else 1


def padded(text: str) -> tuple[np.ndarray, int]:
    encoded = text.encode()
    return np.frombuffer(encoded + bytes([END]) * (PADDING + 1), dtype=np.uint8).copy(), len(
        encoded
    )


def every_character(step: int = STEP) -> str:
    codes = [c for c in range(0, CODE_POINTS, step) if not 0xD800 <= c < 0xE000]
    return "".join(map(chr, codes))


@given(TEXTS)
@settings(deadline=None)
def test_lower_case(text: str) -> None:
    data, size = padded(text)
    out = np.zeros(size * 3 // 2 + PADDING + 1, dtype=np.uint8)
    lower_size = utf8.lower_case(out, data, lower_case_table(), size)
    assert out[:lower_size].tobytes().decode() == text.lower()
    assert (out[lower_size : lower_size + PADDING] == END).all()


def test_lower_case_of_every_character() -> None:
    text = every_character().replace("Σ", "")
    data, size = padded(text)
    out = np.zeros(size * 3 // 2 + PADDING + 1, dtype=np.uint8)
    lower_size = utf8.lower_case(out, data, lower_case_table(), size)
    assert out[:lower_size].tobytes().decode() == text.lower()


def test_a_capital_sigma_is_left_to_python() -> None:
    data, size = padded("ΟΔΟΣ")
    assert utf8.lower_case(np.zeros(99, dtype=np.uint8), data, lower_case_table(), size) == -1


@given(TEXTS, st.sampled_from(["lines", "paragraphs"]))
@settings(deadline=None)
def test_ends_of_documents(text: str, mode: str) -> None:
    data, size = padded(text)
    size = utf8.end_documents(data, space_table(), size, int(mode == "paragraphs"))
    documents = data[:size].tobytes().split(bytes([END]))
    assert documents.pop() == b""
    assert [document.decode() for document in documents] == list(split_documents(text, mode))
    assert (data[size : size + PADDING] == END).all()


def test_tables_know_every_character() -> None:
    """Classes are asked for in some planes only: this fails when Unicode fills another one."""
    codes = [c for c in range(CODE_POINTS) if not any(a <= c < b for a, b in ASSIGNED_PLANES)]
    kept = "".join(map(chr, codes))
    assert not any(map(str.isalnum, kept))
    assert kept.split() == [kept]
    assert kept.lower() == kept
    pattern = word_pattern("unicode", False)
    assert pattern.findall(kept[::7]) == list(kept[::7])


@pytest.mark.parametrize("pattern", ["unicode", "mini", "whitespace"])
def test_every_character_in_a_word(pattern: str) -> None:
    # Every seventeenth is enough for each run of one class that has some length.
    text = " ".join(f"a{c}b {c}" for c in every_character(max(STEP, 17)))
    counter = compiled_counter("word", False, pattern, "file")
    counter.add(text.encode())
    cut = str.split if pattern == "whitespace" else word_pattern(pattern, False).findall
    expected: dict[str, int] = {}
    for word in cut(text):
        expected[word] = expected.get(word, 0) + 1
    assert counter.counts() == expected


def test_classes_of_bytes_are_those_of_characters() -> None:
    classes = character_classes("unicode")
    assert np.array_equal(classes.of_byte[:128], classes.of_character[:128])


def test_a_table_grows_by_symbols_and_by_text() -> None:
    number = 300 if config.DISABLE_JIT else 30_000
    words = [f"w{n}" for n in range(number)] + ["x" * n for n in range(1, number // 30)]
    counter = compiled_counter("whitespace", False, "", "file")
    for start in range(0, len(words), 50):
        counter.add(" ".join(words[start : start + 50]).encode())
    counter.add(" ".join(words).encode())
    assert counter.counts() == dict.fromkeys(words, 2)


@pytest.mark.parametrize(("dtype", "vocab"), [(np.uint16, 300), (np.uint32, 70_000)])
def test_ids_are_counted(dtype: type, vocab: int) -> None:
    ids = np.random.default_rng(0).integers(0, vocab, 5000).astype(dtype)
    counts = np.ones(vocab, dtype=np.int64)
    count_ids(counts, ids)
    assert (counts == 1 + np.bincount(ids, minlength=vocab)).all()


def test_long_words_that_begin_and_end_alike() -> None:
    words = [
        f"{'a' * n}{middle}{'z' * m}" for n in (7, 8, 9) for m in (7, 8, 9) for middle in "bcd"
    ]
    words += ["a\0", "a", "\0", "\0\0", "a" * 7, "a" * 8, "a" * 7 + "\0", "é" * 4]
    counter = compiled_counter("whitespace", False, "", "file")
    counter.add(" ".join([*words, *words]).encode())
    assert counter.counts() == dict.fromkeys(words, 2)


USES = """
    import importlib, pkgutil

    import fastlm_kernels
    from numba.core.dispatcher import Dispatcher
    from fastlm.tokenizers import build_tokenizer
    from fastlm.tokenizers.compiled import compiled_counter
    from fastlm.tokenizers.blocks import compiled_encoder

    text = " ".join(f"Word{n} É" for n in range(9000))
    large = " ".join(f"w{n}" for n in range(70_000))
    for kind in ("char", "word", "whitespace"):
        for lowercase in (False, True):
            compiled_counter(kind, lowercase, "unicode", "lines").add(text.encode())
            tokenizer = build_tokenizer(kind, [text], lowercase=lowercase, max_vocab=50)
            compiled_encoder(tokenizer, "paragraphs").encode(text.encode())
    tokenizer = build_tokenizer("word", [large])
    assert tokenizer.dtype.itemsize == 4
    assert compiled_encoder(tokenizer, "file").encode(large.encode()).tolist() == (
        tokenizer.encode(large).tolist()
    )
    for module in pkgutil.walk_packages(fastlm_kernels.__path__, "fastlm_kernels."):
        for name, item in vars(importlib.import_module(module.name)).items():
            if isinstance(item, Dispatcher) and len(item.signatures) > 1:
                print(name, item.signatures)
    from fastlm_kernels.text.words import encode_words
    assert len(encode_words.signatures) == 1
"""


@pytest.mark.skipif(bool(config.DISABLE_JIT), reason="nothing is compiled")
def test_no_kernel_has_a_second_signature(tmp_path) -> None:
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(USES)],
        env=os.environ | {"NUMBA_CACHE_DIR": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    assert run.stdout == ""
