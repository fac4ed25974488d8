"""Lines of ARPA files: an n-gram, its probability and its back-off; written and parsed.

A line is a number, words and perhaps another number, with spaces or tabs between them. Numbers are
logarithms to the base 10.
"""

from __future__ import annotations

import math

import numpy as np

from fastlm_kernels.runtime.jit import inner_kernel, kernel
from fastlm_kernels.text.words import find_slot, symbol_key

U8 = np.uint8

# Entries of ``found``, and values of its STATUS: all is parsed, a line that is no n-gram, a line
# that is wrong.
ROWS, OFFSET, STATUS = range(3)
PARSED, OTHER, WRONG = range(3)

# What words are numbered after those of the vocabulary.
BEGIN, END, UNKNOWN = range(3)

NUMBER_BYTES = 24
"""The bytes of a number with what stands after it, at most."""

_TO_LOG10 = 1 / math.log(10)
_UNITS = 10_000_000  # seven digits after the point
_TAB, _NEW_LINE, _SPACE, _RETURN, _BACKSLASH = 9, 10, 32, 13, 92
_PLUS, _MINUS, _POINT, _ZERO, _NINE = 43, 45, 46, 48, 57
_LOWER_E, _UPPER_E = 101, 69
_DIGITS = 17  # digits of a number that count


