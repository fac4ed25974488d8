"""A sampler of batches: a callable that adds a column of generated text."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Unpack

from fastlm.checks import check_known
from fastlm.errors import TextError, TokenizerError
from fastlm.inference.generation import GenerationSettings
from fastlm.pipelines.batches import add_columns
from fastlm.pipelines.loaded import absolute_path, loaded_model
from fastlm.types import FilePath

__all__ = ["Sampler"]


class Sampler:
    """Adds to batches what the model writes after each prompt; it pickles as ``Scorer`` does.

    Parameters
    ----------
    path : path
        A model file, where all processes see it.
    field : str
        The column of prompts. A missing one has no text: None.
    column : str
        The name of the new column.
    **settings
        Those of ``LanguageModel.generate``. With a seed, the text after a prompt is the same in
        whichever batch it is.

    Raises
    ------
    ConfigError, ModelFileError
        For a setting or a file that cannot be used.
    """

    def __init__(
        self,
        path: FilePath,
        field: str = "prompt",
        column: str = "generated",
        **settings: Unpack[GenerationSettings],
    ) -> None:
        check_known(settings, GenerationSettings.__annotations__)
        self.path = absolute_path(path)
        self.field = field
        self.column = column
        self.settings = settings

    def __repr__(self) -> str:
        return f"Sampler({self.path!r}, field={self.field!r}, column={self.column!r})"

    def __call__(self, batch: Any) -> Any:
        """Return a batch of the same kind with the text after each prompt, which comes first.

        Parameters
        ----------
        batch : dict, list of dict, data frame, Arrow table or record batch
            See ``fastlm.pipelines.batches``. It is not changed.

        Raises
        ------
        CorpusError, ConfigError
            For a batch without the column of prompts, or with the new one, and for a setting out of
            range.
        TextError
            For a prompt that is no text, or that the tokenizer cannot encode, with its index.
        """
        return add_columns(batch, self.field, lambda prompts: {self.column: self._texts(prompts)})

    def iter(self, batches: Iterable[Any]) -> Iterator[Any]:
        """Yield each batch with the new column."""
        return map(self, batches)

    def _texts(self, prompts: list[Any]) -> list[str | None]:
        lm = loaded_model(self.path)
        texts: list[str | None] = []
        for place, prompt in enumerate(prompts):
            try:
                text = None if prompt is None else lm.generate(prompt, **self.settings)
            except TokenizerError as error:
                raise TextError(place, str(error)) from None
            texts.append(text)
        return texts
