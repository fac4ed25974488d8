"""Writing back-off models as ARPA files, which KenLM, SRILM and decoders of speech read."""

from __future__ import annotations

import gzip
import itertools
import math
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import NDArray

from fastlm.counts.arpa_words import BEGIN, END, UNKNOWN, words_of
from fastlm.counts.backoff_model import BackoffModel
from fastlm.errors import ExportError
from fastlm.system.atomic_file import replace_file, unwritable
from fastlm.system.resources import thread_count
from fastlm.tokenizers.vocabulary import Vocabulary
from fastlm.types import FilePath
from fastlm_kernels.text.arpa import NUMBER_BYTES, format_ngrams

__all__ = ["write_arpa"]

_ROWS = 1 << 15  # n-grams written at a time: about 1 MB
_NEVER = -99.0  # log10 of 0, by convention


def write_arpa(
    model: BackoffModel, path: FilePath, vocabulary: Vocabulary, *, threads: int | None = None
) -> None:
    r"""Write a model as an ARPA file; compressed if its name ends in .gz.

    Numbers have seven digits after the point. ``<s>``, ``</s>`` and ``<unk>`` are always there;
    what the vocabulary does not have of them has the logarithm -99, as ``<s>`` does. Tokens with
    white space are escaped, see ``arpa_words``.

    Parameters
    ----------
    model : BackoffModel
        Of order 2 or more.
    path : path
    vocabulary : Vocabulary
        Of the tokenizer that the model belongs to.
    threads : int, optional
        For the compression; all processors if not given. The file does not depend on it.

    Raises
    ------
    ExportError
        For a model of order 1, which other programs refuse, another vocabulary, or a file that
        cannot be written.
    """
    if model.order < 2:
        raise ExportError("counts of order 1 have no ARPA file that other programs read; use 2")
    if len(vocabulary.symbols) != model.vocab:
        raise ExportError(
            f"counts of {model.vocab:,} tokens do not fit a vocabulary of "
            f"{len(vocabulary.symbols):,}; give that of their tokenizer"
        )
    parts = _parts(model, vocabulary)
    try:
        with ThreadPoolExecutor(thread_count(threads)) as pool:
            if str(path).lower().endswith(".gz"):
                parts = _map_in_order(pool, _compress, parts)
            replace_file(path, parts)
    except (OSError, ValueError) as error:
        raise ExportError(unwritable("ARPA file", path, error)) from None


def _compress(part: bytes) -> bytes:
    """Return a member of a gzip file; several in a row are a gzip file too."""
    return gzip.compress(part, 6, mtime=0)


def _map_in_order(
    pool: ThreadPoolExecutor, function: Callable[[bytes], bytes], parts: Iterator[bytes]
) -> Iterator[bytes]:
    """Yield ``function(part)`` of each part, a few of them at once."""
    while some := list(itertools.islice(parts, 16)):
        yield from pool.map(function, some)


def _parts(model: BackoffModel, vocabulary: Vocabulary) -> Iterator[bytes]:
    words = words_of(vocabulary, model.boundary)
    unigrams = _unigrams(model, vocabulary, words)
    sizes = [len(unigrams), *model.counts[1:]]
    head = "".join(f"ngram {n}={size}\n" for n, size in enumerate(sizes, 1))
    yield f"\\data\\\n{head}\n\\1-grams:\n".encode()
    yield "".join(unigrams).encode()
    encoded = [word.encode("utf-8") for word in (*words, BEGIN)]
    text = np.frombuffer(bytearray(b"".join(encoded)), dtype=np.uint8)
    starts = np.zeros(len(encoded) + 1, dtype=np.int64)
    np.cumsum(list(map(len, encoded)), out=starts[1:])
    for level in range(1, model.order):
        yield f"\n\\{level + 1}-grams:\n".encode()
        for start in range(0, model.counts[level], _ROWS):
            yield _lines(model, level, start, text, starts)
    yield b"\n\\end\\\n"


def _unigrams(model: BackoffModel, vocabulary: Vocabulary, words: list[str]) -> list[str]:
    """Return the lines of the 1-grams, those of the special words first."""
    log_probs = np.minimum(model.log_probs[0].astype(np.float64), 0) / math.log(10)
    log_backoffs = model.log_backoffs[0].astype(np.float64) / math.log(10)

    def line(word: str, log_prob: float, log_backoff: float) -> str:
        return f"{_number(log_prob)}\t{word}\t{_number(log_backoff)}\n"

    unknown, boundary = vocabulary.unk_id, model.boundary
    special = [
        line(UNKNOWN, _NEVER, 0)
        if unknown is None
        else line(UNKNOWN, log_probs[unknown], log_backoffs[unknown]),
        line(BEGIN, _NEVER, 0 if boundary is None else log_backoffs[boundary]),
        line(END, _NEVER if boundary is None else log_probs[boundary], 0),
    ]
    rest = (id for id in range(model.vocab) if id not in (unknown, boundary))
    return special + [line(words[id], log_probs[id], log_backoffs[id]) for id in rest]


def _number(value: float) -> str:
    """Return a number as ``format_ngrams`` writes it."""
    text = f"{value:.7f}".rstrip("0").rstrip(".")
    return "0" if text == "-0" else text


def _lines(
    model: BackoffModel, level: int, start: int, words: NDArray[np.uint8], starts: NDArray[np.int64]
) -> bytes:
    """Return the lines of some n-grams of a level."""
    stop = min(start + _ROWS, model.counts[level])
    ids = np.empty((stop - start, level + 1), dtype=np.int32)
    # Each n-gram of the range ends with its own token; the one before is its parent's, and so on.
    first, last = start, stop
    of_row = np.arange(stop - start)
    for depth in range(level, -1, -1):
        ids[:, depth] = model.tokens[depth][first:last][of_row]
        if depth:
            children = model.children[depth - 1]
            parent = int(np.searchsorted(children, first, side="right")) - 1
            past = int(np.searchsorted(children, last, side="left"))
            bounds = np.clip(children[parent : past + 1].astype(np.int64), first, last)
            of_row = np.repeat(np.arange(past - parent), np.diff(bounds))[of_row]
            first, last = parent, past
    if model.boundary is not None:
        ids[ids[:, 0] == model.boundary, 0] = model.vocab  # <s>
    inner = level + 1 < model.order
    lengths = np.diff(starts)
    size = int(lengths[ids].sum()) + ids.size + 2 * NUMBER_BYTES * len(ids)
    out = np.empty(size, dtype=np.uint8)
    backoffs = model.log_backoffs[level][start:stop] if inner else np.zeros(0, dtype=np.float32)
    written = format_ngrams(
        out, ids.reshape(-1), np.ascontiguousarray(model.log_probs[level][start:stop]),
        np.ascontiguousarray(backoffs), words, starts, level + 1, stop - start,
    )  # fmt: skip
    return out[:written].tobytes()
