"""`fastlm generate --interactive`: a person chooses among the most probable next tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, TextIO

import numpy as np

from fastlm.display.screen import printable, terminal_columns
from fastlm.inference.generation import Request
from fastlm.inference.text_stream import TextStream

if TYPE_CHECKING:
    from fastlm.inference.text_model import TextModel

__all__ = ["Draft", "write_together"]

CHOICES = 5
_KEYS = f"1 to {CHOICES}: choose. Enter: the first. +TEXT: add text. -: undo. q: end."
# Lines of the text so far that are shown.
_SHOWN_LINES = 4


class Draft:
    """A text that grows by chosen tokens and typed text; both can be undone.

    Attributes
    ----------
    text : str
        The text so far.
    ended : bool
        Whether the token that ends a document was chosen.
    """

    def __init__(self, model: TextModel, prompt: str) -> None:
        self._model = model
        self._before: list[tuple[Request, list[int], str]] = []
        self._begin(prompt)

    def _begin(self, prompt: str) -> None:
        self._request = Request.make(self._model, prompt, {})
        self._ids: list[int] = []
        self.text = prompt
        self.ended = False

    def candidates(self) -> list[tuple[int, str, float]]:
        """Return the most probable next tokens: id, token and probability among those allowed."""
        p = self._model.distribution([*self._request.prompt_ids, *self._ids])
        p[self._request.excluded] = 0.0
        p /= max(p.sum(), 1e-300)
        best = np.argsort(-p, kind="stable")[:CHOICES].tolist()
        token = self._model.tokenizer.token
        return [(id, token(id), float(p[id])) for id in best if p[id] > 0]

    def choose(self, id: int) -> None:
        """Append a token."""
        self._before.append((self._request, list(self._ids), self.text))
        if id == self._request.end:
            self.ended = True
            return
        self._ids.append(id)
        model, request = self._model, self._request
        new = TextStream(model.tokenizer, model.documents, request.prompt, request.prompt_ids)
        self.text = request.prompt + "".join([*new.push(self._ids), *new.finish()])

    def add(self, text: str) -> None:
        """Append text."""
        before = (self._request, list(self._ids), self.text)
        self._begin(self.text + text)  # it may raise
        self._before.append(before)

    def undo(self) -> None:
        """Take back the last token or text that was appended, if there is any."""
        if self._before:
            self._request, self._ids, self.text = self._before.pop()
            self.ended = False


def write_together(draft: Draft, keyboard: TextIO, screen: TextIO) -> None:
    """Let a person continue a draft, until they end it or the end of a document is chosen.

    Parameters
    ----------
    draft : Draft
    keyboard : TextIO
        A line for each choice; its end ends the draft.
    screen : TextIO
        Shows the text and the candidates.
    """
    print(_KEYS, file=screen)
    while not draft.ended:
        candidates = draft.candidates()
        print(f"\n{_end_of(draft.text, screen)}", file=screen)
        for number, (_, token, probability) in enumerate(candidates, start=1):
            shown = token if token.isprintable() and token.strip() == token else repr(token)
            print(f"  {number}  {probability:6.1%}  {printable(shown, screen)}", file=screen)
        print("> ", end="", file=screen, flush=True)
        line = keyboard.readline()
        answer = line.strip()
        if not line or answer == "q":
            return
        if answer == "-":
            draft.undo()
        elif line.startswith("+"):
            draft.add(line[1:].rstrip("\r\n"))
        elif answer in ("", *map(str, range(1, len(candidates) + 1))) and candidates:
            draft.choose(candidates[int(answer or 1) - 1][0])
        else:
            print(_KEYS, file=screen)


def _end_of(text: str, screen: TextIO) -> str:
    """Return the last lines of a text, as wide as the screen."""
    width = (terminal_columns(screen) or 80) - 1
    rows = [
        line[start : start + width]
        for line in printable(text, screen).split("\n")
        for start in range(0, len(line) or 1, width)
    ]
    return "\n".join(rows[-_SHOWN_LINES:])
