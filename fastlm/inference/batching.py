"""Texts in a row, cut into batches of bounded size and encoded a batch at a time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from fastlm.errors import TextError, TokenizerError
from fastlm.text.documents import split_documents, with_line_feeds
from fastlm.tokenizers import ByteTokenizer, CharTokenizer, TokenArray, Tokenizer
from fastlm.tokenizers.safe_cut import safe_cut_text
from fastlm.types import Documents

__all__ = ["Batch", "encode_batch", "text_batches"]

Ends: TypeAlias = NDArray[np.int64]


# Characters of a longer document that are scored at a time. More would take more memory, and is no
# faster.
PIECE = 1 << 18


@dataclass
class Batch:
    """Some consecutive texts, the first and the last perhaps only in part.

    pieces : documents; the last may be the beginning or a middle part of one
    text_ends : for each text that ends here, how many of the pieces lie before its end. The first
        goes on with what the batch before left open
    open_document, open_text : whether the last piece does not end its document, its text
    first_text : the number of the first text
    continues : whether the first piece is not the beginning of its document or text
    failure : what keeps the next text from being read; then this is the last batch
    """

    first_text: int
    pieces: list[str] = field(default_factory=list)
    text_ends: list[int] = field(default_factory=list)
    open_document: bool = False
    open_text: bool = False
    continues: bool = False
    failure: Exception | None = None

    def text_of(self, piece: int) -> int:
        """The number of the text that a piece belongs to."""
        return self.first_text + sum(end <= piece for end in self.text_ends)

    def until(self, piece: int, failure: Exception) -> Batch:
        """The texts that end before a piece that cannot be encoded."""
        ends = [end for end in self.text_ends if end <= piece]
        pieces = self.pieces[: ends[-1]] if ends else []
        return Batch(self.first_text, pieces, ends, continues=self.continues, failure=failure)


def text_batches(
    texts: Iterable[str], documents: Documents, tokenizer: Tokenizer, size: int
) -> Iterator[Batch]:
    """Yield batches of about ``size`` characters, more only where a text cannot be cut.

    Every text counts one character more than it has, so that many empty ones make a batch, too.
    A text that is not a str (TextError), or an exception of the iterable, ends the last batch.
    """
    piece_size = max(size, PIECE)
    batch = Batch(0)
    number = room = 0
    try:
        for number, text in enumerate(texts):
            if not isinstance(text, str):
                raise TextError(
                    number, f"{type(text).__name__}, not str; decode, convert or drop it first"
                )
            text = with_line_feeds(text)
            if len(text) < piece_size and (documents == "file" or "\n" not in text):
                batch.pieces.append(text)
                room += len(text) + 1
            else:
                for piece, ends_document in _pieces(text, documents, tokenizer, piece_size):
                    batch.pieces.append(piece)
                    room += len(piece) + 1
                    if room >= size:
                        batch.open_text = True
                        batch.open_document = not ends_document
                        yield batch
                        batch, room = Batch(number, continues=True), 0
            batch.text_ends.append(len(batch.pieces))
            if room >= size:
                yield batch
                batch, room = Batch(number + 1), 0
    except GeneratorExit:
        raise
    except Exception as error:
        batch = batch.until(len(batch.pieces), error)
    if batch.text_ends or batch.failure:
        yield batch


def _pieces(
    text: str, documents: Documents, tokenizer: Tokenizer, size: int
) -> Iterator[tuple[str, bool]]:
    """Yield (piece, whether it ends its document).

    Documents are those of evaluation, but text without any, being empty or white space, is one.
    """
    found = False
    for document in split_documents(text, documents):
        found = True
        start = 0
        while (stop := safe_cut_text(tokenizer, document, start + size)) < len(document):
            yield document[start:stop], False
            start = stop
        yield document[start:], True
    if not found:
        yield text.strip("\n") if documents != "file" else text, True


def encode_batch(batch: Batch, tokenizer: Tokenizer) -> tuple[Batch, TokenArray, Ends]:
    """Return the tokens of all pieces, with the end symbol of each document, if there is one.

    ids : tokenizer.dtype[T]
    ends : int64[pieces], where in ``ids`` each piece ends
    The batch comes back as it is, or, when a text cannot be encoded, as what lies before that text,
    with the TextError as its ``failure``.
    """
    try:
        # Ten thousand texts at once take no longer than one of the same size.
        encoded = _encode_joined(batch, tokenizer)
    except (TokenizerError, UnicodeEncodeError):
        encoded = None  # the other way tells which text it is
    if encoded is None:
        parts: list[TokenArray] = [np.empty(0, dtype=tokenizer.dtype)]
        for number, piece in enumerate(batch.pieces):
            try:
                parts.append(tokenizer.encode(piece))
            except TokenizerError as error:
                batch = batch.until(number, _with_place(error, batch, number))
                del parts[1 + len(batch.pieces) :]
                break
        encoded = _with_ends(parts[1:], batch, tokenizer)
    return batch, *encoded


def _encode_joined(batch: Batch, tokenizer: Tokenizer) -> tuple[TokenArray, Ends] | None:
    """Encode all pieces as one text, where a token is a character or byte; else return None."""
    pieces = batch.pieces
    if isinstance(tokenizer, CharTokenizer):
        # The separators become end symbols; any character that is known will do.
        specials = (tokenizer.boundary_id, tokenizer.unk_id)
        symbols = enumerate(tokenizer.vocabulary.symbols)
        separator = next((symbol for id, symbol in symbols if id not in specials), "")
        if not separator:
            return None
        if tokenizer.lowercase:
            pieces = [piece.lower() for piece in pieces]  # may change the length
        lengths = [len(piece) for piece in pieces]
    elif isinstance(tokenizer, ByteTokenizer):
        separator = "\n"
        lengths = [
            len(piece) if piece.isascii() else len(piece.encode("utf-8")) for piece in pieces
        ]
    else:
        return None
    ends = np.cumsum(np.array(lengths, dtype=np.int64))
    if tokenizer.boundary_id is None:
        return tokenizer.encode("".join(pieces)), ends
    ids = tokenizer.encode("".join([piece + separator for piece in pieces]))
    ends += np.arange(1, len(pieces) + 1)
    ids[ends - 1] = tokenizer.boundary_id
    if batch.open_document:
        ids = ids[:-1]
        ends[-1] -= 1
    return ids, ends


def _with_ends(
    parts: list[TokenArray], batch: Batch, tokenizer: Tokenizer
) -> tuple[TokenArray, Ends]:
    end = [] if tokenizer.boundary_id is None else [tokenizer.boundary_id]
    tail = np.array(end, dtype=tokenizer.dtype)
    last = len(parts) - 1
    arrays = [np.empty(0, dtype=tokenizer.dtype)]
    for number, part in enumerate(parts):
        arrays.append(part)
        arrays.append(tail[: 0 if batch.open_document and number == last else 1])
    ids = np.concatenate(arrays)
    sizes = [part.size + after.size for part, after in zip(arrays[1::2], arrays[2::2], strict=True)]
    return ids, np.cumsum(np.array(sizes, dtype=np.int64))


def _with_place(error: TokenizerError, batch: Batch, piece: int) -> TextError:
    """Which text it is, and which part of it, where the error knows only that part."""
    text = batch.text_of(piece)
    starts = [0, *batch.text_ends]
    stops = [*batch.text_ends, len(batch.pieces)]
    row = text - batch.first_text
    reason = str(error)
    if (
        stops[row] - starts[row] > 1
        or row == len(batch.text_ends)
        or (row == 0 and batch.continues)
    ):
        reason += f", in the part of this text that begins with {batch.pieces[piece][:20]!r}"
    return TextError(text, reason)