@inner_kernel
def put_number(out, at, value):
    """Write a number with up to seven digits after the point; return where it ends."""
    units = np.int64(abs(value) * _UNITS + 0.5)
    if value < 0 and units > 0:
        out[at] = U8(_MINUS)
        at += 1
    whole = units // _UNITS
    rest = units - whole * _UNITS
    size = np.int64(1)
    power = np.int64(10)
    while whole >= power:
        power *= 10
        size += 1
    for i in range(size):
        out[at + size - 1 - i] = U8(_ZERO + whole % 10)
        whole //= 10
    at += size
    if rest > 0:
        out[at] = U8(_POINT)
        at += 1
        power = np.int64(_UNITS // 10)
        while rest > 0:
            out[at] = U8(_ZERO + rest // power)
            rest %= power
            power //= 10
            at += 1
    return at


@kernel
def format_ngrams(out, ids, log_probs, log_backoffs, words, starts, n, rows):
    """Write a line for each n-gram; return the bytes written.

    out : uint8[...], with room for all words, a byte after each, and NUMBER_BYTES for each number
    ids : int32[n * rows], the words of each n-gram
    log_probs : float32[rows], in nats; what is above 0 is written as 0
    log_backoffs : float32[rows] or float32[0], in nats
    words : uint8[...], starts : int64[V + 1], where the bytes of each word begin
    """
    at = np.int64(0)
    for row in range(rows):
        at = put_number(out, at, min(np.float64(log_probs[row]), 0.0) * _TO_LOG10)
        for i in range(n):
            out[at] = U8(_TAB if i == 0 else _SPACE)
            at += 1
            word = np.int64(ids[n * row + i])
            for j in range(starts[word], starts[word + 1]):
                out[at] = words[j]
                at += 1
        if len(log_backoffs) > 0:
            out[at] = U8(_TAB)
            at = put_number(out, at + 1, np.float64(log_backoffs[row]) * _TO_LOG10)
        out[at] = U8(_NEW_LINE)
        at += 1
    return at


@inner_kernel
def field_start(data, i):
    """Return where the next field of a line begins, or the line ends."""
    while data[i] == _SPACE or data[i] == _TAB or data[i] == _RETURN:
        i += 1
    return i


@inner_kernel
def field_end(data, i):
    """Return where the field at i ends."""
    while (
        data[i] != _SPACE and data[i] != _TAB and data[i] != _RETURN and data[i] != _NEW_LINE
    ):  # fmt: skip
        i += 1
    return i


@inner_kernel
def number_at(data, start, stop):
    """Return (number, 1), or (0, 0) if the bytes from start to stop are none."""
    i = start
    sign = 1.0
    if i < stop and (data[i] == _MINUS or data[i] == _PLUS):
        sign = -1.0 if data[i] == _MINUS else 1.0
        i += 1
    value = np.int64(0)
    exponent = np.int64(0)
    digits = np.int64(0)
    any_digit = False
    after_point = False
    while i < stop:
        byte = np.int64(data[i])
        if _ZERO <= byte <= _NINE:
            any_digit = True
            if digits < _DIGITS:
                value = 10 * value + byte - _ZERO
                digits += value > 0
                exponent -= after_point
            elif not after_point:
                exponent += 1
        elif byte == _POINT and not after_point:
            after_point = True
        else:
            break
        i += 1
    if not any_digit:
        return 0.0, np.int64(0)
    if i < stop:
        if data[i] != _LOWER_E and data[i] != _UPPER_E:
            return 0.0, np.int64(0)
        i += 1
        power_sign = np.int64(1)
        if i < stop and (data[i] == _MINUS or data[i] == _PLUS):
            power_sign = np.int64(-1 if data[i] == _MINUS else 1)
            i += 1
        power = np.int64(0)
        if i == stop:
            return 0.0, np.int64(0)
        while i < stop:
            byte = np.int64(data[i])
            if byte < _ZERO or byte > _NINE:
                return 0.0, np.int64(0)
            power = min(10 * power + byte - _ZERO, np.int64(10_000))
            i += 1
        exponent += power_sign * power
    return sign * value * math.pow(10.0, np.float64(exponent)), np.int64(1)


@kernel
def parse_ngrams(
    found, ids, log_probs, log_backoffs, table, data, first, size, n, longest, vocab, boundary,
    unknown,
):  # fmt: skip
    r"""Parse lines of n-grams until they end, or one begins with \ or is blank.

    A word that the vocabulary stands for by nothing (``unknown`` is negative) makes the first id
    of its n-gram -1.

    found : int64[3], written: see ROWS to STATUS; OFFSET is where the next line begins, or the
        line that is wrong
    ids : int32[n * rows], log_probs, log_backoffs : float32[rows], written, in nats
    table : SymbolTable of the words: the vocabulary, then BEGIN and END of a document, then UNKNOWN
        and other names for it
    data : uint8[...]; from first to size there are whole lines
    longest : 1: there are no back-offs
    boundary, unknown : the ids of these tokens, or -1
    """
    row = np.int64(0)
    line = first
    found[STATUS] = PARSED
    while line < size:
        i = field_start(data, line)
        if data[i] == _NEW_LINE or data[i] == _BACKSLASH:
            found[STATUS] = OTHER
            break
        stop = field_end(data, i)
        log_prob, good = number_at(data, i, stop)
        if log_prob > 0:
            good = np.int64(0)
        left_out = False
        for k in range(n):
            i = field_start(data, stop)
            stop = field_end(data, i)
            if stop == i:
                good = np.int64(0)
                break
            key = symbol_key(data, i, stop, table.secret[0])
            slot = find_slot(table, data, i, stop, key)
            id = np.int64(table.slots[2 * slot + 1]) - 1
            if id >= vocab + UNKNOWN:
                id = np.int64(unknown)
                left_out = left_out or id < 0
            elif id >= vocab:
                # Only what begins a document comes first, only what ends it last.
                place = 0 if id == vocab + BEGIN else n - 1
                id = np.int64(boundary)
                if k != place or id < 0:
                    good = np.int64(0)
            elif id < 0:
                good = np.int64(0)
            ids[n * row + k] = np.int32(id)
        if left_out:
            ids[n * row] = np.int32(-1)
        i = field_start(data, stop)
        log_backoff = 0.0
        if data[i] != _NEW_LINE and longest == 0:
            stop = field_end(data, i)
            log_backoff, is_number = number_at(data, i, stop)
            good = min(good, is_number)
            i = field_start(data, stop)
        if good == 0 or data[i] != _NEW_LINE:
            found[STATUS] = WRONG
            break
        log_probs[row] = np.float32(log_prob / _TO_LOG10)
        log_backoffs[row] = np.float32(log_backoff / _TO_LOG10)
        row += 1
        line = i + 1
    found[ROWS] = row
    found[OFFSET] = line
