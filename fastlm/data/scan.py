"""The first pass over a corpus: check that it can be read, measure it, compute its digest."""

from __future__ import annotations

import builtins
import hashlib
import zlib
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

from fastlm.data.progress import ProgressReporter
from fastlm.data.spool import CorpusCopies, InputCopy
from fastlm.data.workers import prefetch
from fastlm.errors import CorpusError
from fastlm.text.decoding import Reading, count_characters
from fastlm.text.paths import inputs_of
from fastlm.text.reading import whole_texts
from fastlm.text.sources import Input, Note, PathInput, TextPart
from fastlm.tokenizers.counting import SymbolCounter
from fastlm.types import CorpusSource

__all__ = [
    "IN_MEMORY",
    "CorpusScan",
    "ScannedInput",
    "SeekPoint",
    "format_bytes",
    "read_texts",
    "scan_corpus",
]

IN_MEMORY = 8_000_000
"""Bytes of text up to which it is held in memory, and no store is made."""

_TEXT_END = b"\xff"  # never in UTF-8
_SUMMED_BYTES = 1 << 18  # handed to the summing thread at a time
_SEEK_BYTES = 1 << 20  # between two seek points
_PREFETCHED_BYTES = 1 << 19


def read_texts(corpus: CorpusSource, reading: Reading | None = None) -> Iterator[str]:
    """Yield the texts of a corpus, in order, after a scan of all of it.

    Parameters
    ----------
    corpus : path, sequence of paths, or None
        See ``fastlm.train``.
    reading : Reading, optional

    Raises
    ------
    CorpusError
        For a file that cannot be read or holds only white space, and an empty list.
    StoreError
        Where there is no room for a copy of standard input.
    """
    with closing(scan_corpus(inputs_of(corpus, reading), keep=IN_MEMORY)) as scan:
        yield from whole_texts(scan.parts())


def format_bytes(size: int) -> str:
    """Return a size in bytes for people, such as "1.0 MB"."""
    for unit, name in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if size >= unit:
            return f"{size / unit:.1f} {name}"
    return f"{size} bytes"


class SeekPoint(NamedTuple):
    """A place between two characters of an input's texts, from which it can be read on.

    characters, bytes : before it, all texts of the input put together
    """

    characters: int
    bytes: int


@dataclass
class ScannedInput:
    """An input that holds text, and what the scan found in it.

    Whatever is read again is compared with the scan before it is handed on: the readers of the
    text may trust it.

    source : can be read again
    characters, bytes, texts : of its texts, decoded; bytes of UTF-8
    seek_points : about a megabyte apart, the first at the beginning
    checksums : for each seek point, the CRC-32 of what follows up to the next; a byte 0xFF stands
        for the end of a text
    """

    source: Input
    characters: int = 0
    bytes: int = 0
    texts: int = 0
    seek_points: list[SeekPoint] = field(default_factory=lambda: [SeekPoint(0, 0)])
    checksums: list[int] = field(default_factory=lambda: [0])

    def parts(self) -> Iterator[TextPart]:
        """Read the input again.

        Raises CorpusError when it has changed.
        """
        return self._verified(self.source.parts(trusted=True), 0)

    def read_from(self, offset: int) -> Iterator[builtins.bytes]:
        """Read again what follows the first ``offset`` bytes of all texts put together.

        Raises CorpusError when it has changed.
        """
        number = bisect_right(self.seek_points, offset, key=lambda point: point.bytes) - 1
        start = self.seek_points[number].bytes
        skipped = offset - start
        for part in self._verified(self.source.parts_from(start, self.bytes), number):
            if skipped < len(part.data):
                yield part.data[skipped:] if skipped else part.data
            skipped = max(skipped - len(part.data), 0)

    def _verified(self, parts: Iterable[TextPart], number: int) -> Iterator[TextPart]:
        """Yield the parts from a seek point on, once what lies before the next one is as it was."""
        stops = [*(point.bytes for point in self.seek_points[1:]), self.bytes]
        place, stop = self.seek_points[number].bytes, stops[number]
        held: list[TextPart] = []
        for part in parts:
            fits = place + len(part.data) <= stop
            for piece in (part,) if fits else self._cut_at(stops[number:], place, part):
                held.append(piece)
                place += len(piece.data)
                if place < stop:
                    continue
                if _checksum(held) != self.checksums[number]:
                    raise self._changed()
                yield from held
                held = []
                # A last stretch may be empty.
                if place < self.bytes:
                    number += 1
                    stop = stops[number]
        if place < self.bytes:
            raise self._changed()

    def _cut_at(self, stops: list[int], place: int, part: TextPart) -> Iterator[TextPart]:
        """Yield the pieces of a part that begins at ``place``; CorpusError if it goes too far."""
        start = 0
        for stop in stops:
            if stop - place >= len(part.data):
                break
            yield TextPart(part.data[start : stop - place], False)
            start = stop - place
        if place + len(part.data) > self.bytes:
            raise self._changed()
        yield TextPart(part.data[start:], part.ends_text)

    def _changed(self) -> CorpusError:
        return CorpusError(
            f"{self.source.name} changed while it was read; start again when nothing writes to it "
            "any more"
        )


def _checksum(parts: list[TextPart]) -> int:
    return zlib.crc32(
        b"".join(part.data + _TEXT_END if part.ends_text else part.data for part in parts)
    )


