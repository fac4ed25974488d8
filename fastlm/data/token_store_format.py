"""The file format of token stores: header and metadata, written and validated. Format 1.

All numbers are little-endian and unsigned.

=============  =====================================================================================
bytes          what
=============  =====================================================================================
0 .. 7         89 66 61 73 74 6C 6D 0A: the byte 0x89, "fastlm", a line feed
8 .. 11        format version: 1
12 .. 15       bytes of an id: 2 or 4
16 .. 23       T, the number of ids, at least 1
24 .. 31       where the ids begin: 64
32 .. 39       where the metadata begins: right after the ids
40 .. 47       M, the bytes of the metadata
48 .. 51       CRC-32 of the ids
52 .. 55       CRC-32 of the metadata
56 .. 59       zero
60 .. 63       CRC-32 of the bytes 0 .. 59
64 ..          T ids: first those of the training part, then those of the validation part
.. end         the metadata: a JSON object in UTF-8; the file ends with it
=============  =====================================================================================

The metadata:

- ``library_version``: that wrote it;
- ``tokenizer``: its JSON form; ``tokenizer_fingerprint``; ``vocab``: V, all ids are below it;
- ``documents``: ``file``, ``paragraphs``, ``lines`` or ``stream``;
- ``train``, ``valid``: of each part ``tokens``, ``documents``, ``characters``, ``bytes``,
  ``unknown``. ``tokens`` counts the ids, ends of documents included; ``characters`` and ``bytes``
  (of UTF-8) are those of the documents; ``unknown`` counts the ids of ``<unk>``. All are 0 for
  ``valid`` where nothing is held out;
- ``valid_fraction``: the share held out, or null;
- ``counts``: how often each id occurs in the training part, V numbers;
- ``sources``: for each input [name, bytes, time of the last change in ns], null where not known;
- ``text_sha256``: of all texts as UTF-8 with \\\\n for line ends, each followed by a byte 0xFF;
- ``description``: of the source, for people; ``settings``: what decides the content beside it.

Each document ends with the tokenizer's boundary id, where it has one. The header is written last,
and the file gets its name when it is complete.
"""

from __future__ import annotations

import struct
import zlib
from functools import partial
from typing import Any, NamedTuple

from fastlm._version import __version__
from fastlm.checks import is_number
from fastlm.errors import StoreError
from fastlm.system.json_values import (
    ANY,
    LIST,
    OBJECT,
    TEXT,
    WHOLE,
    Kind,
    one_of,
    or_null,
    parse_json,
    read_object,
)
from fastlm.types import DOCUMENT_MODES, FilePath

__all__ = [
    "FORMAT_VERSION",
    "HEADER_BYTES",
    "MAGIC",
    "StoreHeader",
    "damaged",
    "parse_header",
    "parse_metadata",
]

FORMAT_VERSION = 1
MAGIC = b"\x89fastlm\n"
HEADER_BYTES = 64

_FIELDS = struct.Struct("<8sIIQQQQIII")
_CRC = struct.Struct("<I")


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and not any("\ud800" <= c <= "\udfff" for c in value)


def _printable(text: str) -> str:
    """Return a text without what a terminal would obey."""
    return "".join(character if character.isprintable() else "?" for character in text)


_SPLIT_KINDS = dict.fromkeys(("tokens", "documents", "characters", "bytes", "unknown"), WHOLE)
_METADATA_KINDS = {
    "tokenizer": OBJECT,
    "tokenizer_fingerprint": TEXT,
    "documents": one_of(*DOCUMENT_MODES),
    "vocab": WHOLE,
    "train": OBJECT,
    "valid": OBJECT,
    "counts": LIST,
    "library_version": TEXT,
    "valid_fraction": or_null(
        Kind("a number above 0 and below 1", lambda value: is_number(value) and 0 < value < 1)
    ),
    "sources": LIST,
    "text_sha256": TEXT,
    "description": Kind("text", _is_text, _printable),
    "settings": ANY,
}


