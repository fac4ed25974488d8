"""Encoding a scanned corpus into token ids, block by block, on several threads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastlm.data.progress import ProgressReporter
from fastlm.data.scan import CorpusScan, describe
from fastlm.data.split import in_two
from fastlm.data.workers import WorkerState, in_order
from fastlm.text.decoding import count_characters
from fastlm.text.documents import split_documents
from fastlm.text.sources import Input, TextPart
from fastlm.tokenizers import Tokenizer
from fastlm.tokenizers.backend import kernels_loaded
from fastlm.tokenizers.blocks import SymbolCounter, block_encoder, symbol_counter
from fastlm.tokenizers.safe_cut import safe_cut
from fastlm.tokenizers.spec import TokenizerSpec
from fastlm.types import Documents

__all__ = ["early_counter", "encode_into", "tokenizer_for"]

# Bytes of text that a worker takes at a time. Each thread keeps freed memory for itself, the more
# the larger the blocks: 2 GB took 36 MB more memory than 90 MB, and 76 MB with blocks of 256 kB.
_BLOCK = 1 << 17


def encode_into(
    write: Callable[[NDArray[Any]], None],
    found: CorpusScan,
    tokenizer: Tokenizer,
    documents: Documents,
    *,
    cut: int | None,
    threads: int,
    reporter: ProgressReporter,
    block: int = _BLOCK,
) -> dict[str, Any]:
    """Encode a corpus; hand the ids on in order, and return the metadata of a store.

    cut : where the validation part begins, in bytes; None: there is none
    """
    end = tokenizer.boundary_id
    tail = np.array([] if end is None else [end], dtype=tokenizer.dtype)
    vocab = tokenizer.vocab_size
    total = found.bytes
    whole = WorkerState(lambda: block_encoder(tokenizer, documents, total=total))
    by_line = WorkerState(lambda: block_encoder(tokenizer, "lines", total=total))

    def encode(job: _Job) -> _Encoded:
        parts: list[NDArray[Any]] = []
        characters = octets = 0
        for run in _runs(job.pieces, documents):
            with (by_line if run.lines else whole).one() as encoder:
                parts.append(encoder.encode(run.data))
            if run.end:
                parts.append(tail)
            size = _document_size(run, documents)
            characters, octets = characters + size[0], octets + size[1]
        ids = parts[0] if len(parts) == 1 else np.concatenate(parts)
        with counters[job.part].one() as counter:
            _count_ids(counter, ids)
        return _Encoded(job.part, ids, characters, octets, job.bytes)

    # Of the training part and of the validation part, one for each worker.
    counters = [WorkerState(lambda: np.zeros(vocab, dtype=np.int64)) for _ in range(2)]
    sizes = np.zeros((2, 2), dtype=np.int64)
    with reporter.phase("encoding", found.bytes) as report:
        jobs = _jobs(found, cut, tokenizer, documents, block)
        for done in in_order(encode, jobs, threads):
            write(done.ids)
            sizes[done.part] += done.characters, done.bytes
            report(done.read)
    counts = np.zeros((2, vocab), dtype=np.int64)
    for part, states in enumerate(counters):
        for counter in states.all:
            counts[part] += counter
    return {
        "tokenizer": tokenizer.to_dict(),
        "tokenizer_fingerprint": tokenizer.fingerprint(),
        "vocab": vocab,
        "documents": documents,
        "train": _facts(tokenizer, counts[0], sizes[0]),
        "valid": _facts(tokenizer, counts[1], sizes[1]),
        "counts": counts[0].tolist(),
        "sources": [source.identity() for source in found.inputs],
        "text_sha256": found.digest,
        "description": "; ".join([describe(found), *found.notes]),
    }


def tokenizer_for(
    found: CorpusScan,
    choice: TokenizerSpec,
    documents: str,
    *,
    cut: int | None,
    threads: int,
    reporter: ProgressReporter,
    block: int = _BLOCK,
) -> Tokenizer:
    """Make the tokenizer of a surveyed corpus, from the part before ``cut``."""
    ready = choice.ready()
    if ready is not None:
        return ready
    if found.counter is not None:
        return choice.from_counts(_counts_before(cut, found, found.counter))
    options = {
        name: choice.options[name] for name in ("lowercase", "pattern") if name in choice.options
    }

    def new(mode: str) -> SymbolCounter:
        return symbol_counter(choice.kind, documents=mode, total=found.bytes, **options)

    jobs = _jobs(found, cut, choice.kind, documents, block)
    if choice.kind == "bpe":
        with reporter.phase("learning", found.bytes) as report:
            return choice.from_blocks(_training_blocks(jobs, report), documents)
    whole = WorkerState(lambda: new(documents))
    by_line = WorkerState(lambda: new("lines"))

    def count(job: _Job) -> int:
        if job.part == 0:
            for run in _runs(job.pieces, documents):
                with (by_line if run.lines else whole).one() as counter:
                    counter.add(run.data)
        return job.bytes

    with reporter.phase("counting", found.bytes) as report:
        for done in in_order(count, jobs, threads):
            report(done)
    total: Counter[str] = Counter()
    for counter in whole.all + by_line.all:
        total.update(counter.counts())
    return choice.from_counts(total)


def early_counter(
    inputs: Sequence[Input], choice: TokenizerSpec, documents: str
) -> SymbolCounter | None:
    """What may count while the corpus is surveyed, so that a pass over it is spared: characters,
    as they are. Words begin and end where blocks do not; between documents nothing counts."""
    if choice.kind != "char" or documents != "file" or choice.options or choice.ready() is not None:
        return None
    return symbol_counter("char", total=sum(source.size or 0 for source in inputs))


def _counts_before(cut: int | None, found: CorpusScan, counter: SymbolCounter) -> Counter[str]:
    """The counts of the part before ``cut``: of all, without those of the part behind it."""
    counts = counter.counts()
    if cut is not None:
        behind = symbol_counter("char", total=found.bytes)
        before = 0
        for source, size in zip(found.inputs, found.sizes, strict=True):
            if cut < before + size.bytes:
                for data in source.read_from(max(cut - before, 0), size.bytes):
                    behind.add(data)
            before += size.bytes
        counts.subtract(behind.counts())
    return +counts


def _training_blocks(jobs: Iterable[_Job], report: Callable[[int], None]) -> Iterator[bytes]:
    for job in jobs:
        if job.part == 0:
            yield from (piece.data for piece in job.pieces)
        report(job.bytes)


# ---------------------------------------------------------------------------- jobs


class _Job(NamedTuple):
    """What a worker takes at a time: some megabyte of one part, cut where tokens allow it."""

    part: int
    pieces: list[TextPart]
    bytes: int


class _Run(NamedTuple):
    """What an encoder takes in one call.

    end : a text ends with it, and nobody has put the end symbol in yet
    lines : several texts, each a line, in place of one document
    """

    data: bytes
    end: bool
    lines: bool
    texts: int


class _Encoded(NamedTuple):
    part: int
    ids: NDArray[Any]
    characters: int
    bytes: int
    read: int


def _count_ids(counts: NDArray[np.int64], ids: NDArray[Any]) -> None:
    """Add to counts[V] how often each id occurs."""
    if kernels_loaded():
        from fastlm.tokenizers.compiled import count_ids

        count_ids(counts, ids)
    else:
        counts += np.bincount(ids, minlength=counts.size)


def _facts(
    tokenizer: Tokenizer, counts: NDArray[np.int64], sizes: NDArray[np.int64]
) -> dict[str, int]:
    """What the metadata says of a part. ``sizes`` : characters, bytes"""
    end, unknown = tokenizer.boundary_id, tokenizer.unk_id
    return {
        "tokens": int(counts.sum()),
        "documents": 0 if end is None else int(counts[end]),
        "characters": int(sizes[0]),
        "bytes": int(sizes[1]),
        "unknown": 0 if unknown is None else int(counts[unknown]),
    }


def _jobs(
    found: CorpusScan, cut: int | None, source: Tokenizer | str, documents: str, block: int
) -> Iterator[_Job]:
    pieces: list[TextPart] = []
    current = size = 0
    for part, piece in _safe_pieces(in_two(found.pieces(), cut), source, documents, block):
        if pieces and (part != current or size + len(piece.data) > block):
            yield _Job(current, pieces, size)
            pieces, size = [], 0
        current = part
        pieces.append(piece)
        size += len(piece.data)
    if pieces:
        yield _Job(current, pieces, size)


def _safe_pieces(
    parts: Iterable[tuple[int, TextPart]], source: Tokenizer | str, documents: str, block: int
) -> Iterator[tuple[int, TextPart]]:
    """Cut each text in pieces of about ``block`` bytes that do not depend on each other."""
    held: list[bytes] = []
    size, wanted = 0, block
    for part, piece in parts:
        for at in range(0, len(piece.data) or 1, block):
            data = piece.data[at : at + block] if len(piece.data) > block else piece.data
            held.append(data)
            size += len(data)
            if piece.ends_text and at + block >= len(piece.data):
                yield part, TextPart(b"".join(held), True)
                held, size, wanted = [], 0, block
            elif size >= wanted:
                whole = b"".join(held)
                cut = safe_cut(source, documents, whole, False)
                if cut:
                    yield part, TextPart(whole[:cut], False)
                held = [whole[cut:]]
                size = len(whole) - cut
                # Where no cut was found, one is looked for when there is twice as much.
                wanted = max(block, 2 * size)


def _runs(pieces: list[TextPart], documents: str) -> Iterator[_Run]:
    """Join short texts, so that a call of the encoder has something to do."""
    if documents != "file":
        # A blank line ends lines and paragraphs alike, and is none itself.
        joined = b"".join(p.data + b"\n\n" if p.ends_text else p.data for p in pieces)
        yield _Run(joined if len(pieces) > 1 else pieces[0].data, False, False, 1)
        return
    short: list[bytes] = []
    for piece in pieces:
        if piece.ends_text and _is_one_line(piece.data):
            short.append(piece.data)
            continue
        if short:
            yield _Run(b"\n".join(short), False, True, len(short))
            short = []
        yield _Run(piece.data, piece.ends_text, False, 1)
    if short:
        yield _Run(b"\n".join(short), False, True, len(short))


def _is_one_line(data: bytes) -> bool:
    """Whether it is, as a document, what it is as a line; for long texts it does not matter."""
    return len(data) < 1 << 12 and b"\n" not in data and bool(data.decode("utf-8").strip())


def _document_size(run: _Run, documents: str) -> tuple[int, int]:
    """(characters, bytes) of the documents in a run."""
    if documents == "file":
        between = run.texts - 1
        return count_characters(run.data) - between, len(run.data) - between
    texts = list(split_documents(run.data.decode("utf-8"), documents))
    characters = sum(map(len, texts))
    if run.data.isascii():
        return characters, characters
    return characters, sum(len(text.encode("utf-8")) for text in texts)
