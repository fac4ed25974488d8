"""Characters of UTF-8 text (see ``text.utf8``): counted, and encoded as ids."""

from __future__ import annotations

import numpy as np

from fastlm_kernels.runtime.jit import inner_kernel, kernel
from fastlm_kernels.text.utf8 import END, decode, eight_ascii

U16 = np.uint16


@inner_kernel
def put_id(ids, width, k, id):
    """Write the k-th id; ids : uint16[width * T], see ``runtime.arguments.Tokens``."""
    if width == 1:
        ids[k] = U16(id)
    else:
        ids[2 * k] = U16(id & 0xFFFF)
        ids[2 * k + 1] = U16(id >> 16)


@kernel
def count_characters(counts, data, size):
    """Count the code points of a text.

    counts : int64[0x110000], added to
    data : uint8[size + PADDING]
    """
    i = np.int64(0)
    while i < size:
        if eight_ascii(data, i):
            for j in range(8):
                counts[data[i + j]] += 1
            i += 8
        elif data[i] < 0x80:
            counts[data[i]] += 1
            i += 1
        elif data[i] == END:
            i += 1
        else:
            code, length = decode(data, i)
            counts[code] += 1
            i += length


@kernel
def count_ids(counts, ids, width):
    """Count ids.

    counts : int64[V], added to
    ids : uint16[width * T], all below V
    """
    if width == 1:
        for k in range(ids.size):
            counts[ids[k]] += 1
    else:
        for k in range(ids.size // 2):
            counts[np.int64(ids[2 * k]) | (np.int64(ids[2 * k + 1]) << 16)] += 1


@kernel
def encode_characters(ids, data, id_of, width, size, boundary):
    """Write the id of each character, and ``boundary`` for END unless it is negative.

    Returns the number of ids, or -1 - i where the character at byte i has none.

    ids : uint16[width * size], written
    data : uint8[size + PADDING]
    id_of : int32[0x110000], the id of each code point or -1
    """
    i = np.int64(0)
    k = np.int64(0)
    while i < size:
        if eight_ascii(data, i):
            unknown = np.int64(0)
            for j in range(8):
                id = np.int64(id_of[data[i + j]])
                unknown |= id
                put_id(ids, width, k + j, id)
            if unknown >= 0:
                i += 8
                k += 8
                continue
        code, length = np.int64(data[i]), np.int64(1)
        if code == END:
            if boundary >= 0:
                put_id(ids, width, k, boundary)
                k += 1
            i += 1
            continue
        if code >= 0x80:
            code, length = decode(data, i)
        id = np.int64(id_of[code])
        if id < 0:
            return -1 - i
        put_id(ids, width, k, id)
        k += 1
        i += length
    return k
