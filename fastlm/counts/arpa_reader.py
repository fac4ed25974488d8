"""Reading ARPA files, as KenLM, SRILM and others write them, as back-off models."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from fastlm.checks import shown
from fastlm.counts.arpa_words import BEGIN, END, UNKNOWN, token_of, words_of
from fastlm.counts.backoff_model import MAX_ORDER, NO_SUFFIXES, BackoffModel, token_type
from fastlm.errors import CorpusError
from fastlm.system.atomic_file import reason_of
from fastlm.text.compression import read_chunks
from fastlm.tokenizers.symbol_table import hash_arithmetic, table_of
from fastlm.tokenizers.vocabulary import Vocabulary
from fastlm.types import FilePath
from fastlm_kernels.counts.trie import find_children
from fastlm_kernels.text.arpa import OFFSET, OTHER, ROWS, STATUS, WRONG, parse_ngrams
from fastlm_kernels.text.utf8 import PADDING

__all__ = ["arpa_tokens", "read_arpa"]

_READ = 1 << 22  # bytes parsed at a time
_LEAST_LINE = 6  # bytes of a line of two words: a number, two words, what is between and after
_MOST_LINE = 1 << 20  # bytes; a longer one is no n-gram
_LN10 = math.log(10)

Unigrams = dict[str, tuple[float, float]]


def arpa_tokens(path: FilePath) -> list[str]:
    """Return the tokens of an ARPA file in its order, without ``<s>``, ``</s>`` and ``<unk>``.

    Raises CorpusError as ``read_arpa``.
    """
    with closing(_Lines(path)) as lines:
        unigrams = _read_unigrams(lines, _read_sizes(lines))
    return [token_of(word) for word in unigrams if word not in (BEGIN, END, UNKNOWN)]


def read_arpa(path: FilePath, vocabulary: Vocabulary) -> BackoffModel:
    """Read an ARPA file, compressed if its name ends in .gz or .zst.

    N-grams may come in any order. Tokens of the vocabulary that the file does not have share the
    probability of ``<unk>`` equally, with the unknown token if there is one. The probability of
    ``<s>`` is not used.

    Parameters
    ----------
    path : path
    vocabulary : Vocabulary
        Of the tokenizer, with ``<end>``, which stands for ``<s>`` and ``</s>``. It has all words of
        the file (``arpa_words`` says how tokens are written).

    Raises
    ------
    CorpusError
        For a file that cannot be read, is no ARPA file, is cut short, is of order 1 or more than
        12, has no ``<s>``, ``</s>`` or ``<unk>``, a probability over 1, an n-gram twice or without
        its beginning or suffix, or a word that the vocabulary does not have.
    """
    with closing(_Lines(path)) as lines:
        sizes = _read_sizes(lines)
        unigrams = _read_unigrams(lines, sizes)
        reader = _Reader(lines, vocabulary, unigrams, len(sizes))
        for n, size in enumerate(sizes[1:], 2):
            lines.expect(f"\\{n}-grams:")
            reader.read(n, size)
        lines.expect("\\end\\")
    model = reader.model()
    model.metadata["arpa"] = Path(path).name
    return model


class _Lines:
    """The lines of a file: one by one as text, or whole blocks for a kernel."""

    def __init__(self, path: FilePath) -> None:
        self.path = path
        self._buffer = bytearray()
        self._at = 0
        try:
            self._file = open(path, "rb")  # noqa: SIM115
        except (OSError, ValueError) as error:
            raise CorpusError(f"cannot read {path}: {reason_of(error)}") from None
        self._chunks = read_chunks(self._file, str(path))

    def close(self) -> None:
        self._file.close()

    def wrong(self, what: str) -> NoReturn:
        """Raise the CorpusError that names the file."""
        raise CorpusError(f"{self.path} {what}"[:200])

    def _fill(self, size: int) -> bool:
        """Have at least ``size`` bytes, or all that is left; return whether there are as many."""
        del self._buffer[: self._at]
        self._at = 0
        try:
            while len(self._buffer) < size:
                chunk = next(self._chunks, b"")
                if not chunk:
                    if self._buffer and not self._buffer.endswith(b"\n"):
                        self._buffer += b"\n"
                    return False
                self._buffer += chunk
        except OSError as error:
            raise CorpusError(f"cannot read {self.path}: {reason_of(error)}") from None
        return True

    def peek(self) -> str | None:
        """Return the next line that is not blank, without the spaces around; None at the end."""
        while True:
            end = self._buffer.find(b"\n", self._at)
            if end < 0:
                waiting = len(self._buffer) - self._at
                if waiting > _MOST_LINE:
                    self.wrong("is no ARPA file: it has a line of more than a million bytes")
                if not self._fill(waiting + 1) and not self._buffer:
                    return None
                continue
            line = self._buffer[self._at : end].decode("utf-8", "replace").strip(" \t\r")
            if line:
                return line
            self._at = end + 1

    def skip(self) -> None:
        """Go past the line that ``peek`` returned."""
        self._at = self._buffer.index(b"\n", self._at) + 1

    def expect(self, expected: str) -> None:
        """Go past a line, which has to be this one."""
        line = self.peek()
        if line is None:
            self.wrong(f"is cut short: {expected} is missing; get a complete copy")
        if line != expected:
            self.wrong(f"is no sound ARPA file: {shown(line)} stands where {expected} has to")
        self.skip()

    def block(self) -> tuple[NDArray[np.uint8], int, int]:
        """Return bytes with padding, and where the whole lines among them begin and end."""
        if len(self._buffer) - self._at < _READ:
            self._fill(_READ)
        size = self._buffer.rfind(b"\n") + 1
        padded = np.frombuffer(self._buffer + bytes([255]) * PADDING, dtype=np.uint8)
        return padded, self._at, size

    def go_to(self, offset: int) -> None:
        """Go to a byte of the block."""
        self._at = offset


def _read_sizes(lines: _Lines) -> list[int]:
    """Read the head: how many n-grams of each order there are."""
    first = lines.peek()
    if first != "\\data\\":
        what = "is empty" if first is None else f"begins with {shown(first)}"
        lines.wrong(f"is no ARPA file: it {what}, not with \\data\\")
    lines.skip()
    sizes: list[int] = []
    while (line := lines.peek()) is not None and (
        match := re.fullmatch(r"ngram\s+(\d{1,2})\s*=\s*(\d{1,18})", line)
    ):
        if int(match[1]) != len(sizes) + 1:
            lines.wrong(f"has {shown(line)} where the {len(sizes) + 1}-grams have to be counted")
        sizes.append(int(match[2]))
        lines.skip()
    if not 2 <= len(sizes) <= MAX_ORDER:
        lines.wrong(f"is of order {len(sizes)}; give one of order 2 to {MAX_ORDER}")
    return sizes


def _read_unigrams(lines: _Lines, sizes: list[int]) -> Unigrams:
    """Read the 1-grams: log10 of probability and back-off of each word."""
    lines.expect("\\1-grams:")
    unigrams: Unigrams = {}
    while (line := lines.peek()) is not None and not line.startswith("\\"):
        fields = line.split()
        try:
            numbers = [float(each) for each in (fields[0], *fields[2:])]
            word = fields[1]
        except (ValueError, IndexError):
            numbers = []
        if not 1 <= len(numbers) <= 2 or not np.isfinite(numbers).all():
            lines.wrong(f"has a 1-gram that is none: {shown(line)}")
        word = UNKNOWN if word.lower() == UNKNOWN else word
        if numbers[0] > 0 and word != BEGIN:
            lines.wrong(f"has a probability over 1: {shown(line)}")
        if word in unigrams:
            lines.wrong(f"has the 1-gram {shown(word)} twice")
        unigrams[word] = numbers[0], sum(numbers[1:])
        lines.skip()
    _check_size(lines, 1, sizes[0], len(unigrams))
    for word in (BEGIN, END, UNKNOWN):
        if word not in unigrams:
            lines.wrong(f"has no {word} among its 1-grams; make it with KenLM or fastlm")
    return unigrams


def _check_size(lines: _Lines, n: int, expected: int, found: int) -> None:
    if found != expected:
        short = "; it may be cut short" if found < expected else ""
        lines.wrong(f"has {found:,} {n}-grams where its head says {expected:,}{short}")


class _Reader:
    """Reads the longer n-grams level by level, into the trie of the levels before."""

    def __init__(
        self, lines: _Lines, vocabulary: Vocabulary, unigrams: Unigrams, order: int
    ) -> None:
        self._lines, self._order, self._vocabulary = lines, order, vocabulary
        self._boundary = vocabulary.boundary_id
        words = words_of(vocabulary, self._boundary)
        self._vocab = len(words)
        known = set(words) | {BEGIN, END, UNKNOWN}
        other = next((word for word in unigrams if word not in known), None)
        if other is not None:
            lines.wrong(f"has the word {shown(other)}, which the vocabulary does not have")
        encoded = [word.encode("utf-8") for word in words]
        for special in (self._boundary, vocabulary.unk_id):
            if special is not None:
                encoded[special] = b""
        more = (BEGIN, END, UNKNOWN, UNKNOWN.upper())
        self._table = table_of([*encoded, *(word.encode() for word in more)])
        log_probs, log_backoffs = self._level_0(words, unigrams)
        self._tokens: list[NDArray[Any]] = [np.arange(self._vocab, dtype=token_type(self._vocab))]
        self._children: list[NDArray[np.uint32]] = []
        self._suffixes = [NO_SUFFIXES]
        self._log_probs, self._log_backoffs = [log_probs], [log_backoffs]

    def _level_0(
        self, words: Sequence[str], unigrams: Unigrams
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        unknown = self._vocabulary.unk_id
        missing = [id for id, word in enumerate(words) if word not in unigrams or id == unknown]
        share = unigrams[UNKNOWN][0] - math.log10(max(1, len(missing)))
        numbers = np.array([unigrams.get(word, (share, 0.0)) for word in words])
        numbers[missing, 0] = share
        if self._boundary is not None:
            numbers[self._boundary, 1] = unigrams[BEGIN][1]
        log_probs, log_backoffs = (numbers.T * _LN10).astype(np.float32)
        return np.ascontiguousarray(log_probs), np.ascontiguousarray(log_backoffs)

    def read(self, n: int, size: int) -> None:
        """Read the n-grams of an order."""
        blocks = list(self._blocks(n))
        _check_size(self._lines, n, size, sum(rows for rows, *_ in blocks))
        keys, log_probs, log_backoffs = (
            np.concatenate([block[i] for block in blocks]) for i in (1, 2, 3)
        )
        del blocks
        if (keys[1:] <= keys[:-1]).any():
            order = np.argsort(keys, kind="stable")
            keys, log_probs, log_backoffs = keys[order], log_probs[order], log_backoffs[order]
            if (keys[1:] == keys[:-1]).any():
                self._lines.wrong(f"has one of its {n}-grams twice")
        parents = (keys >> np.uint64(32)).astype(np.int64)
        tokens = (keys & np.uint64(0xFFFFFFFF)).astype(np.int32)
        above = len(self._tokens[-1])
        children = np.zeros(above + 1, dtype=np.uint32)
        np.cumsum(np.bincount(parents, minlength=above), out=children[1:])
        suffixes = tokens.astype(np.int64)
        if n > 2:
            suffixes = self._suffixes[-1][parents].astype(np.int64)
            self._descend(suffixes, tokens, n - 2)
            if (suffixes < 0).any():
                self._lines.wrong(
                    f"has a {n}-gram whose last {n - 1} words are no {n - 1}-gram; make it with "
                    "KenLM or fastlm"
                )
        self._children.append(children)
        self._suffixes.append(suffixes.astype(np.uint32))
        self._tokens.append(tokens.astype(token_type(self._vocab)))
        self._log_probs.append(log_probs)
        if n < self._order:
            self._log_backoffs.append(log_backoffs)

    def _descend(self, nodes: NDArray[np.int64], wanted: NDArray[np.int32], level: int) -> None:
        """Replace n-grams of the level before by those of this level with one token more."""
        tokens = self._tokens[level]
        find_children(
            nodes, wanted, self._children[level - 1], tokens.view(np.uint16), tokens.itemsize // 2
        )

    def _blocks(self, n: int) -> Iterator[tuple[int, NDArray[Any], NDArray[Any], NDArray[Any]]]:
        """Yield n-grams: how many, their keys (parent and token), log-probabilities, back-offs."""
        none = np.zeros(0, dtype=np.float32)
        yield 0, np.zeros(0, dtype=np.uint64), none, none
        found = np.zeros(3, dtype=np.int64)
        unknown = self._vocabulary.unk_id
        specials = (-1 if each is None else each for each in (self._boundary, unknown))
        last = self._vocab, *specials
        while (line := self._lines.peek()) is not None and not line.startswith("\\"):
            data, first, size = self._lines.block()
            most = (size - first) // _LEAST_LINE + 1
            ids = np.empty(n * most, dtype=np.int32)
            log_probs, log_backoffs = (np.empty(most, dtype=np.float32) for _ in range(2))
            longest = int(n == self._order)
            with hash_arithmetic():
                parse_ngrams(
                    found, ids, log_probs, log_backoffs, self._table, data, first, size, n,
                    longest, *last,
                )  # fmt: skip
            rows, offset, status = found[ROWS], int(found[OFFSET]), found[STATUS]
            self._lines.go_to(offset)
            if status == WRONG or (rows == 0 and status != OTHER):
                line = self._lines.peek() or ""
                self._lines.wrong(f"has a {n}-gram that is none: {shown(line)}{self._reason(line)}")
            columns = np.ascontiguousarray(ids[: n * rows].reshape(rows, n).T)
            known = columns[0] >= 0  # the others have <unk>, which the vocabulary has not
            columns = np.ascontiguousarray(columns[:, known])
            nodes = columns[0].astype(np.int64)
            for depth in range(1, n - 1):
                self._descend(nodes, columns[depth], depth)
            if (nodes < 0).any():
                self._lines.wrong(f"has a {n}-gram whose first {n - 1} words are no {n - 1}-gram")
            keys = (nodes.astype(np.uint64) << np.uint64(32)) | columns[-1].astype(np.uint64)
            yield int(rows), keys, log_probs[:rows][known], log_backoffs[:rows][known]

    def _reason(self, line: str) -> str:
        """Return what is wrong with a line, where it can be said."""
        fields = line.split()
        known = set(words_of(self._vocabulary, None)) | {BEGIN, END, UNKNOWN}
        for word in fields[1:-1]:
            if word not in known:
                return f"; its word {shown(word)} is no 1-gram"
        if self._boundary is None and {BEGIN, END} & set(fields):
            return "; the vocabulary has no <end>"
        if fields and fields[0].lstrip("+")[:1].isdigit() and fields[0].strip("+0.") != "":
            return "; its probability is over 1"
        return ""

    def model(self) -> BackoffModel:
        return BackoffModel(
            order=self._order,
            vocab=self._vocab,
            boundary=self._boundary,
            tokens=tuple(self._tokens),
            children=tuple(self._children),
            log_probs=tuple(self._log_probs),
            log_backoffs=tuple(self._log_backoffs),
            suffixes=tuple(self._suffixes),
        )
