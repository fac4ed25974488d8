"""A language model as pyctcdecode's beam search takes one, in the form of its abstract class."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from fastlm.api.language_model import LanguageModel, load
from fastlm.checks import check_known, check_number
from fastlm.errors import ModelFileError
from fastlm.inference.states import State, Stepper
from fastlm.pipelines.loaded import absolute_path, loaded_model
from fastlm.types import FilePath

__all__ = ["CTCLanguageModel", "CTCState"]

# As pyctcdecode scores with KenLM.
_ALPHA, _BETA, _UNKNOWN = 0.5, 1.5, -10.0
_USUAL_LENGTH = 6  # of a word, in characters: longer unknown ones cost more

_SETTINGS = ("alpha", "beta", "unk_score_offset", "score_boundary")
_MODEL_FILE, _SETTINGS_FILE = "model.safetensors", "attrs.json"


class CTCState(NamedTuple):
    """What is known after some words: the model's state, and whether there was a word."""

    state: State
    begun: bool = False


class CTCLanguageModel:
    """The methods of ``pyctcdecode.language_model.AbstractLanguageModel``, for any model.

        decoder = pyctcdecode.BeamSearchDecoderCTC(alphabet, CTCLanguageModel("m.safetensors"))

    A text is words with a space between them, so that a model of characters scores the space, then
    the word. It pickles to the path and the settings, if it was made from a path.

    Parameters
    ----------
    model : path or LanguageModel
    alpha : float
        What a log-probability (nats) of a word counts.
    beta : float
        What a word counts.
    unk_score_offset : float
        Added to alpha ln p of a word that the vocabulary does not have, at most 0.
    score_boundary : bool, optional
        Whether the end of the text counts. Default: where the model has a boundary token.

    Raises
    ------
    ConfigError, ModelFileError
        For a setting or a file that cannot be used.
    """

    def __init__(
        self,
        model: FilePath | LanguageModel,
        alpha: float = _ALPHA,
        beta: float = _BETA,
        unk_score_offset: float = _UNKNOWN,
        score_boundary: bool | None = None,
    ) -> None:
        self._model = model if isinstance(model, LanguageModel) else absolute_path(model)
        self.alpha, self.beta, self.unk_score_offset = alpha, beta, unk_score_offset
        self._start()
        if score_boundary is None:
            score_boundary = self._tokenizer.boundary_id is not None
        self.score_boundary = score_boundary
        self.reset_params()

    def _start(self) -> None:
        lm = loaded_model(self._model) if isinstance(self._model, str) else self._model
        self._lm = lm
        self._stepper = Stepper(lm.text_model)
        self._tokenizer = lm.tokenizer
        self._ids = lru_cache(1 << 16)(self._encoded)
        self._words: list[str] | None = None
        if lm.tokenizer.kind in ("word", "whitespace"):
            self._words = sorted(lm.tokenizer.vocabulary.symbols)

    def __repr__(self) -> str:
        return f"CTCLanguageModel({self._model!r}, alpha={self.alpha}, beta={self.beta})"

    def __getstate__(self) -> dict[str, Any]:
        """Return the model and the settings."""
        return {name: getattr(self, name) for name in ("_model", *_SETTINGS)}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the state of ``__getstate__``."""
        vars(self).update(state)
        self._start()

    @property
    def order(self) -> int:
        """One more than the words before that may matter."""
        span = self._lm.text_model.span
        # The shortest words are of a character and a space.
        return span + 1 if self._words is not None else span // 2 + 2

    def get_start_state(self) -> CTCState:
        """Return the state before the first word."""
        return CTCState(self._stepper.start())

    def score_partial_token(self, partial_token: str) -> float:
        """Return what the beginning of a word counts: less where no known word begins so."""
        if self._words is None or not partial_token:
            return 0.0
        text = partial_token.lower() if self._tokenizer.lowercase else partial_token
        at = int(np.searchsorted(self._words, text))
        if at < len(self._words) and self._words[at].startswith(text):
            return 0.0
        return self.unk_score_offset * max(1.0, len(partial_token) / _USUAL_LENGTH)

    def score(
        self, prev_state: CTCState, word: str, is_last_word: bool = False
    ) -> tuple[float, CTCState]:
        """Return alpha ln p(word | state) + beta, and the state after the word.

        With the last word, the end of the text counts, too; the state is the one before it, so that
        the text may go on. Nothing but that counts where there is no word.
        """
        state, begun = prev_state
        total = 0.0
        for id in self._ids(word, begun):
            log_prob, state = self._stepper.step(state, id)
            total += log_prob
        found = self.alpha * total
        if word:
            begun = True
            found += self.beta
            if self._tokenizer.unk_id in self._ids(word, True):
                found += self.unk_score_offset
        if is_last_word and self.score_boundary and self._tokenizer.boundary_id is not None:
            found += self.alpha * self._stepper.step(state, self._tokenizer.boundary_id)[0]
        return found, CTCState(state, begun)

    def reset_params(self, **params: Any) -> None:
        """Change some of the settings."""
        check_known(params, _SETTINGS)
        for name, value in params.items():
            setattr(self, name, value)
        for name in ("alpha", "beta"):
            check_number(name, getattr(self, name))
        check_number("unk_score_offset", self.unk_score_offset, most=0)

    def save_to_dir(self, filepath: str) -> None:
        """Write the model and the settings into a folder, which ``load_from_dir`` reads."""
        folder = Path(filepath)
        folder.mkdir(parents=True, exist_ok=True)
        self._lm.save(folder / _MODEL_FILE)
        settings = {name: getattr(self, name) for name in _SETTINGS}
        (folder / _SETTINGS_FILE).write_text(json.dumps(settings), encoding="utf-8")

    @classmethod
    def load_from_dir(cls, filepath: str) -> CTCLanguageModel:
        """Read what ``save_to_dir`` wrote."""
        folder = Path(filepath)
        try:
            settings = json.loads((folder / _SETTINGS_FILE).read_text(encoding="utf-8"))
            known = {name: settings[name] for name in _SETTINGS}
        except (OSError, ValueError, TypeError, KeyError):
            raise ModelFileError(
                f"{filepath} has no {_SETTINGS_FILE} with the settings of a decoder's model; name "
                "a folder of save_to_dir"
            ) from None
        return cls(load(folder / _MODEL_FILE), **known)

    def _encoded(self, word: str, begun: bool) -> tuple[int, ...]:
        return tuple(self._tokenizer.encode(" " * begun + word).tolist()) if word else ()
