"""Batches of texts: cut to a bounded size, encoded together."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastlm.errors import TextError, TokenizerError
from fastlm.text.documents import (
    document_spans,
    is_one_document,
    split_documents,
    with_line_feeds,
)
from fastlm.tokenizers import ByteTokenizer, CharTokenizer, TokenArray, Tokenizer
from fastlm.tokenizers.backend import compiled_pays_by_now
from fastlm.tokenizers.offsets import token_offsets
from fastlm.tokenizers.safe_cut import safe_cut_text
from fastlm.tokenizers.word_level import WordLevelTokenizer
from fastlm.types import Documents

__all__ = [
    "END_CHARS",
    "TextBatch",
    "batch_offsets",
    "encode_batch",
    "encoding_failures",
    "skipped_size",
    "text_batches",
]

Ends: TypeAlias = NDArray[np.int64]

# Fewest characters in a part of a longer document. More would take more memory and is no faster.
PART_CHARS = 1 << 18

# Characters that the end of a document stands for in a file: a line end; a line end and a blank
# line. The end of a file stands for none, and is not counted as a token either.
END_CHARS: dict[str, int] = {"file": 0, "lines": 1, "paragraphs": 2, "stream": 0}


@dataclass
class TextBatch:
    """Consecutive texts, of which the first may have begun earlier and the last may go on."""

    first_text: int  # the number of the first text
    parts: list[str] = field(default_factory=list)  # documents; the last may be part of one
    # Of parts that are not their text as it was given: where they lie in it, and where it has line
    # ends of two characters, which are read as one.
    places: dict[int, tuple[tuple[int, int], NDArray[np.int64]]] = field(default_factory=dict)
    text_ends: list[int] = field(default_factory=list)  # parts up to the end of each text
    open_document: bool = False  # whether the last part does not end its document
    open_text: bool = False  # whether it does not end its text
    continues: bool = False  # whether the first part is not the beginning of its text
    failure: Exception | None = None  # why the next text cannot be read, in the last batch

    def before(self, part: int, failure: Exception) -> TextBatch:
        """Return the texts that end before a part that cannot be encoded."""
        ends = [end for end in self.text_ends if end <= part]
        return TextBatch(
            self.first_text,
            self.parts[: ends[-1]] if ends else [],
            self.places,
            ends,
            continues=self.continues,
            failure=failure,
        )


def text_batches(
    texts: Iterable[str],
    documents: Documents,
    tokenizer: Tokenizer,
    size: int,
    *,
    keep_empty: bool = True,
) -> Iterator[TextBatch]:
    r"""Yield batches of about ``size`` characters, more only where a text cannot be cut.

    Parts are cut where their tokens stay those of the whole document; \r\n and \r read as \n.
    Every text counts as one character more than it has, so that many empty ones fill a batch too.
    A text that is not a str (TextError), or an exception of the iterable, ends the last batch.

    keep_empty : whether a text without a document (empty or white space) is one as it stands; if
        not, it has no part
    """
    part_size = max(size, PART_CHARS)
    batch = TextBatch(0)
    room = 0
    try:
        for number, text in enumerate(texts):
            if not isinstance(text, str):
                raise TextError(
                    number, f"{type(text).__name__}, not str; decode, convert or drop it first"
                )
            given, text = text, with_line_feeds(text)
            is_whole = documents == "file" or (documents != "stream" and "\n" not in text)
            is_short = len(text) < part_size and is_whole
            if is_short and keep_empty:
                if given is not text:
                    batch.places[len(batch.parts)] = (0, len(text)), _wide_line_ends(given)
                batch.parts.append(text)
                room += len(text) + 1
            else:
                wide_ends = _wide_line_ends(given)
                for part, span, ends_document in _parts(
                    text, documents, tokenizer, part_size, keep_empty
                ):
                    batch.places[len(batch.parts)] = span, wide_ends
                    batch.parts.append(part)
                    room += len(part) + 1
                    if room >= size:
                        batch.open_text = True
                        batch.open_document = not ends_document
                        yield batch
                        batch, room = TextBatch(number, continues=True), 0
            batch.text_ends.append(len(batch.parts))
            if room >= size:
                yield batch
                batch, room = TextBatch(number + 1), 0
    except GeneratorExit:
        raise
    except Exception as error:
        batch = batch.before(len(batch.parts), error)
    if batch.text_ends or batch.failure:
        yield batch


def _parts(
    text: str, documents: Documents, tokenizer: Tokenizer, size: int, keep_empty: bool
) -> Iterator[tuple[str, tuple[int, int], bool]]:
    """Yield (part, its span in the text, whether it ends its document)."""
    found = False
    spans = document_spans(text, documents)
    for document, (first, last) in zip(split_documents(text, documents), spans, strict=True):
        found = True
        start = 0
        while (stop := safe_cut_text(tokenizer, document, start + size)) < len(document):
            yield document[start:stop], (first + start, first + stop), False
            start = stop
        yield document[start:], (first + start, last), True
    if not found and keep_empty:
        part = text if is_one_document(documents) else text.strip("\n")
        first = len(text) - len(text.lstrip("\n")) if part else 0
        yield part, (first, first + len(part)), True


_NONE = np.empty(0, dtype=np.int64)


def _wide_line_ends(text: str) -> NDArray[np.int64]:
    r"""Return where each \r\n of a text is once all line ends are one character."""
    if "\r\n" not in text:
        return _NONE
    places = np.array([found.start() for found in re.finditer("\r\n", text)], dtype=np.int64)
    return places - np.arange(len(places))


def batch_offsets(batch: TextBatch, tokenizer: Tokenizer) -> NDArray[np.int64]:
    """Return which characters of its text each token of a batch stands for, int64[T, 2].

    The tokens are those of `encode_batch`; a boundary token stands for nothing, after its document.
    The texts are those that were given, with their own line ends.
    """
    parts, has_end = batch.parts, tokenizer.boundary_id is not None
    if not batch.places and not batch.open_document and _is_read_by_characters(parts, tokenizer):
        # All at once: as many texts take as long as one of the same size.
        lengths = np.fromiter(map(len, parts), dtype=np.int64, count=len(parts))
        tokens = lengths + has_end
        starts = np.arange(tokens.sum()) - np.repeat(np.cumsum(tokens) - tokens, tokens)
        return np.stack((starts, np.minimum(starts + 1, np.repeat(lengths, tokens))), axis=1)
    found = [np.empty((0, 2), dtype=np.int64)]
    for number, part in enumerate(parts):
        (start, stop), wide_ends = batch.places.get(number, ((0, len(part)), _NONE))
        offsets = token_offsets(tokenizer, part)
        if has_end and not (batch.open_document and number == len(parts) - 1):
            offsets = np.concatenate((offsets, [[len(part), len(part)]]))
        # A stream has a line end more than its text.
        offsets = np.minimum(offsets + start, stop)
        if wide_ends.size:
            offsets += np.searchsorted(wide_ends, offsets)
        found.append(offsets)
    return np.concatenate(found)


def _is_read_by_characters(parts: list[str], tokenizer: Tokenizer) -> bool:
    """Tell whether each character of the parts is a token."""
    if tokenizer.kind == "char":
        return not tokenizer.lowercase or all(map(str.isascii, parts))
    return tokenizer.kind == "byte" and all(map(str.isascii, parts))


def encode_batch(batch: TextBatch, tokenizer: Tokenizer) -> tuple[TextBatch, TokenArray, Ends]:
    """Encode all parts of a batch; a boundary token, if there is one, ends each document.

    Returns
    -------
    batch : TextBatch
        As it is, or, when a text cannot be encoded, the texts before that one, with the TextError
        as ``failure``.
    ids : tokenizer.dtype[T]
    ends : int64[parts]
        Where in ``ids`` each part ends.
    """
    try:
        # Ten thousand texts at once take no longer than one of the same size.
        encoded = _encode_joined(batch, tokenizer)
    except (TokenizerError, UnicodeEncodeError):
        encoded = None  # encoding one by one tells which text it is
    if encoded is not None:
        return batch, *encoded
    arrays: list[TokenArray] = []
    for number, part in enumerate(batch.parts):
        try:
            arrays.append(tokenizer.encode(part))
        except TokenizerError as error:
            batch = batch.before(number, _text_error(error, batch, number))
            arrays = arrays[: len(batch.parts)]
            break
    return batch, *_join(arrays, batch, tokenizer)


def encoding_failures(
    texts: Iterable[str], documents: Documents, tokenizer: Tokenizer
) -> dict[int, TextError]:
    """Return why texts cannot be encoded, by the number of the text."""
    failures: dict[int, TextError] = {}
    for number, text in enumerate(texts):
        for batch in text_batches([text], documents, tokenizer, PART_CHARS):
            failure = encode_batch(batch, tokenizer)[0].failure
            if isinstance(failure, TextError):
                failures[number] = failure
                break
    return failures


def _encode_joined(batch: TextBatch, tokenizer: Tokenizer) -> tuple[TokenArray, Ends] | None:
    """Encode all parts as one text if possible; else return None."""
    if isinstance(tokenizer, WordLevelTokenizer):
        return _encode_lines(batch, tokenizer)
    parts = batch.parts
    if isinstance(tokenizer, CharTokenizer):
        # The separators become boundary tokens; any character that is known will do.
        specials = (tokenizer.boundary_id, tokenizer.unk_id)
        symbols = enumerate(tokenizer.vocabulary.symbols)
        separator = next((symbol for id, symbol in symbols if id not in specials), "")
        if not separator:
            return None
        if tokenizer.lowercase:
            parts = [part.lower() for part in parts]  # may change the length
        lengths = [len(part) for part in parts]
    elif isinstance(tokenizer, ByteTokenizer):
        separator = "\n"
        lengths = [len(part) if part.isascii() else len(part.encode("utf-8")) for part in parts]
    else:
        return None
    ends = np.cumsum(np.array(lengths, dtype=np.int64))
    if tokenizer.boundary_id is None:
        return tokenizer.encode("".join(parts)), ends
    ids = tokenizer.encode("".join([part + separator for part in parts]))
    ends += np.arange(1, len(parts) + 1)
    ids[ends - 1] = tokenizer.boundary_id
    if batch.open_document:
        ids = ids[:-1]
        ends[-1] -= 1
    return ids, ends


def _encode_lines(
    batch: TextBatch, tokenizer: WordLevelTokenizer
) -> tuple[TokenArray, Ends] | None:
    """Encode words by kernels, each part as a line, which ends with a boundary token.

    Return None where this does not pay, and for a part that is not blank and yet has no token.
    """
    boundary, parts = tokenizer.boundary_id, batch.parts
    if boundary is None or tokenizer.line_ends:
        return None
    if not compiled_pays_by_now(sum(map(len, parts))):
        return None
    lines = [part.replace("\n", " ") if "\n" in part else part for part in parts]
    ids = tokenizer.compiled_encoder("lines").encode("\n".join([*lines, ""]).encode())
    ends = np.flatnonzero(ids == boundary) + 1
    # A blank part is no line: of it there is the boundary token alone.
    blank = np.fromiter((not part.strip() for part in parts), dtype=np.bool_, count=len(parts))
    if ends.size != len(parts) - np.count_nonzero(blank):
        return None
    if blank.any():
        sizes = np.zeros(len(parts), dtype=np.int64)
        sizes[~blank] = np.diff(ends, prepend=0)
        ids = np.insert(ids, np.cumsum(sizes)[blank], boundary)
        ends = np.cumsum(sizes + blank)
    if batch.open_document:
        ids = ids[:-1]
        ends[-1] -= 1
    return ids, ends


def _join(
    arrays: list[TokenArray], batch: TextBatch, tokenizer: Tokenizer
) -> tuple[TokenArray, Ends]:
    boundary = [] if tokenizer.boundary_id is None else [tokenizer.boundary_id]
    end = np.array(boundary, dtype=tokenizer.dtype)
    joined = [np.empty(0, dtype=tokenizer.dtype)]
    for array in arrays:
        joined += (array, end)
    if batch.open_document:
        joined[-1] = end[:0]
    sizes = np.array([array.size for array in joined[1:]], dtype=np.int64)
    return np.concatenate(joined), np.cumsum(sizes)[1::2]


def _text_error(error: TokenizerError, batch: TextBatch, part: int) -> TextError:
    """Name the text, and quote the part of it where the error does not cover all of the text."""
    row = sum(end <= part for end in batch.text_ends)
    starts = [0, *batch.text_ends]
    stops = [*batch.text_ends, len(batch.parts)]
    is_whole = (
        stops[row] - starts[row] == 1
        and row < len(batch.text_ends)
        and not (row == 0 and batch.continues)
    )
    where = "" if is_whole else f", in the part that begins with {batch.parts[part][:20]!r}"
    return TextError(batch.first_text + row, f"{error}{where}")


def part_sizes(batch: TextBatch, end_chars: int) -> tuple[Ends, Ends]:
    """Return the characters and the UTF-8 bytes of each part, int64[parts].

    end_chars : characters that the end of a document counts as
    """
    parts = batch.parts
    chars = np.fromiter(map(len, parts), dtype=np.int64, count=len(parts))
    n_bytes = chars.copy()
    for number, part in enumerate(parts):
        if not part.isascii():
            n_bytes[number] = len(part.encode("utf-8"))
    for sizes in (chars, n_bytes):
        sizes += end_chars
        if batch.open_document:
            sizes[-1] -= end_chars
    return chars, n_bytes


def skipped_size(text: str, ids: NDArray[Any], tokenizer: Tokenizer) -> tuple[int, int]:
    """Return the characters and bytes of a text's first tokens, which are not predicted.

    A model without a boundary token predicts no token that has fewer than C before it. Where the
    tokenizer does not keep white space, this is the size of the text that it makes of these tokens.

    ids : the first tokens of ``text``
    """
    if tokenizer.kind == "byte":
        # A token may be part of a character, which counts with the token that completes it.
        start = text.encode("utf-8")[: ids.size]
        return len(start.decode("utf-8", errors="ignore")), ids.size
    start_text = text[: ids.size] if tokenizer.kind == "char" else tokenizer.decode(ids)
    return (
        min(len(start_text), len(text)),
        min(len(start_text.encode("utf-8")), len(text.encode("utf-8"))),
    )
