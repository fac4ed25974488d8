"""The first pass over a corpus: check that it can be read, measure it, compute its digest."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from fastlm.data.spool import SpoolInput, _Copies
from fastlm.data.workers import read_ahead
from fastlm.errors import CorpusError
from fastlm.text.decoding import Reading, count_characters
from fastlm.text.documents import split_documents
from fastlm.text.paths import inputs_of
from fastlm.text.reading import whole_texts
from fastlm.text.sources import FileInput, Input, TextPart
from fastlm.types import CorpusSource

if TYPE_CHECKING:
    from fastlm.tokenizers.blocks import SymbolCounter

__all__ = [
    "CorpusScan",
    "Mark",
    "Report",
    "Size",
    "corpus_fingerprint",
    "describe",
    "format_bytes",
    "load_documents",
    "read_documents",
    "scan_corpus",
]


def load_documents(corpus: CorpusSource, mode: str, reading: Reading | None = None) -> list[str]:
    """Return the documents of one or several files in order, or of the default corpus for None.

    A path that names no file but holds `*`, `?` or `[` stands for all files that match it, sorted
    by name; a folder for all text files in it.

    Raises
    ------
    CorpusError
        For a file that cannot be read or holds only white space, an empty list, and an unknown
        mode.
    """
    return read_documents(scan_corpus(inputs_of(corpus, reading)), mode)


def read_documents(found: CorpusScan, mode: str) -> list[str]:
    """Return the documents of a surveyed corpus."""
    documents: list[str] = []
    for text in whole_texts(found.pieces()):
        documents.extend(split_documents(text, mode))
    return documents


def corpus_fingerprint(documents: Iterable[str]) -> str:
    """Return the SHA-256 (hex) of each document's length in bytes (8 bytes, little-endian) and
    its UTF-8, in order."""
    digest = hashlib.sha256()
    for document in documents:
        data = document.encode("utf-8", "surrogatepass")
        digest.update(len(data).to_bytes(8, "little"))
        digest.update(data)
    return digest.hexdigest()


def describe(found: CorpusScan) -> str:
    """Return what was read and how much, for people, such as "train.txt (1.0 MB)"."""
    return f"{source_name(found.inputs)} ({format_bytes(found.bytes)})"


def source_name(inputs: Sequence[Input]) -> str:
    if len(inputs) > 1:
        return f"{len(inputs)} files"
    source = inputs[0]
    return Path(source.name).name if isinstance(source, FileInput) else source.name


def format_bytes(size: int) -> str:
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size} bytes"


_END = b"\xff"


_SUMMED = 1 << 18


_MARKED = 1 << 20


_AHEAD = 1 << 19  # bytes


Report = Callable[[int, int | None], None]
"""Called now and then with the bytes done and the bytes in all, None where nobody knows."""


class Size(NamedTuple):
    """Of the texts of one input, decoded: characters, bytes of UTF-8, texts, and a CRC-32 of all
    of it, by which a second reading is known to have read the same."""

    characters: int
    bytes: int
    texts: int
    crc: int


class Mark(NamedTuple):
    """A place in the texts of an input put together, between two characters: how many characters
    and bytes lie before it."""

    characters: int
    bytes: int


@dataclass(frozen=True)
class CorpusScan:
    """What was found in a corpus.

    inputs : those that hold text; all of them can be read again
    sizes, marks : of each; marks lie about a megabyte apart, the first is the beginning
    kept : the pieces of all inputs, or None where they are more than the caller wanted kept
    digest : SHA-256 (hex) of all texts as UTF-8, each followed by a byte 0xFF
    notes : what was left out, for people
    counter : with the symbols of all of it, where the caller wanted them counted
    """

    inputs: list[Input]
    sizes: list[Size]
    marks: list[list[Mark]]
    kept: list[TextPart] | None
    digest: str
    notes: list[str]
    counter: SymbolCounter | None = None

    @property
    def characters(self) -> int:
        return sum(size.characters for size in self.sizes)

    @property
    def bytes(self) -> int:
        return sum(size.bytes for size in self.sizes)

    @property
    def texts(self) -> int:
        return sum(size.texts for size in self.sizes)

    def pieces(self) -> Iterator[TextPart]:
        """Read everything again.

        Raises CorpusError when it is not what it was.
        """
        if self.kept is not None:
            yield from self.kept
            return
        yield from read_ahead(self._again(), _AHEAD, lambda piece: len(piece.data))

    def _again(self) -> Iterator[TextPart]:
        for source, size in zip(self.inputs, self.sizes, strict=True):
            crc = length = 0
            for piece in source.parts(trusted=True):
                crc = _crc(piece, crc)
                length += len(piece.data)
                yield piece
            if (crc, length) != (size.crc, size.bytes):
                raise CorpusError(
                    f"{source.name} changed while it was read; start again when nobody writes "
                    "to it any more"
                )

    def close(self) -> None:
        """Remove copies of what could be read only once."""
        for source in self.inputs:
            if isinstance(source, SpoolInput):
                source.close()


def scan_corpus(
    inputs: Sequence[Input],
    *,
    keep: int | None = None,
    spool: Callable[[], BinaryIO] | None = None,
    report: Report | None = None,
    counter: SymbolCounter | None = None,
) -> CorpusScan:
    """Read all inputs once, in constant memory beside what is kept.

    Parameters
    ----------
    inputs : sequence of Input
    keep : int, optional
        Keep the text in memory if it has no more bytes than this; None: keep it whatever its size.
    spool : callable, optional
        Opens a file for a copy of an input that can be read only once; needed unless all is kept.
    report : callable, optional
    counter : SymbolCounter, optional
        Counts while everything is read. Of characters: blocks are cut anywhere between two.

    Raises
    ------
    CorpusError
        For what cannot be read, and an input with nothing but white space in it.
    """
    copies = _Copies(keep, spool)
    sizes: list[Size] = []
    marks: list[list[Mark]] = []
    notes: list[str] = []
    known = [source.size for source in inputs]
    on_disk = None if None in known else sum(size or 0 for size in known)
    done = 0
    sums = _Sums(counter)
    try:
        for source in inputs:
            copies.begin(source)
            octets = texts = 0
            blank = True
            for piece in source.parts():
                copies.add(piece)
                sums.add(piece)
                octets += len(piece.data)
                texts += piece.ends_text
                blank = blank and piece.data.decode("utf-8").isspace()
                if report is not None:
                    report(done + source.bytes_read, on_disk)
            done += source.size or 0
            notes += source.notes
            of_input = sums.of_input()
            if not blank:
                sizes.append(Size(of_input.characters, octets, texts, of_input.crc))
                marks.append(of_input.marks)
                continue
            if not source.in_folder:
                raise CorpusError(
                    f"{source.name} holds only white space; name a file that holds text"
                )
            copies.drop()
            if octets:
                counter = None  # it has counted what is left out
                notes.append(f"{source.name} holds only white space and was left out")
        if not sizes:
            raise CorpusError(
                f"{inputs[0].name} and all files with it in the folder hold no text; name a "
                "folder with text in it"
            )
    except BaseException:
        copies.close()
        sums.close()
        raise
    kept = copies.kept
    flat = None if kept is None else [piece for pieces in kept for piece in pieces]
    return CorpusScan(copies.inputs, sizes, marks, flat, sums.hexdigest(), notes, counter)


@dataclass
class _OfInput:
    characters: int = 0
    bytes: int = 0
    crc: int = 0
    marks: list[Mark] = field(default_factory=lambda: [Mark(0, 0)])


class _Sums:
    """SHA-256 of all texts, each followed by a byte that UTF-8 never has, and what is summed up of
    each input; computed by a thread of its own, beside the reading.

    counter : counts, in the same thread
    """

    def __init__(self, counter: SymbolCounter | None) -> None:
        self._counter = counter
        self._digest = hashlib.sha256()
        self._input = _OfInput()
        self._parts: list[bytes] = []
        self._size = self._ends = 0
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="fastlm-digest")
        self._running: Future[None] | None = None

    def add(self, piece: TextPart) -> None:
        self._parts.append(piece.data)
        if piece.ends_text:
            self._parts.append(_END)
            self._ends += 1
        self._size += len(piece.data)
        if self._size >= _SUMMED:
            self._start()

    def of_input(self) -> _OfInput:
        """What was added since it was last asked for."""
        self._start()
        self._wait()
        done, self._input = self._input, _OfInput()
        return done

    def hexdigest(self) -> str:
        self._start()
        self.close()
        return self._digest.hexdigest()

    def close(self) -> None:
        self._pool.shutdown()

    def _wait(self) -> None:
        if self._running is not None:
            self._running.result()

    def _start(self) -> None:
        self._wait()
        self._running = self._pool.submit(self._sum, b"".join(self._parts), self._ends)
        self._parts, self._size, self._ends = [], 0, 0

    def _sum(self, data: bytes, ends: int) -> None:
        self._digest.update(data)
        done = self._input
        done.crc = zlib.crc32(data, done.crc)
        done.characters += count_characters(data) - ends
        done.bytes += len(data) - ends
        if done.bytes - done.marks[-1].bytes >= _MARKED:
            done.marks.append(Mark(done.characters, done.bytes))
        if self._counter is not None:
            self._counter.add(data.replace(_END, b"") if ends else data)


def _crc(piece: TextPart, crc: int) -> int:
    crc = zlib.crc32(piece.data, crc)
    return zlib.crc32(_END, crc) if piece.ends_text else crc
