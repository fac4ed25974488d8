"""Words of UTF-8 text (see ``text.utf8``): cut by classes of characters, counted, and encoded.

The classes stand for what a tokenizer's regular expression says:

WORD, MARK : part of a word; consecutive ones are a token
JOINER : part of a word when it stands inside one, else nothing
UNSPACED : a token together with the MARKs after it
SYMBOL : a token by itself
SEPARATOR : nothing

Symbols are found in a hash table with open addressing and linear probing (Knuth, TAOCP 3, 6.4).
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from fastlm_kernels.runtime.jit import inner_kernel, kernel
from fastlm_kernels.runtime.random import absorb, mix64
from fastlm_kernels.text.characters import put_id
from fastlm_kernels.text.utf8 import END, PADDING, decode, load64

U64 = np.uint64

SEPARATOR, SYMBOL, WORD, MARK, UNSPACED, JOINER = range(6)
LONGER, DOCUMENT_END = 6, 7  # classes of bytes only: first byte of a longer character, and END

_LONG = U64(0xFF) << U64(56)  # keys from here on are hashes
_SHORT_BYTES = 7  # symbols up to this length are their own key

SYMBOLS, BYTES = range(2)  # entries of SymbolTable.used


class SymbolTable(NamedTuple):
    """Distinct symbols, numbered from 0 in the order in which they came.

    slots : uint64[2 * n], n a power of two above the number of symbols: key and number + 1, or 0
        and 0. The key of up to seven bytes is the bytes and their count, so equal keys are equal
        symbols; the key of more bytes is a hash, and the bytes are compared
    starts : int64[symbols + 1], the start of each symbol's bytes, then the end of the last one
    text : uint8[bytes + PADDING]
    used : int64[2], the number of symbols, and of bytes in ``text``
    secret : uint64[1], mixed into every hash, so that no list of words collides by choice. It
        decides which slot a symbol has, and nothing else
    """

    slots: np.ndarray
    starts: np.ndarray
    text: np.ndarray
    used: np.ndarray
    secret: np.ndarray


@inner_kernel
def word_end(data, i, byte_class, char_class):
    """Return the end of the word that goes on at i."""
    stop = i
    while True:
        kind = np.int64(byte_class[data[i]])
        length = np.int64(1)
        if kind == LONGER:
            code, length = decode(data, i)
            kind = np.int64(char_class[code])
        if kind in (WORD, MARK):
            i += length
            stop = i
        elif kind == JOINER:
            i += length
        else:
            return stop


@inner_kernel
def marks_end(data, i, byte_class, char_class):
    """Return the end of the MARKs from i on."""
    while byte_class[data[i]] == LONGER:
        code, length = decode(data, i)
        if char_class[code] != MARK:
            break
        i += length
    return i


@inner_kernel
def next_token(data, i, byte_class, char_class, size):
    """Return (start, stop) of the next token or END from i on; (size, size) if there is none."""
    while i < size:
        kind = np.int64(byte_class[data[i]])
        if kind == WORD:
            start = i
            i += 1
            while byte_class[data[i]] == WORD:
                i += 1
            if byte_class[data[i]] == LONGER:
                i = word_end(data, i, byte_class, char_class)
            return start, i
        if kind == SEPARATOR:
            i += 1
        elif kind != LONGER:
            return i, i + 1
        else:
            code, length = decode(data, i)
            kind = np.int64(char_class[code])
            if kind in (WORD, MARK):
                return i, word_end(data, i + length, byte_class, char_class)
            if kind == UNSPACED:
                return i, marks_end(data, i + length, byte_class, char_class)
            if kind == SYMBOL:
                return i, i + length
            i += length
    return size, size


@inner_kernel
def symbol_key(data, start, stop, secret):
    """Return the uint64 key of the bytes start to stop, see ``SymbolTable``."""
    size = stop - start
    if size <= _SHORT_BYTES:
        keep = (U64(1) << U64(8 * size)) - U64(1)
        return (load64(data, start) & keep) | (U64(size) << U64(56))
    h = U64(size) ^ secret
    for i in range(start, stop - 8, 8):
        h = absorb(h, load64(data, i))
    return absorb(h, load64(data, stop - 8)) | _LONG


@inner_kernel
def find_slot(table, data, start, stop, key):
    """Return the slot of these bytes, or the empty one where they belong."""
    slots = table.slots
    mask = U64(slots.size // 2 - 1)
    slot = np.int64(mix64(key ^ table.secret[0]) & mask)
    while True:
        number = np.int64(slots[2 * slot + 1]) - 1
        if number < 0 or (
            slots[2 * slot] == key and (key < _LONG or same_bytes(table, number, data, start, stop))
        ):
            return slot
        slot = np.int64(U64(slot + 1) & mask)


@inner_kernel
def same_bytes(table, number, data, start, stop):
    """Return whether a symbol of more than seven bytes equals these bytes."""
    text = table.text
    first = table.starts[number]
    size = stop - start
    if table.starts[number + 1] - first != size:
        return False
    last = size - 8
    j = np.int64(0)
    while j < last and load64(text, first + j) == load64(data, start + j):
        j += 8
    return j >= last and load64(text, first + last) == load64(data, start + last)


@kernel
def index_symbols(table):
    """Enter all symbols but empty ones into slots that are all zero."""
    for number in range(table.used[SYMBOLS]):
        start, stop = table.starts[number], table.starts[number + 1]
        if stop > start:
            key = symbol_key(table.text, start, stop, table.secret[0])
            slot = find_slot(table, table.text, start, stop, key)
            table.slots[2 * slot] = key
            table.slots[2 * slot + 1] = U64(number + 1)


@kernel
def count_words(counts, table, data, byte_class, char_class, first, size):
    """Count the words from byte ``first`` on, and enter those that are new.

    Returns size, or the byte where it stopped because the table is full: the caller enlarges the
    table and continues there.

    counts : int64[n], added to; n at least the symbols that the table has room for
    data : uint8[size + PADDING]
    byte_class : uint8[256], char_class : uint8[0x110000]
    """
    slots, starts, text, used = table.slots, table.starts, table.text, table.used
    i = first
    while True:
        start, i = next_token(data, i, byte_class, char_class, size)
        if start == size:
            return size
        if data[start] == END:
            continue
        key = symbol_key(data, start, i, table.secret[0])
        slot = find_slot(table, data, start, i, key)
        number = np.int64(slots[2 * slot + 1]) - 1
        if number < 0:
            number = used[SYMBOLS]
            to = used[BYTES]
            if number + 1 >= starts.size or to + (i - start) + PADDING > text.size:
                return start
            for j in range(i - start):
                text[to + j] = data[start + j]
            starts[number + 1] = to + (i - start)
            used[SYMBOLS] = number + 1
            used[BYTES] = to + (i - start)
            slots[2 * slot] = key
            slots[2 * slot + 1] = U64(number + 1)
        counts[number] += 1


@kernel
def encode_words(ids, data, table, byte_class, char_class, width, size, boundary, unknown):
    """Write the id of each word, and ``boundary`` for END unless it is negative.

    A word that is not in the table gets ``unknown``. Returns the number of ids, or -1 - i where
    ``unknown`` is negative and the word at byte i is not in the table.

    ids : uint16[width * size], written
    data : uint8[size + PADDING]
    """
    i = np.int64(0)
    k = np.int64(0)
    while True:
        start, i = next_token(data, i, byte_class, char_class, size)
        if start == size:
            return k
        if data[start] == END:
            if boundary >= 0:
                put_id(ids, width, k, boundary)
                k += 1
            continue
        key = symbol_key(data, start, i, table.secret[0])
        slot = find_slot(table, data, start, i, key)
        id = np.int64(table.slots[2 * slot + 1]) - 1
        if id < 0:
            id = unknown
            if id < 0:
                return -1 - start
        put_id(ids, width, k, id)
        k += 1
