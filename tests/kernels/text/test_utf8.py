"""UTF-8 text: lower case and ends of documents, against Python's own way with text."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import config

from fastlm.text.documents import split_documents
from fastlm.tokenizers.character_tables import CODE_POINTS, lower_case_table, space_table
from fastlm_kernels.text import utf8
from fastlm_kernels.text.utf8 import END, PADDING

TEXTS = st.text(
    alphabet=st.one_of(
        st.sampled_from("aB \n\t\x1c\u00a0\u3000ẞİȺé第😀"),
        st.characters(exclude_categories=["Cs"], exclude_characters="Σ\r"),
    ),
    max_size=60,
)

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