@dataclass(frozen=True)
class CorpusScan:
    """What was found in a corpus. ``close`` removes temporary copies.

    inputs : those that hold text
    digest : SHA-256 (hex) of all texts as UTF-8, each followed by a byte 0xFF
    notes : what was left out
    counter : holds the counts of all symbols, where the caller wanted them counted
    """

    inputs: list[ScannedInput]
    digest: str
    notes: list[Note]
    counter: SymbolCounter | None = None

    @property
    def characters(self) -> int:
        """Characters of all texts, line ends included."""
        return sum(one.characters for one in self.inputs)

    @property
    def bytes(self) -> int:
        """Bytes of all texts, as UTF-8."""
        return sum(one.bytes for one in self.inputs)

    @property
    def description(self) -> str:
        """What was read, how much, and what was left out, such as "train.txt (1.0 MB)"."""
        name = f"{len(self.inputs)} files"
        if len(self.inputs) == 1:
            source = self.inputs[0].source
            source = source.source if isinstance(source, InputCopy) else source
            name = Path(source.name).name if isinstance(source, PathInput) else source.name
        notes = (note.record for note in self.notes)
        return "; ".join([f"{name} ({format_bytes(self.bytes)})", *notes])

    def parts(self) -> Iterator[TextPart]:
        """Read everything again, a little ahead of the caller.

        Raises CorpusError when an input has changed.
        """
        parts = (part for one in self.inputs for part in one.parts())
        return prefetch(parts, _PREFETCHED_BYTES, lambda part: len(part.data))

    def close(self) -> None:
        """Remove copies, those on disk included."""
        for one in self.inputs:
            if isinstance(one.source, InputCopy):
                one.source.close()


def scan_corpus(
    inputs: Sequence[Input],
    *,
    keep: int = 0,
    folder: Path | None = None,
    reporter: ProgressReporter | None = None,
    counter: SymbolCounter | None = None,
) -> CorpusScan:
    """Read all inputs once, in constant memory beside what is kept.

    Parameters
    ----------
    inputs : sequence of Input
    keep : int
        Bytes of text up to which a copy is kept in memory, and read in place of the inputs.
    folder : Path, optional
        Where to copy larger inputs that can be read only once; None: the system's folder for
        temporary files.
    reporter : ProgressReporter, optional
    counter : SymbolCounter, optional
        Counts while everything is read. Of characters: blocks are cut anywhere between two.

    Raises
    ------
    CorpusError
        For what cannot be read, and an input with nothing but white space in it.
    StoreError
        For a copy that cannot be written.
    """
    copies = CorpusCopies(keep, folder)
    measured: list[ScannedInput] = []
    notes: list[Note] = []
    sizes = [source.size for source in inputs]
    on_disk = None if None in sizes else sum(size or 0 for size in sizes)
    done = 0
    with (
        ExitStack() as on_error,
        closing(_Sums(counter)) as sums,
        (reporter or ProgressReporter()).phase("reading", on_disk) as progress,
    ):
        on_error.callback(copies.close)
        for source in inputs:
            copies.begin(source)
            sums.begin_input(source)
            blank = True
            for part in source.parts():
                copies.add(part)
                sums.add(part)
                blank = blank and part.data.decode("utf-8").isspace()
                progress.set_done(done + source.bytes_read)
            done += source.size or 0
            notes += source.notes
            of_input = sums.end_input()
            if not blank:
                measured.append(of_input)
                continue
            if not source.in_folder:
                raise CorpusError(
                    f"{source.name} holds only white space; name a file that holds text"
                )
            copies.drop()
            if of_input.bytes:
                counter = None  # it has counted what is left out
                notes.append(Note.on_file(source.name, "holds only white space and was left out"))
        if not measured:
            raise CorpusError(
                f"{inputs[0].name} and all files with it hold no text; name a folder or files "
                "with text in them"
            )
        progress.notes = [note.text for note in notes]
        on_error.pop_all()
    scanned = [replace(one, source=copy) for one, copy in zip(measured, copies.inputs, strict=True)]
    return CorpusScan(scanned, sums.hexdigest(), notes, counter)


class _Sums:
    """Digest, size and seek points of what is read, summed by a thread of its own.

    counter : counts symbols, in the same thread
    """

    def __init__(self, counter: SymbolCounter | None) -> None:
        self._counter = counter
        self._digest = hashlib.sha256()
        self._waiting: list[bytes] = []
        self._waiting_size = self._waiting_ends = 0
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="fastlm-digest")
        self._running: Future[None] | None = None

    def close(self) -> None:
        self._pool.shutdown()

    def begin_input(self, source: Input) -> None:
        self._input = ScannedInput(source)

    def add(self, part: TextPart) -> None:
        self._waiting.append(part.data)
        self._waiting_size += len(part.data)
        if part.ends_text:
            self._waiting.append(_TEXT_END)
            self._waiting_ends += 1
        if self._waiting_size >= _SUMMED_BYTES:
            self._start()

    def end_input(self) -> ScannedInput:
        self._start()
        self._wait()
        return self._input

    def hexdigest(self) -> str:
        return self._digest.hexdigest()

    def _wait(self) -> None:
        if self._running is not None:
            self._running.result()

    def _start(self) -> None:
        self._wait()
        self._running = self._pool.submit(self._sum, b"".join(self._waiting), self._waiting_ends)
        self._waiting, self._waiting_size, self._waiting_ends = [], 0, 0

    def _sum(self, data: bytes, ends: int) -> None:
        self._digest.update(data)
        of_input = self._input
        of_input.checksums[-1] = zlib.crc32(data, of_input.checksums[-1])
        of_input.characters += count_characters(data) - ends
        of_input.bytes += len(data) - ends
        of_input.texts += ends
        if of_input.bytes - of_input.seek_points[-1].bytes >= _SEEK_BYTES:
            of_input.seek_points.append(SeekPoint(of_input.characters, of_input.bytes))
            of_input.checksums.append(0)
        if self._counter is not None:
            self._counter.add(data.replace(_TEXT_END, b"") if ends else data)
