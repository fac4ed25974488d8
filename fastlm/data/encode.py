"""A scanned corpus to a vocabulary and to token ids, block by block, on several threads.

The vocabulary is counted in a first pass, the ids are made in a second. Neither the size of blocks
nor the number of threads changes what comes out, and memory does not grow with the text.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastlm.data.progress import ProgressReporter
from fastlm.data.scan import CorpusScan
from fastlm.data.split import TRAIN, VALID, VALID_FRACTION, find_cut, split_parts
from fastlm.data.workers import ObjectPool, map_in_order
from fastlm.text.decoding import count_characters
from fastlm.text.documents import is_one_document, split_documents
from fastlm.text.sources import Input, TextPart
from fastlm.tokenizers import Tokenizer
from fastlm.tokenizers.backend import count_ids
from fastlm.tokenizers.blocks import block_encoder
from fastlm.tokenizers.counting import SymbolCounter, symbol_counter
from fastlm.tokenizers.safe_cut import safe_cut
from fastlm.tokenizers.spec import TokenizerSpec
from fastlm.tokenizers.word import WordTokenizer
from fastlm.tokenizers.words.spacing import SAMPLE_BYTES
from fastlm.types import Documents

__all__ = ["EncodingJob", "corpus_tokenizer", "encode_corpus", "scan_counter"]

# Each thread keeps freed memory for itself, the more the larger the blocks: 2 GB of text took 36 MB
# more memory than 90 MB, and 76 MB with blocks of 256 kB.
_BLOCK_BYTES = 1 << 17
_SHORT_TEXT = 1 << 12  # bytes; joining longer texts saves nothing


@dataclass(frozen=True)
class EncodingJob:
    """A scanned corpus and the settings by which it becomes ids.

    scan : CorpusScan
    spec : the tokenizer, or how it is made from the training part
    documents : what a document is
    valid : the fraction to hold out; see ``fastlm.data.split.find_cut``
    threads : at least 1; changes nothing but speed
    reporter : told how it goes
    block_bytes : text that a thread takes at a time; changes nothing but speed and memory
    """

    scan: CorpusScan
    spec: TokenizerSpec
    documents: Documents
    valid: float | None = 0
    threads: int = 1
    reporter: ProgressReporter = field(default_factory=ProgressReporter)
    block_bytes: int = _BLOCK_BYTES

    @cached_property
    def cut(self) -> int | None:
        """Where the validation part begins, in bytes; None: nothing is held out."""
        return find_cut(self.scan, self.valid, self.documents)

    @property
    def valid_fraction(self) -> float | None:
        """The fraction that is held out; None: nothing is."""
        if self.cut is None:
            return None
        return VALID_FRACTION if self.valid is None else self.valid

    def tasks(self, source: Tokenizer | str) -> Iterator[_Task]:
        """Yield the corpus in stretches that do not depend on each other.

        source : the tokenizer, or the kind of one that is still to be built
        """
        parts: list[TextPart] = []
        current = size = 0
        for split, part in self._independent_parts(source):
            if parts and (split != current or size + len(part.data) > self.block_bytes):
                yield _Task(current, parts, size)
                parts, size = [], 0
            current = split
            parts.append(part)
            size += len(part.data)
        if parts:
            yield _Task(current, parts, size)

    def _independent_parts(self, source: Tokenizer | str) -> Iterator[tuple[int, TextPart]]:
        """Cut each text where tokenizing allows it, into parts of about a block."""
        limit = self.block_bytes
        held: list[bytes] = []
        size, wanted = 0, limit
        parts = split_parts(self.scan.parts(), self.cut)
        for split, part in _with_line_ends(parts) if self.documents == "stream" else parts:
            if part.ends_text and not held and len(part.data) <= limit:
                yield split, part
                continue
            for start in range(0, len(part.data) or 1, limit):
                data = part.data[start : start + limit] if len(part.data) > limit else part.data
                held.append(data)
                size += len(data)
                if part.ends_text and start + limit >= len(part.data):
                    yield split, TextPart(b"".join(held), True)
                    held, size, wanted = [], 0, limit
                elif size >= wanted:
                    whole = b"".join(held)
                    cut = safe_cut(source, self.documents, whole, False)
                    if cut:
                        yield split, TextPart(whole[:cut], False)
                    held = [whole[cut:]]
                    size = len(whole) - cut
                    # Where no cut was found, look for one when there is twice as much.
                    wanted = max(limit, 2 * size)


def scan_counter(
    inputs: Sequence[Input], spec: TokenizerSpec, documents: str
) -> SymbolCounter | None:
    """Return what can count symbols during the scan, which saves a pass; None where nothing can.

    Characters can be counted wherever blocks end. Words cannot, nor what stands between documents.
    """
    if spec.kind != "char" or documents != "file" or spec.options or spec.ready() is not None:
        return None
    return symbol_counter("char", total=sum(source.size or 0 for source in inputs))


def corpus_tokenizer(job: EncodingJob) -> Tokenizer:
    """Return the tokenizer of a corpus, made from its training part unless the spec has it.

    Words learn from the training part where spaces stand, with a vocabulary from a file, too.

    Raises
    ------
    TokenizerError
        For settings that no tokenizer has, and text without a symbol.
    CorpusError
        For text that cannot be split, or has changed since it was scanned.
    """
    tokenizer = job.spec.ready() or _built_tokenizer(job)
    if isinstance(tokenizer, WordTokenizer) and tokenizer is not job.spec.given:
        return tokenizer.with_spaces_of(_training_head(job, SAMPLE_BYTES))
    return tokenizer


def _built_tokenizer(job: EncodingJob) -> Tokenizer:
    if job.scan.counter is not None:
        return job.spec.from_counts(_counts_of_training_part(job, job.scan.counter))
    total = job.scan.bytes
    tasks = job.tasks(job.spec.kind)
    if job.spec.kind == "bpe":
        with job.reporter.phase("learning", total) as progress:
            blocks = _training_blocks(tasks, progress.advance)
            return job.spec.from_blocks(blocks, job.documents)
    options = {
        name: job.spec.options[name]
        for name in ("lowercase", "pattern", "line_ends")
        if name in job.spec.options
    }

    def new_pool(documents: str) -> ObjectPool[SymbolCounter]:
        return ObjectPool(
            lambda: symbol_counter(job.spec.kind, documents=documents, total=total, **options)
        )

    whole, by_line = new_pool(job.documents), new_pool("lines")

    def count(task: _Task) -> int:
        if task.split == TRAIN:
            for call in _encoder_calls(task.parts, job.documents):
                with (by_line if call.by_line else whole).borrow() as counter:
                    counter.add(call.data)
        return task.bytes

    with job.reporter.phase("counting", total) as progress:
        for done in map_in_order(count, tasks, job.threads):
            progress.advance(done)
    counts: Counter[str] = Counter()
    for counter in whole.all + by_line.all:
        counts.update(counter.counts())
    return job.spec.from_counts(counts)


def encode_corpus(
    job: EncodingJob, tokenizer: Tokenizer, write: Callable[[NDArray[Any]], None]
) -> dict[str, Any]:
    """Encode a corpus, and return the metadata of a token store, but for its tokenizer.

    Parameters
    ----------
    job : EncodingJob
    tokenizer : Tokenizer
    write : callable
        Takes the ids in order, ``tokenizer.dtype[T]`` at a time: the training part, then the
        validation part; each document is ended by the boundary token, where there is one.

    Raises
    ------
    TokenizerError
        For a symbol that the vocabulary lacks where it has no `<unk>`.
    CorpusError
        For text that cannot be split, or has changed since it was scanned.
    """
    end, vocab, total = tokenizer.boundary_id, tokenizer.vocab_size, job.scan.bytes
    tail = np.array([] if end is None else [end], dtype=tokenizer.dtype)
    whole = ObjectPool(lambda: block_encoder(tokenizer, job.documents, total=total))
    by_line = ObjectPool(lambda: block_encoder(tokenizer, "lines", total=total))
    # For each split, a counter for each thread.
    counters = [ObjectPool(lambda: np.zeros(vocab, dtype=np.int64)) for _ in (TRAIN, VALID)]

    def encode(task: _Task) -> _Encoded:
        arrays: list[NDArray[Any]] = []
        characters = n_bytes = 0
        for call in _encoder_calls(task.parts, job.documents):
            with (by_line if call.by_line else whole).borrow() as encoder:
                arrays.append(encoder.encode(call.data))
            if call.ends_text:
                arrays.append(tail)
            size = _size_of_documents(call, job.documents)
            characters, n_bytes = characters + size[0], n_bytes + size[1]
        ids = arrays[0] if len(arrays) == 1 else np.concatenate(arrays)
        with counters[task.split].borrow() as counts:
            count_ids(counts, ids)
        return _Encoded(task.split, ids, (characters, n_bytes), task.bytes)

    sizes = np.zeros((2, 2), dtype=np.int64)
    with job.reporter.phase("encoding", total) as progress:
        for done in map_in_order(encode, job.tasks(tokenizer), job.threads):
            write(done.ids)
            sizes[done.split] += done.size
            progress.advance(done.bytes)
    counts = [sum(pool.all, np.zeros(vocab, dtype=np.int64)) for pool in counters]
    return {
        "vocab": vocab,
        "documents": job.documents,
        "train": _split_facts(tokenizer, counts[TRAIN], sizes[TRAIN]),
        "valid": _split_facts(tokenizer, counts[VALID], sizes[VALID]),
        "valid_fraction": job.valid_fraction,
        "counts": counts[TRAIN].tolist(),
        "sources": [one.source.identity() for one in job.scan.inputs],
        "text_sha256": job.scan.digest,
        "description": job.scan.description,
    }


def _counts_of_training_part(job: EncodingJob, counter: SymbolCounter) -> Counter[str]:
    """Take the validation part's counts from those of the whole corpus."""
    counts = counter.counts()
    if job.cut is not None:
        held_out = symbol_counter("char", total=job.scan.bytes)
        before = 0
        for one in job.scan.inputs:
            if job.cut < before + one.bytes:
                for data in one.read_from(max(job.cut - before, 0)):
                    held_out.add(data)
            before += one.bytes
        counts.subtract(held_out.counts())
    return +counts


