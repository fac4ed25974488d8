"""The texts in JSON lines: one object a line, the text under one of its keys."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from fastlm.decoding import Reading, normal_line_ends
from fastlm.errors import CorpusError
from fastlm.json_record import DEFAULT_FIELD, decoded_line, parse_record

__all__ = ["JsonLines"]


class JsonLines:
    """The records of one source.

    name : how messages call the source
    skipped : lines left out so far (``Reading.skip_bad``); ``first_skipped`` says why the first was
    """

    def __init__(self, name: str, reading: Reading) -> None:
        self.name = name
        self.reading = reading
        self.skipped = 0
        self.first_skipped = ""

    def texts(self, blocks: Iterable[bytes]) -> Iterator[bytes]:
        r"""Yield each record's text as UTF-8 with \n for line ends; empty ones are left out.

        blocks : the source in blocks, lines separated by \n

        Raises
        ------
        CorpusError
            For a line that is not JSON in UTF-8, is no object, lacks the field, or has something
            other than a text there: with the number of the line.
        """
        for number, line in enumerate(_lines(blocks), start=1):
            if line.isspace() or not line:
                continue
            try:
                text = self._text(line)
            except CorpusError as error:
                problem = f"{self.name}, line {number}: {error}"
                if not self.reading.skip_bad:
                    raise CorpusError(
                        f"{problem}; or leave such lines out with --skip-bad"
                    ) from None
                self.first_skipped = self.first_skipped or problem
                self.skipped += 1
                continue
            if text:
                yield text

    def _text(self, line: bytes) -> bytes:
        field = DEFAULT_FIELD if self.reading.field is None else self.reading.field
        text: str = parse_record(decoded_line(line, self.reading.errors), field)[field]
        try:
            return normal_line_ends(text.encode("utf-8"))
        except UnicodeEncodeError:
            raise CorpusError(
                f"field {field!r} holds a lone surrogate, which is no character; correct it"
            ) from None


def _lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    parts: list[bytes] = []
    for block in blocks:
        first, *others = block.split(b"\n")
        parts.append(first)
        if others:
            yield b"".join(parts)
            yield from others[:-1]
            parts = [others[-1]]
    yield b"".join(parts)
