"""Lines of ARPA files against Python's own formatting and parsing of numbers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fastlm.tokenizers.symbol_table import hash_arithmetic, table_of
from fastlm_kernels.text.arpa import (
    NUMBER_BYTES,
    OFFSET,
    OTHER,
    PARSED,
    ROWS,
    STATUS,
    WRONG,
    format_ngrams,
    parse_ngrams,
)
from fastlm_kernels.text.utf8 import PADDING

# Ids 0: boundary, 1: unknown, 2, 3, 4; then what the file calls the special ones.
WORDS = [b"", b"", b"a", "ü".encode(), b"a long word", b"<s>", b"</s>", b"<unk>", b"<UNK>"]
F32 = np.float32


def formatted(ids: list[list[int]], log_probs: list[float], log_backoffs: list[float]) -> str:
    n = len(ids[0])
    text = np.frombuffer(bytearray(b"".join(WORDS)), dtype=np.uint8)
    starts = np.append(0, np.cumsum(list(map(len, WORDS))))
    out = np.zeros(len(ids) * (n * 20 + 2 * NUMBER_BYTES), dtype=np.uint8)
    size = format_ngrams(
        out, np.array(ids, dtype=np.int32).reshape(-1), np.array(log_probs, dtype=F32),
        np.array(log_backoffs, dtype=F32), text, starts, n, len(ids),
    )  # fmt: skip
    return out[:size].tobytes().decode()


def test_a_line_has_tabs_around_its_words() -> None:
    ln10 = math.log(10)
    assert formatted([[5, 2, 3]], [-2 * ln10], []) == "-2\t<s> a ü\n"
    lines = formatted([[2, 4], [3, 6]], [1e-9, -0.5 * ln10], [0.25 * ln10, 0])
    assert lines == "0\ta a long word\t0.25\n-0.5\tü </s>\t0\n"


@given(st.floats(-1000, 0, width=32))
@settings(deadline=None, max_examples=100)
@example(-1e-9)
@example(-math.log(10) * 0.99999999)
def test_numbers_have_seven_digits_after_the_point(value: float) -> None:
    word = formatted([[2]], [value], []).split("\t")[0]
    assert float(word) == pytest.approx(value / math.log(10), abs=6e-8)
    assert len(word) <= NUMBER_BYTES
    whole, _, rest = word.partition(".")
    assert whole.lstrip("-").isdigit()
    assert not rest.endswith("0")


def parsed(text: str, n: int = 2, longest: int = 0, unknown: int = 1) -> tuple[int, int, int, list]:
    data = np.frombuffer(bytearray(text.encode() + bytes([255] * PADDING)), dtype=np.uint8)
    size = len(data) - PADDING
    found, ids = np.zeros(3, dtype=np.int64), np.zeros(n * (size + 1), dtype=np.int32)
    log_probs, log_backoffs = np.zeros(size + 1, dtype=F32), np.zeros(size + 1, dtype=F32)
    table = table_of(WORDS)
    with hash_arithmetic():
        parse_ngrams(
            found, ids, log_probs, log_backoffs, table, data, 0, size, n, longest, 5, 0, unknown
        )
    rows = int(found[ROWS])
    lines = [
        (*ids[n * i : n * i + n].tolist(), float(log_probs[i]), float(log_backoffs[i]))
        for i in range(rows)
    ]
    return rows, int(found[OFFSET]), int(found[STATUS]), lines


@given(st.floats(-300, 0), st.sampled_from(["{}", "{:e}", "{:.3f}", "{:.20f}", "{:.0f}", "{:+}"]))
@settings(deadline=None, max_examples=100)
@example(-123456789012345678901.0, "{:.2f}")
def test_numbers_are_pythons(value: float, form: str) -> None:
    text = form.format(value)
    _, _, status, lines = parsed(f"{text} a a\n")
    assert status == PARSED
    assert lines[0][2] == pytest.approx(float(text) * math.log(10), rel=2e-7, abs=1e-30)


@pytest.mark.parametrize(
    "number", ["", "-", ".", "-.", "1e", "-1e", "-1e+", "--1", "-1x", "-1.2.3", "0x1", "nan", "inf"]
)
def test_what_is_no_number_is_wrong(number: str) -> None:
    assert parsed(f"-1 a a\n{number} a a\n")[:3] == (1, 7, WRONG)


def test_lines_end_at_one_that_is_other() -> None:
    for end in ("\n", " \t\r\n", "\\end\\\n"):
        rows, offset, status, lines = parsed(f"-1\ta ü\t-2\r\n  0   ü\ta  \n{end}-1 a a\n")
        assert (rows, status) == (2, OTHER)
        assert offset == len("-1\ta ü\t-2\r\n  0   ü\ta  \n".encode())
        assert [line[:2] for line in lines] == [(2, 3), (3, 2)]
        assert lines[0][2:] == pytest.approx((-math.log(10), -2 * math.log(10)))


def test_special_words_have_their_places() -> None:
    text = "-1 <s> a\n-1 a </s>\n-1 <s> </s>\n-1 <unk> <UNK>\n"
    ids = [line[:2] for line in parsed(text)[3]]
    assert ids == [(0, 2), (2, 0), (0, 0), (1, 1)]
    assert [line[0] for line in parsed(text, unknown=-1)[3]] == [0, 2, 0, -1]
    for line in ("-1 a <s>\n", "-1 </s> a\n", "-1 a zz\n", "-1 a\n", "0.1 a a\n", "-1 a a -1 -1\n"):
        assert parsed(line)[:3] == (0, 0, WRONG)


def test_the_longest_have_no_back_off() -> None:
    assert parsed("-1 a a\n", longest=1)[:3] == (1, 7, PARSED)
    assert parsed("-1 a a -1\n", longest=1)[:3] == (0, 0, WRONG)