def _training_head(job: EncodingJob, size: int) -> str:
    """Return the first ``size`` bytes of the training part, with a blank line between texts."""
    head = bytearray()
    parts = (part for one in job.scan.inputs for part in one.parts())
    for split, part in split_parts(parts, job.cut):
        if split != TRAIN or len(head) >= size:
            break
        head += part.data + b"\n\n" if part.ends_text else part.data
    return head[:size].decode("utf-8", "ignore")


def _training_blocks(tasks: Iterable[_Task], advance: Callable[[int], None]) -> Iterator[bytes]:
    for task in tasks:
        if task.split == TRAIN:
            yield from (part.data for part in task.parts)
        advance(task.bytes)


class _Task(NamedTuple):
    """What a thread takes at a time: parts of one split, about a block in all."""

    split: int
    parts: list[TextPart]
    bytes: int


class _EncoderCall(NamedTuple):
    """What an encoder takes in one call.

    ends_text : the text ends here; a boundary token must follow
    by_line : several texts, each a line, in place of one document
    """

    data: bytes
    ends_text: bool
    by_line: bool
    texts: int


class _Encoded(NamedTuple):
    """The ids of a task; (characters, bytes) of its documents; bytes of its text."""

    split: int
    ids: NDArray[Any]
    size: tuple[int, int]
    bytes: int


