"""The methods of a language model on what comes next: distributions, states and steps."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from fastlm.checks import check_texts, check_whole
from fastlm.errors import TextError, TokenizerError
from fastlm.inference.generation import encode_prompt
from fastlm.inference.states import State, Stepper
from fastlm.inference.text_model import TextModel

__all__ = ["StateMethods"]


class StateMethods(ABC):
    """What may come next, for a class that has a ``text_model``."""

    _kept_stepper: Stepper | None = None

    @property
    @abstractmethod
    def text_model(self) -> TextModel:
        """The model as it is now; each method takes this snapshot when it is called."""

    def next_token_logits(self, prompt: str = "") -> NDArray[np.float32]:
        """Return the logits float32[V] of the token after ``prompt``; nothing is excluded.

        Those of a network; of a mixture and of counts the natural logarithms of the probabilities.

        Raises
        ------
        TrainingError
            When they are not finite.
        """
        model = self.text_model
        return model.logits(encode_prompt(model, prompt))

    def next_token_distribution(self, prompt: str = "") -> NDArray[np.float64]:
        """Return the probabilities float64[V] of the token after ``prompt``; they sum to 1.

        Of a network softmax(z) = exp(z - max z) / sum exp(z - max z) of the ``next_token_logits``
        z; of a mixture the weighted sum of its members' probabilities.
        """
        model = self.text_model
        return model.distribution(encode_prompt(model, prompt))

    def next_token_distributions(self, prompts: Iterable[str | State]) -> NDArray[np.float64]:
        """Return the probabilities float64[n, V] of the token after each of n prompts or states.

        Each row is what ``next_token_distribution`` returns for it; they are computed together.

        Raises
        ------
        TextError
            For a prompt that is no text or that the tokenizer cannot encode, with its index.
        ConfigError
            For a state of another model.
        """
        stepper = self._stepper()
        check_texts(prompts, TokenizerError)
        states = []
        for number, prompt in enumerate(prompts):
            if isinstance(prompt, State):
                states.append(prompt)
                continue
            try:
                states.append(stepper.start(encode_prompt(stepper.model, prompt)))
            except TokenizerError as error:
                raise TextError(number, str(error)) from None
        return stepper.distributions(states)

    def top_k(self, prompt: str = "", k: int = 10) -> list[tuple[str, float]]:
        """Return the k most probable next tokens as (token, probability), most probable first.

        All of them where the vocabulary has fewer; of equal ones the lower id comes first.
        """
        k = check_whole("k", k, 1)
        distribution = self.next_token_distribution(prompt)
        best = np.argsort(-distribution, kind="stable")[:k].tolist()
        token = self.text_model.tokenizer.token
        return [(token(id), float(distribution[id])) for id in best]

    def start(self, prompt: str = "") -> State:
        """Return the state after a prompt: all that the model still knows of it.

        States can be hashed and compared. They are equal where the model cannot tell the texts
        before them apart: after the same context of a network, and, of counts, after the same
        longest context that was counted. As in ``generate``, what lies before a document reads as
        boundary tokens (id 0 without one), and of lines or paragraphs the last one counts.
        """
        stepper = self._stepper()
        return stepper.start(encode_prompt(stepper.model, prompt))

    def step(self, state: State, token: int | str) -> tuple[float, State]:
        """Return ln p(token | state), a float in nats, and the state after the token.

        The sum over the tokens of a text is its log-probability; ``score`` has the same but for
        rounding in float32. A document ends with the token ``lm.tokenizer.boundary_id``, after
        which the next one begins. The distributions after the last states are kept, so that
        several tokens from one state cost little more than one.

        Parameters
        ----------
        state : State
            Of this model; one from before it was trained further goes on with the new weights.
        token : int or str
            Its id, or its name in the vocabulary.

        Raises
        ------
        TokenizerError
            For what is no token of the vocabulary.
        ConfigError
            For a state of another model.
        """
        return self._stepper().step(state, token)

    def _stepper(self) -> Stepper:
        """Return the steps of the model as it is now."""
        model = self.text_model
        kept = self._kept_stepper
        if kept is not None:
            before = kept.model
            if (
                before.networks is model.networks
                and before.counts is model.counts
                and before.weights is model.weights
                and before.tokenizer is model.tokenizer
                and before.documents == model.documents
            ):
                return kept
        kept = self._kept_stepper = Stepper(model)
        return kept
