"""Kinds of files that are refused because they hold no text, known by their first bytes.

What is read, and how, is in ``fastlm.text.sources`` and ``fastlm.text.compression``.
"""

from __future__ import annotations

from typing import NamedTuple

from fastlm.text.decoding import whole_characters

__all__ = ["FileKind", "kind_name", "kind_of"]


class FileKind(NamedTuple):
    """A kind of file.

    Attributes
    ----------
    name : str
        With its article.
    remedy : str
        How to get at its text.
    """

    name: str
    remedy: str


_PARQUET = "give it a name that ends in .parquet"
_ARROW = "give it a name that ends in .arrow"
_COLUMNS = "write its text column as JSON lines (.jsonl) and name that"
_ARCHIVE = "unpack it and name the files in it"
_EXPORT = "save it as plain text and name that"
_NO_TEXT = "name a file that holds text"

# (offset, the bytes there, kind). Sources: the formats' specifications and file(1).
_KINDS = (
    (0, b"PAR1", FileKind("a Parquet file", _PARQUET)),
    (0, b"ARROW1", FileKind("an Arrow file", _ARROW)),
    (0, b"\xff\xff\xff\xff", FileKind("an Arrow stream", _ARROW)),
    (0, b"ORC", FileKind("an ORC file", _COLUMNS)),
    (0, b"Obj\x01", FileKind("an Avro file", _COLUMNS)),
    (0, b"SQLite format 3\0", FileKind("an SQLite database", _COLUMNS)),
    (0, b"\x89HDF\r\n\x1a\n", FileKind("an HDF5 file", _COLUMNS)),
    (0, b"\x93NUMPY", FileKind("a NumPy array", _NO_TEXT)),
    (0, b"\x80\x02", FileKind("a pickle", _NO_TEXT)),
    (0, b"\x80\x03", FileKind("a pickle", _NO_TEXT)),
    (0, b"\x80\x04", FileKind("a pickle", _NO_TEXT)),
    (0, b"\x80\x05", FileKind("a pickle", _NO_TEXT)),
    (8, b'{"', FileKind("a safetensors file, as models are", _NO_TEXT)),
    (0, b"GGUF", FileKind("a GGUF model", _NO_TEXT)),
    (0, b"\x89fastlm\n", FileKind("a token store of fastlm", "name it alone, without other files")),
    (0, b"\x1f\x8b", FileKind("a gzip file", "give it a name that ends in .gz")),
    (0, b"\x28\xb5\x2f\xfd", FileKind("a zstd file", "give it a name that ends in .zst")),
    (4, b"1AY&SY", FileKind("a bzip2 file", "decompress it first: bunzip2 FILE")),
    (0, b"\xfd7zXZ\0", FileKind("an xz file", "decompress it first: unxz FILE")),
    (0, b"\x04\x22\x4d\x18", FileKind("an lz4 file", "decompress it first: unlz4 FILE")),
    (0, b"PK\x03\x04", FileKind("a zip archive, as .docx, .xlsx and .npz are", _ARCHIVE)),
    (0, b"PK\x05\x06", FileKind("an empty zip archive", _NO_TEXT)),
    (0, b"7z\xbc\xaf\x27\x1c", FileKind("a 7z archive", _ARCHIVE)),
    (0, b"Rar!\x1a\x07", FileKind("a rar archive", _ARCHIVE)),
    (257, b"ustar", FileKind("a tar archive", _ARCHIVE)),
    (0, b"%PDF-", FileKind("a PDF file", "extract its text first: pdftotext FILE")),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", FileKind("an old Office file", _EXPORT)),
    (0, b"\x89PNG\r\n\x1a\n", FileKind("a PNG picture", _NO_TEXT)),
    (0, b"\xff\xd8\xff", FileKind("a JPEG picture", _NO_TEXT)),
    (0, b"GIF8", FileKind("a GIF picture", _NO_TEXT)),
    (0, b"BM", FileKind("a BMP picture", _NO_TEXT)),
    (0, b"II*\0", FileKind("a TIFF picture", _NO_TEXT)),
    (0, b"MM\0*", FileKind("a TIFF picture", _NO_TEXT)),
    (0, b"RIFF", FileKind("a WAV, AVI or WebP file", _NO_TEXT)),
    (0, b"ID3", FileKind("an MP3 file", _NO_TEXT)),
    (0, b"OggS", FileKind("an Ogg file", _NO_TEXT)),
    (0, b"fLaC", FileKind("a FLAC file", _NO_TEXT)),
    (4, b"ftyp", FileKind("an MP4 file", _NO_TEXT)),
    (0, b"\x7fELF", FileKind("a program", _NO_TEXT)),
    (0, b"MZ", FileKind("a program for Windows", _NO_TEXT)),
    (0, b"\xcf\xfa\xed\xfe", FileKind("a program for macOS", _NO_TEXT)),
    (0, b"\xca\xfe\xba\xbe", FileKind("a program", _NO_TEXT)),
    (0, b"\0asm", FileKind("a WebAssembly program", _NO_TEXT)),
)


def kind_of(start: bytes) -> FileKind | None:
    """Return the kind of a file that begins so; None where it may be text in UTF-8.

    Text may begin with some of these bytes. So where they are letters, a zero byte must follow;
    where they are not, the beginning must not be UTF-8.

    Parameters
    ----------
    start : bytes
        The first ones: at least 264, and the more the surer.
    """
    has_zero = b"\0" in start
    if not has_zero and _is_utf8(start):
        return None
    for offset, magic, kind in _KINDS:
        if start.startswith(magic, offset) and (has_zero or not magic.isalnum()):
            return kind
    return None


def kind_name(start: bytes) -> str | None:
    """Return what a file is that begins so, with its article; None where that is not known."""
    kind = kind_of(start)
    if kind is not None:
        return kind.name
    return "a text file" if b"\0" not in start and _is_utf8(start) else None


def _is_utf8(start: bytes) -> bool:
    try:
        start[: whole_characters(start)].decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