def _with_line_ends(parts: Iterable[tuple[int, TextPart]]) -> Iterator[tuple[int, TextPart]]:
    """Give each text that is not empty a line end after its last line, where it has none."""
    last = b""
    for split, part in parts:
        last = part.data[-1:] or last
        if part.ends_text:
            if last not in (b"", b"\n"):
                part = TextPart(part.data + b"\n", True)
            last = b""
        yield split, part


def _encoder_calls(parts: list[TextPart], documents: str) -> Iterator[_EncoderCall]:
    """Join short texts, so that fewer calls do more each."""
    if not is_one_document(documents):
        # A blank line ends lines and paragraphs alike, and is none itself.
        joined = b"".join(part.data + b"\n\n" if part.ends_text else part.data for part in parts)
        yield _EncoderCall(joined if len(parts) > 1 else parts[0].data, False, False, 1)
        return
    short: list[bytes] = []
    for part in parts:
        if part.ends_text and _is_one_line(part.data):
            short.append(part.data)
            continue
        if short:
            yield _EncoderCall(b"\n".join(short), False, True, len(short))
            short = []
        yield _EncoderCall(part.data, part.ends_text, False, 1)
    if short:
        yield _EncoderCall(b"\n".join(short), False, True, len(short))


def _is_one_line(data: bytes) -> bool:
    """Whether a short text is the same document as a file and as a line."""
    return len(data) < _SHORT_TEXT and b"\n" not in data and bool(data.decode("utf-8").strip())


def _size_of_documents(call: _EncoderCall, documents: str) -> tuple[int, int]:
    """Return (characters, bytes) of the documents, without the separators between them."""
    if is_one_document(documents):
        between = call.texts - 1
        return count_characters(call.data) - between, len(call.data) - between
    texts = list(split_documents(call.data.decode("utf-8"), documents))
    characters = sum(map(len, texts))
    if call.data.isascii():
        return characters, characters
    return characters, sum(len(text.encode("utf-8")) for text in texts)


def _split_facts(
    tokenizer: Tokenizer, counts: NDArray[np.int64], size: NDArray[np.int64]
) -> dict[str, int]:
    """Return what the metadata says of a split. ``size`` : characters, bytes."""
    end, unknown = tokenizer.boundary_id, tokenizer.unk_id
    return {
        "tokens": int(counts.sum()),
        "documents": 0 if end is None else int(counts[end]),
        "characters": int(size[0]),
        "bytes": int(size[1]),
        "unknown": 0 if unknown is None else int(counts[unknown]),
    }
