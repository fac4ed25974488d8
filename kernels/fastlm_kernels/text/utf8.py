"""UTF-8 text in memory: its characters, their lower case, and the ends of documents.

Text is an array uint8 whose first ``size`` bytes are UTF-8, followed by at least PADDING bytes
END. END (0xFF) occurs in no UTF-8 text: between two documents it marks the end of the first one,
and after the text it ends every loop without a look at the size, so that eight bytes can be read at
once wherever a character begins.
"""

from __future__ import annotations

import numpy as np

from fastlm_kernels.runtime.jit import inner_kernel, kernel

U8 = np.uint8
U64 = np.uint64

PADDING = 8
END = 0xFF
LAST_CODE_POINT = 0x10FFFF

_HIGH_BITS = U64(0x8080808080808080)
_NEW_LINE = 10
_CAPITAL_SIGMA = 0x3A3
_CAPITAL_DOTTED_I = 0x130
_DOT_ABOVE = 0x307


@inner_kernel
def load64(data, i):
    """Return the eight bytes from i on as uint64, the first one lowest; LLVM makes it one load."""
    return (
        U64(data[i])
        | (U64(data[i + 1]) << U64(8))
        | (U64(data[i + 2]) << U64(16))
        | (U64(data[i + 3]) << U64(24))
        | (U64(data[i + 4]) << U64(32))
        | (U64(data[i + 5]) << U64(40))
        | (U64(data[i + 6]) << U64(48))
        | (U64(data[i + 7]) << U64(56))
    )


@inner_kernel
def eight_ascii(data, i):
    """Return whether the eight bytes from i on are ASCII, so that none of them is END."""
    return (load64(data, i) & _HIGH_BITS) == U64(0)


@inner_kernel
def decode(data, i):
    """Return (code point, length in bytes) of the character at i, which is not ASCII."""
    lead = np.int64(data[i])
    second = np.int64(data[i + 1]) & 0x3F
    if lead < 0xE0:
        return ((lead & 0x1F) << 6) | second, np.int64(2)
    third = np.int64(data[i + 2]) & 0x3F
    if lead < 0xF0:
        return ((lead & 0x0F) << 12) | (second << 6) | third, np.int64(3)
    fourth = np.int64(data[i + 3]) & 0x3F
    code = ((lead & 0x07) << 18) | (second << 12) | (third << 6) | fourth
    return min(code, np.int64(LAST_CODE_POINT)), np.int64(4)


@inner_kernel
def put_character(out, k, code):
    """Write a character at k; return the offset of the next one."""
    if code < 0x80:
        out[k] = U8(code)
        return k + 1
    if code < 0x800:
        out[k] = U8(0xC0 | (code >> 6))
        out[k + 1] = U8(0x80 | (code & 0x3F))
        return k + 2
    if code < 0x10000:
        out[k] = U8(0xE0 | (code >> 12))
        out[k + 1] = U8(0x80 | ((code >> 6) & 0x3F))
        out[k + 2] = U8(0x80 | (code & 0x3F))
        return k + 3
    out[k] = U8(0xF0 | (code >> 18))
    out[k + 1] = U8(0x80 | ((code >> 12) & 0x3F))
    out[k + 2] = U8(0x80 | ((code >> 6) & 0x3F))
    out[k + 3] = U8(0x80 | (code & 0x3F))
    return k + 4


@inner_kernel
def put_padding(out, k):
    """Write PADDING bytes END at k."""
    for j in range(PADDING):
        out[k + j] = U8(END)


@inner_kernel
def ascii_lower(byte):
    """Return the lower case of an ASCII byte."""
    code = np.int64(byte)
    return U8(code + 32) if 65 <= code <= 90 else U8(code)


@kernel
def lower_case(out, data, lower_of, size):
    """Write the lower case of a text, padding included.

    Returns its size, or -1 for a text with a capital sigma, whose lower case depends on the letters
    around it.

    out : uint8[at least 1.5 * size + PADDING], written: two bytes may become three
    data : uint8[size + PADDING]
    lower_of : int32[n], the lower case of the code points below n; those beyond are their own
    """
    i = np.int64(0)
    k = np.int64(0)
    while i < size:
        if eight_ascii(data, i):
            for j in range(8):
                out[k + j] = ascii_lower(data[i + j])
            i += 8
            k += 8
        elif data[i] < 0x80:
            out[k] = ascii_lower(data[i])
            i += 1
            k += 1
        else:
            code, length = decode(data, i)
            if code == _CAPITAL_SIGMA:
                return np.int64(-1)
            if code == _CAPITAL_DOTTED_I:
                out[k] = U8(105)
                k = put_character(out, k + 1, np.int64(_DOT_ABOVE))
            elif code < lower_of.size:
                k = put_character(out, k, np.int64(lower_of[code]))
            else:
                k = put_character(out, k, code)
            i += length
    put_padding(out, k)
    return k


@kernel
def end_documents(data, is_space, size, paragraphs):
    """Put END after each document of a text, in place, and drop what is between documents.

    A document is a line that is not blank or, where ``paragraphs`` is 1, consecutive lines that are
    not blank. A line is blank if it holds white space only. Returns the new size.

    data : uint8[size + PADDING + 1], changed in place
    is_space : uint8[0x110000], 1 for white space
    """
    i = np.int64(0)
    k = np.int64(0)
    is_open = False
    while i < size:
        line = k
        blank = True
        while blank and i < size and data[i] != _NEW_LINE:
            code, length = np.int64(data[i]), np.int64(1)
            if code >= 0x80:
                code, length = decode(data, i)
            blank = is_space[code] != 0
            for j in range(length):
                data[k + j] = data[i + j]
            k += length
            i += length
        while i < size and data[i] != _NEW_LINE:
            data[k] = data[i]
            k += 1
            i += 1
        i += 1
        if blank:
            k = line
        if paragraphs == 0:
            if not blank:
                data[k] = U8(END)
                k += 1
        elif not blank:
            data[k] = U8(_NEW_LINE)
            k += 1
            is_open = True
        elif is_open:
            data[k - 1] = U8(END)
            is_open = False
    if is_open:
        data[k - 1] = U8(END)
    put_padding(data, k)
    return k
