"""The index of a token store: where the longest parts of a text stand in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cached_property
from heapq import heapify, heappop, heappush
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fastlm.checks import check_whole
from fastlm.data.progress import ProgressReporter
from fastlm.data.token_store import TokenStore
from fastlm.engine.tokens import as_writable, token_array
from fastlm.errors import ConfigError, StoreError, TokenizerError
from fastlm.inference.batching import batch_offsets, encode_batch, text_batches
from fastlm.search.index_file import index_path, read_index, write_index
from fastlm.search.matches import Match, Place
from fastlm.search.suffix_array import MOST_TOKENS, sort_suffixes
from fastlm.system.resources import usable_memory
from fastlm.tokenizers import TokenArray, Tokenizer
from fastlm.tokenizers.word_level import WordLevelTokenizer
from fastlm.types import FilePath
from fastlm_kernels.counts import suffix_search
from fastlm_kernels.runtime.arguments import Tokens

__all__ = ["StoreIndex"]

# Tokens of a match beyond which what lies within it is not searched again.
_MOST = 1024
_QUERY_CHARS = 1 << 24
_SLICE = 1 << 14  # tokens of a text that are searched between two looks at Ctrl-C
_COUNTED = 1 << 22  # ids that are looked through at a time
_SWEPT = 14  # elements that the sort sweeps for each token, about
_BYTES_A_TOKEN = 8  # of memory: the positions, and at most as much for the levels below


class StoreIndex:
    """A token store with its sorted positions, mapped from a file; see ``build`` and ``open``.

    Attributes
    ----------
    store : TokenStore
    """

    def __init__(self, store: TokenStore, positions: NDArray[np.uint32]) -> None:
        self.store = store
        self._positions = as_writable(positions)
        self._ids: Tokens = token_array(store.ids, store.metadata["vocab"])

    @classmethod
    def build(
        cls,
        store: TokenStore | FilePath,
        path: FilePath | None = None,
        *,
        reporter: ProgressReporter | None = None,
    ) -> Self:
        """Sort the positions of a store, write them to a file, and open it.

        Takes time in proportion to the tokens, however repetitive they are, on one processor, and
        at most 8 bytes of memory a token, beside the mapped store.

        Parameters
        ----------
        store : TokenStore or path
        path : path, optional
            The file; None: the store's name and ``.index``. What is there is replaced.
        reporter : ProgressReporter, optional
            Told of the phase ``indexing``.

        Raises
        ------
        ConfigError
            For a store with too many tokens, for an index or for the memory.
        StoreError
            For a store that is none or damaged, and an index that cannot be written.
        """
        store = store if isinstance(store, TokenStore) else TokenStore.open(store)
        cls._check_size(store)
        vocab = int(store.metadata["vocab"])
        ids = token_array(store.ids, vocab)
        width = store.ids.itemsize
        with (reporter or ProgressReporter()).phase("indexing", width * store.count) as progress:
            suffixes = sort_suffixes(
                ids, vocab, lambda swept: progress.advance(swept * width // _SWEPT)
            )
        target = index_path(store.path) if path is None else path
        write_index(target, store, suffixes)
        return cls(store, read_index(target, store, check=False))

    @classmethod
    def open(cls, store: TokenStore | FilePath, path: FilePath | None = None) -> Self:
        """Open the index of a store.

        Parameters
        ----------
        store : TokenStore or path
        path : path, optional
            As for ``build``.

        Raises
        ------
        StoreError
            For a store or an index that is none or damaged, and the index of another store.
        """
        store = store if isinstance(store, TokenStore) else TokenStore.open(store)
        return cls(store, read_index(index_path(store.path) if path is None else path, store))

    @staticmethod
    def _check_size(store: TokenStore) -> None:
        if store.count > MOST_TOKENS:
            raise ConfigError(
                f"the store has {store.count:,} tokens, and an index takes at most "
                f"{MOST_TOKENS:,}; prepare a part of the text"
            )
        needed, usable = _BYTES_A_TOKEN * store.count, usable_memory()
        if usable is not None and needed > usable:
            raise ConfigError(
                f"an index of {store.count:,} tokens needs {needed / 1e6:,.0f} MB of memory, of "
                f"which there are {usable / 1e6:,.0f}; prepare a part of the text"
            )

    # ------------------------------------------------------------------------ searching

    def find(self, text: str, *, around: int = 60, most_places: int = 3) -> Match | None:
        """Return the longest part of a text that stands in the store; None if no token does.

        Of several that have as many tokens it is the first. Parts are of whole tokens, do not
        cross the end of a document, and hold nothing that the tokenizer does not know.

        Parameters
        ----------
        text : str
        around : int
            Tokens before and after the part that a place shows.
        most_places : int
            Places that are looked up.

        Raises
        ------
        TextError
            For a text that the tokenizer cannot encode.
        StoreError
            For a damaged index.
        """
        found = self.passages(text, 1, around=around, most_places=most_places)
        return found[0] if found else None

    def passages(
        self,
        text: str,
        most: int = 5,
        *,
        least_chars: int = 1,
        around: int = 60,
        most_places: int = 3,
    ) -> list[Match]:
        """Return the longest parts of a text that stand in the store, apart from each other.

        A part is as long as it can be to both sides, but for what a longer one has already.

        Parameters
        ----------
        text : str
        most : int
            Parts at most.
        least_chars : int
            Characters of a part at least.
        around, most_places
            As for ``find``, which says what is raised, too.
        """
        check_whole("most", most, 1)
        check_whole("least_chars", least_chars, 1)
        check_whole("around", around, 0)
        check_whole("most_places", most_places, 0)
        query, offsets = self._encoded(text)
        chosen = self._chosen(query, offsets, most, least_chars)
        return [
            self._match(text, query, offsets, first, length, around, most_places)
            for first, length in chosen
        ]

    def covered(self, text: str, least_chars: int) -> float:
        """Return the share of a text's characters that are in passages from here.

        least_chars : the shortest passage that counts
        """
        query, offsets = self._encoded(text)
        lengths, _ = self._lengths(query)
        inside = np.zeros(len(text) + 1, dtype=np.int64)
        for first in np.flatnonzero(lengths).tolist():
            start, stop = offsets[first, 0], offsets[first + lengths[first] - 1, 1]
            if stop - start >= least_chars:
                inside[start] += 1
                inside[stop] -= 1
        return float(np.mean(np.cumsum(inside)[:-1] > 0)) if text else 0.0

    def _encoded(self, text: str) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the ids of a text, -1 for what matches nothing, and their characters."""
        if not isinstance(text, str):
            raise TokenizerError(f"the text is {type(text).__name__}, not str; decode it first")
        tokenizer = self.store.tokenizer
        found, places = [np.empty(0, np.int64)], [np.empty((0, 2), np.int64)]
        documents: Any = self.store.documents
        for whole in text_batches([text], documents, tokenizer, _QUERY_CHARS):
            batch, ids, _ = encode_batch(whole, tokenizer)
            if batch.failure:
                raise batch.failure
            found.append(ids.astype(np.int64))
            places.append(batch_offsets(batch, tokenizer))
        query, offsets = np.concatenate(found), np.concatenate(places)
        matches_nothing = offsets[:, 0] == offsets[:, 1]
        for special in (tokenizer.boundary_id, tokenizer.unk_id):
            if special is not None:
                matches_nothing |= query == special
        query[matches_nothing] = -1
        return query, offsets

    def _lengths(self, query: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return how many tokens match from each on, and the rank of a suffix with them."""
        lengths, ranks = np.zeros_like(query), np.full_like(query, suffix_search.SKIPPED)
        scratch = np.empty(2, dtype=np.int64)
        at = 0
        while at < query.size:
            at = suffix_search.longest_matches(
                lengths, ranks, scratch, query, *self._ids, self.store.count, self._positions,
                _MOST, at, min(at + _SLICE, query.size),
            )  # fmt: skip
            if at == suffix_search.DAMAGED:
                raise self._damaged()
        return lengths, ranks

    def _chosen(
        self, query: NDArray[np.int64], offsets: NDArray[np.int64], most: int, least_chars: int
    ) -> list[tuple[int, int]]:
        """Return the first token and the tokens of the longest parts, apart from each other."""
        lengths, ranks = self._lengths(query)
        # What ends where the part of the token before ends lies within that.
        begins = lengths > 0
        begins[1:] &= lengths[1:] != lengths[:-1] - 1
        found = [self._widened(query, lengths, ranks, at) for at in np.flatnonzero(begins).tolist()]
        waiting = [(-length, first) for first, length in found]
        heapify(waiting)
        taken = np.zeros(query.size, dtype=np.bool_)
        chosen: list[tuple[int, int]] = []
        while waiting and len(chosen) < most:
            minus, first = heappop(waiting)
            length = -minus
            free = np.flatnonzero(~taken[first : first + length])
            if free.size < length:
                # What longer parts leave of it: its longest run of free tokens.
                runs = np.split(free, np.flatnonzero(np.diff(free) > 1) + 1)
                run = max(runs, key=len)
                if run.size:
                    heappush(waiting, (-len(run), first + int(run[0])))
                continue
            if offsets[first + length - 1, 1] - offsets[first, 0] >= least_chars:
                taken[first : first + length] = True
                chosen.append((first, length))
        return chosen

    def _widened(
        self,
        query: NDArray[np.int64],
        lengths: NDArray[np.int64],
        ranks: NDArray[np.int64],
        first: int,
    ) -> tuple[int, int]:
        """Return a part from the token on; one beyond the limit goes on to the left."""
        length = int(lengths[first])
        if length < _MOST or ranks[first] < 0:
            return first, length
        position, ids = int(self._positions[ranks[first]]), self.store.ids
        left = 0
        while left < min(first, position) and query[first - left - 1] == ids[position - left - 1]:
            left += 1
        return first - left, length + left

    def _match(
        self,
        text: str,
        query: NDArray[np.int64],
        offsets: NDArray[np.int64],
        first: int,
        length: int,
        around: int,
        most_places: int,
    ) -> Match:
        bounds = np.zeros(2, dtype=np.int64)
        suffix_search.match_range(
            bounds, query, first, length, *self._ids, self.store.count, self._positions
        )
        low, high = bounds.tolist()
        if low == suffix_search.DAMAGED or low >= high:
            raise self._damaged()
        start, stop = int(offsets[first, 0]), int(offsets[first + length - 1, 1])
        positions = _least(self._positions[low:high], most_places)
        places = [
            self._place(position, document, length, around)
            for position, document in zip(positions, self._documents(positions), strict=True)
        ]
        return Match(text[start:stop], start, stop, length, high - low, places)

    @cached_property
    def _boundary(self) -> int | None:
        return self.store.tokenizer.boundary_id

    def _documents(self, positions: list[int]) -> Iterator[int]:
        """Yield the number of the document of each position; they rise."""
        ids, number, done = self.store.ids, 1, 0
        for position in positions:
            while self._boundary is not None and done < position:
                stop = min(done + _COUNTED, position)
                number += int(np.count_nonzero(ids[done:stop] == self._boundary))
                done = stop
            yield number

    def _place(self, position: int, document: int, length: int, around: int) -> Place:
        ids, stop = self.store.ids, position + length
        before, after = ids[max(position - around, 0) : position], ids[stop : stop + around]
        if self._boundary is not None:
            ends = np.flatnonzero(before == self._boundary)
            before = before[ends[-1] + 1 :] if ends.size else before
            ends = np.flatnonzero(after == self._boundary)
            after = after[: ends[0]] if ends.size else after
        return Place(
            position,
            document,
            position - self._document_start(position),
            "train" if position < self.store.metadata["train"]["tokens"] else "valid",
            *_three_texts(self.store.tokenizer, before, ids[position:stop], after),
        )

    def _document_start(self, position: int) -> int:
        ids = self.store.ids
        stop = position
        while self._boundary is not None and stop > 0:
            start = max(stop - _COUNTED, 0)
            ends = np.flatnonzero(ids[start:stop] == self._boundary)
            if ends.size:
                return start + int(ends[-1]) + 1
            stop = start
        return 0

    def _damaged(self) -> StoreError:
        return StoreError(f"the index of {self.store.path} is damaged; make it again")

    def __repr__(self) -> str:
        return f"StoreIndex({str(self.store.path)!r}, count={self.store.count:,})"


def _three_texts(
    tokenizer: Tokenizer, before: TokenArray, found: TokenArray, after: TokenArray
) -> tuple[str, str, str]:
    """Return the texts of three parts that follow each other, with the spaces between them."""
    ids = [np.asarray(part) for part in (before, found, after)]
    first, middle, whole = (tokenizer.decode(np.concatenate(ids[:n])) for n in (1, 2, 3))
    if not (whole.startswith(middle) and middle.startswith(first)):
        # A part ends within a character, or its last word is written otherwise at the end.
        first, middle, last = (tokenizer.decode(part) for part in ids)
        return first, middle, last
    part = middle[len(first) :]
    if isinstance(tokenizer, WordLevelTokenizer):  # spaces are no part of words
        first, part = first + part[: len(part) - len(part.lstrip(" "))], part.lstrip(" ")
    return first, part, whole[len(middle) :]


def _least(positions: Iterable[int], most: int) -> list[int]:
    """Return the least of positions, in order."""
    array = np.asarray(positions)
    if most < array.size:
        array = np.partition(array, most)[:most] if most else array[:0]
    found: list[int] = np.sort(array).tolist()
    return found