class StoreHeader(NamedTuple):
    """The header of a store.

    id_bytes : 2 or 4
    n_ids : T, the number of ids
    metadata_bytes : length of the metadata
    ids_crc, metadata_crc : CRC-32
    """

    id_bytes: int
    n_ids: int
    metadata_bytes: int
    ids_crc: int
    metadata_crc: int

    @property
    def metadata_offset(self) -> int:
        """Where the metadata begins, right after the ids."""
        return HEADER_BYTES + self.n_ids * self.id_bytes

    def pack(self) -> bytes:
        """Return the 64 bytes of the header."""
        fields = _FIELDS.pack(
            MAGIC, FORMAT_VERSION, self.id_bytes, self.n_ids, HEADER_BYTES, self.metadata_offset,
            self.metadata_bytes, self.ids_crc, self.metadata_crc, 0,
        )  # fmt: skip
        return fields + _CRC.pack(zlib.crc32(fields))


def parse_header(path: FilePath, data: bytes, file_size: int) -> StoreHeader:
    """Return the header of a file.

    Parameters
    ----------
    path : path
        For messages.
    data : bytes
        The first 64 bytes of the file, or all, where it has fewer.
    file_size : int
        In bytes.

    Raises
    ------
    StoreError
        For a file that is no store, comes from a newer version, is cut short, or is altered.
    """
    if data[: len(MAGIC)] != MAGIC:
        raise StoreError(
            f"{path} is not a token store: it does not begin like one; make one with fastlm prepare"
        )
    version = int.from_bytes(data[8:12], "little")
    if len(data) == HEADER_BYTES and version > FORMAT_VERSION:
        raise StoreError(
            f"{path} has format version {version}, but this is fastlm {__version__}, which reads "
            f"up to {FORMAT_VERSION}; upgrade fastlm, or prepare the text again"
        )
    if len(data) < HEADER_BYTES:
        raise _cut_short(path, HEADER_BYTES, file_size)
    if zlib.crc32(data[: _FIELDS.size]) != _CRC.unpack_from(data, _FIELDS.size)[0]:
        raise damaged(path, "its header does not have the checksum written in it")
    fields = _FIELDS.unpack_from(data)
    _, _, id_bytes, count, ids_offset, metadata_offset, length, ids_crc, metadata_crc, _ = fields
    header = StoreHeader(id_bytes, count, length, ids_crc, metadata_crc)
    if (
        version != FORMAT_VERSION
        or id_bytes not in (2, 4)
        or not count
        or (ids_offset, metadata_offset) != (HEADER_BYTES, header.metadata_offset)
    ):
        raise damaged(path, "its header contradicts itself")
    whole = header.metadata_offset + length
    if file_size < whole:
        raise _cut_short(path, whole, file_size)
    if file_size > whole:
        raise damaged(path, f"{file_size - whole:,} bytes follow its end")
    return header


def parse_metadata(path: FilePath, data: bytes, header: StoreHeader) -> dict[str, Any]:
    """Return the metadata of a store.

    Raises
    ------
    StoreError
        Where it is altered, or not what the format says.
    """
    if zlib.crc32(data) != header.metadata_crc:
        raise damaged(path, "its metadata does not have the checksum in the header")
    try:
        metadata = parse_json(data)
    except ValueError:
        raise damaged(path, "its metadata is not JSON") from None
    error = partial(damaged, path)
    metadata = read_object(metadata, "its metadata", _METADATA_KINDS, error, others=True)
    read_object(metadata["tokenizer"], "its tokenizer", {"kind": TEXT}, error, others=True)
    for split in ("train", "valid"):
        read_object(metadata[split], f"its {split} part", _SPLIT_KINDS, error, others=True)
    vocab, counts = metadata["vocab"], metadata["counts"]
    if not (
        0 < vocab <= 1 << (8 * header.id_bytes)
        and metadata["train"]["tokens"] + metadata["valid"]["tokens"] == header.n_ids
        and len(counts) == vocab
        # As a set: one by one, a million tokens would take noticeable time.
        and {type(number) for number in counts} == {int}
        and 0 <= min(counts) <= max(counts) < 1 << 63
    ):
        raise error("its metadata contradicts itself or its header")
    return metadata


def _cut_short(path: FilePath, whole: int, size: int) -> StoreError:
    return StoreError(
        f"{path} is cut short: {size:,} of {whole:,} bytes are there; copy it again, or prepare "
        "the text again"
    )


def damaged(path: FilePath, what: str) -> StoreError:
    """Return the error for a store that is not what was written."""
    return StoreError(
        f"{path} is damaged or was altered: {what}; copy it again, or prepare the text again"
    )
