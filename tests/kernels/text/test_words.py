"""Words of UTF-8 text: cut, counted and looked up, against Python's regular expressions."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap

import numpy as np
import pytest
from numba import config

from fastlm.tokenizers.character_tables import CODE_POINTS, character_classes
from fastlm.tokenizers.compiled import compiled_counter
from fastlm.tokenizers.words.word_pattern import ASSIGNED_PLANES, word_pattern
from tests.kernels.text.test_utf8 import STEP, every_character


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


@pytest.mark.thorough
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
