"""The language model: weights with their tokenizer, for writing and measuring text."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from os import PathLike
from typing import Any, Self, Unpack

import numpy as np
from numpy.typing import NDArray

from fastlm.api.arpa import is_arpa, load_arpa
from fastlm.api.history import validations
from fastlm.api.members import (
    checked_network,
    make_members,
    member_metadata,
    member_tensors,
    read_members,
)
from fastlm.api.methods.text_methods import TextMethods
from fastlm.api.model_page import described, facts_of, model_page
from fastlm.callbacks import Callbacks, Result, Validation, as_callbacks
from fastlm.checks import check_choice
from fastlm.config import ModelConfig, TrainingConfig, TrainingSettings
from fastlm.counts.backoff_model import BackoffModel
from fastlm.display.choice import shown_progress
from fastlm.display.compiling import watch_compiling
from fastlm.errors import ConfigError, FastlmError, MissingLibraryError, ModelFileError
from fastlm.inference.members import CountMember, NetworkMember
from fastlm.inference.text_model import TextModel
from fastlm.model.layout import Layout
from fastlm.model.model_file import read_model_file, write_model_file
from fastlm.model.remembered import TENSOR, Remembered
from fastlm.model.saved_model import config_from_json
from fastlm.model.seen import Seen
from fastlm.tokenizers import Tokenizer, tokenizer_from_dict
from fastlm.types import DOCUMENT_MODES, Documents
from fastlm.wording import setting

__all__ = ["LanguageModel", "load"]


class LanguageModel(TextMethods):
    """A model with its tokenizer. Its methods may run in several threads at once.

    Parameters
    ----------
    config : ModelConfig
    params : float32[n]
        All weights (see ``fastlm.model.layout.Layout``).
    tokenizer : Tokenizer
        Of ``config.vocab`` tokens, with ``config.boundary`` as its boundary token (``<end>``).
    documents : {"file", "paragraphs", "lines", "stream"}
        What a document was in training, and is in ``generate`` and ``evaluate``.
    training : TrainingConfig, optional
        How it was trained.
    seen : Seen, optional
        What occurred in training: the rest is never generated. None: not known.
    details : dict, optional
        Facts about the run in types that JSON has, such as ``step`` and ``valid_loss``.
    counts : BackoffModel, optional
        The counts of a mixture; or those of a model without a network, whose ``config`` and
        ``params`` are None.
    weights : float64[classes, members], optional
        Those of a mixture (``fastlm.inference.text_model.TextModel``).
    others : sequence of (ModelConfig, float32[n])
        Further networks of a mixture.
    remembered : Remembered, optional
        The lines of the training text, as hashes.

    Attributes
    ----------
    result : Result or None
        How the run went that made it, if it was made in this process.

    Raises
    ------
    ConfigError
        When the parameters do not fit together.
    """

    def __init__(
        self,
        config: ModelConfig | None,
        params: NDArray[np.float32] | None,
        tokenizer: Tokenizer,
        *,
        documents: Documents = "file",
        training: TrainingConfig | None = None,
        seen: Seen | None = None,
        details: Mapping[str, Any] | None = None,
        counts: BackoffModel | None = None,
        weights: NDArray[np.float64] | None = None,
        others: Sequence[tuple[ModelConfig, NDArray[np.float32]]] = (),
        remembered: Remembered | None = None,
    ) -> None:
        check_choice("documents", documents, DOCUMENT_MODES)
        first = [] if config is None or params is None else [(config, params)]
        self._networks, self._counts, self.weights = make_members(
            [*first, *others], counts, weights, tokenizer
        )
        watch_compiling()
        self.tokenizer = tokenizer
        self.documents: Documents = documents
        self.training = training
        self.seen = Seen() if seen is None else seen
        self.remembered = remembered
        self.details: dict[str, Any] = dict(details or {})
        self.result: Result | None = None

    def __repr__(self) -> str:
        return described(self.text_model, self.details)

    def _repr_html_(self) -> str:
        return model_page("fastlm.LanguageModel", facts_of(self.text_model), self.details)

    @property
    def has_network(self) -> bool:
        """Whether there is a network, or counts alone."""
        return bool(self._networks)

    @property
    def _network(self) -> NetworkMember:
        if not self._networks:
            raise ConfigError(
                "this model has counts alone, and no network; use one trained without "
                f"{setting('counts_only', True)}"
            )
        return self._networks[0]

    @property
    def config(self) -> ModelConfig:
        """The shape of the (first) network; ConfigError where there is none."""
        return self._network.config

    @property
    def params(self) -> NDArray[np.float32]:
        """All weights of the (first) network, float32[n]; ConfigError where there is none."""
        return self._network.params

    @params.setter
    def params(self, params: NDArray[np.float32]) -> None:
        first = checked_network(self.config, params, self.tokenizer)
        self._networks = (first, *self._networks[1:])

    @property
    def layout(self) -> Layout:
        """Where each tensor lies in ``params``."""
        return Layout(self.config)

    @property
    def counts(self) -> BackoffModel | None:
        """The counts, if there are any."""
        return None if self._counts is None else self._counts.model

    @property
    def corpus_description(self) -> str:
        """What the model was trained on, for people."""
        return str(self.details.get("corpus", ""))

    @property
    def history(self) -> list[Validation]:
        """The validations of the run, or of the runs, that made the model; also after loading."""
        return validations(self.details)

    @property
    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """The weights of the (first) network by name, as views of ``params``."""
        return self.layout.views(self.params) if self.has_network else {}

    @property
    def text_model(self) -> TextModel:
        """A snapshot for generation, scoring and evaluation."""
        return TextModel(
            tokenizer=self.tokenizer,
            documents=self.documents,
            networks=self._networks,
            counts=self._counts,
            weights=self.weights,
            seen=self.seen,
            remembered=self.remembered,
        )

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for pickle and copy, without what can be made from it again."""
        state = vars(self) | {"tokenizer": self.tokenizer.to_dict()}
        state.pop("_kept_stepper", None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore the state of ``__getstate__``."""
        state = {"seen": Seen(), "_counts": None, "weights": None, "remembered": None} | state
        self.tokenizer = tokenizer_from_dict(state.pop("tokenizer"))
        if "config" in state:  # of a version without counts
            networks = [(state.pop("config"), state.pop("params"))]
        else:
            networks = [(network.config, network.params) for network in state.pop("_networks")]
        self._networks = tuple(checked_network(*each, self.tokenizer) for each in networks)
        vars(self).update(state)

    # ------------------------------------------------------------------------ training further

    def train_more(
        self,
        texts: str | PathLike[str] | Iterable[str | PathLike[str]],
        *,
        valid: str | PathLike[str] | Iterable[str | PathLike[str]] | float | None = None,
        callbacks: Callbacks = (),
        progress: bool | None = None,
        **settings: Unpack[TrainingSettings],
    ) -> Self:
        """Train this model further on more text, with its tokenizer; return itself.

        Counts of the text are added to those of the model, by the number of tokens; the weights of
        a mixture stay as they are. ``params`` is a new array afterwards, so that other threads may
        go on writing text meanwhile; ``result`` says how it went, None for counts alone. After an
        error the model is what it was before.

        Parameters
        ----------
        texts : str, path, or several of them
            A str is text itself, a path object names a file of text. It is cut into documents as
            in training (``self.documents``).
        valid : str, path, several of them, float or None
            Text to validate on, or the fraction of ``texts`` to hold out from its end. The
            parameters of the best validation are kept. None or 0: no validation.
        callbacks : Callback, function, or several of them
            Called as the run goes on; see ``fastlm.train``.
        progress : bool, optional
            Whether to show how it goes; see ``fastlm.train``.
        **settings
            Fields of ``TrainingConfig``: epochs, steps or minutes (default: one epoch), lr
            (default: a quarter of what the model was trained with), schedule, batch, seed, ...

        Raises
        ------
        ConfigError
            For a setting out of range, or one that would change the model's shape.
        CorpusError, TokenizerError
            For text that cannot be used: too short, not text, unknown characters where the
            vocabulary has no ``<unk>``, or more than half of it ``<unk>``.
        TrainingError
            When training diverges.
        """
        from fastlm.api.finetuning import train_further

        with shown_progress(progress) as shown:
            trained = train_further(
                self.text_model,
                texts,
                trained=self.training,
                details=self.details,
                valid=valid,
                callbacks=[*shown, *as_callbacks(callbacks)],
                as_model=self._with_params,
                settings=dict(settings),
            )
        if trained.params is not None:
            self.params, self.training = trained.params, trained.training
        if trained.counts is not None:
            self._counts = CountMember(trained.counts)
        self.seen, self.details, self.result = trained.seen, trained.details, trained.result
        self.remembered = trained.remembered
        return self

    def _with_params(self, params: NDArray[np.float32]) -> LanguageModel:
        return LanguageModel(
            self.config,
            params,
            self.tokenizer,
            documents=self.documents,
            training=self.training,
            seen=self.seen,
            details=self.details,
        )

    # ------------------------------------------------------------------------ the file

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to one file (see ``fastlm.model.model_file``), atomically.

        Raises
        ------
        ModelFileError
            When it cannot be written, or has weights that are not finite.
        """
        tensors = member_tensors(self._networks, self.counts, self.weights)
        if self.remembered is not None:
            tensors[TENSOR] = self.remembered.hashes
        for name, tensor in tensors.items():
            if tensor.dtype.kind == "f" and not np.isfinite(tensor).all():
                raise ModelFileError(
                    f"cannot write the model to {path}: tensor {name} holds numbers that are not "
                    "finite; train it again with a smaller learning rate"
                )
        write_model_file(path, tensors, self.metadata())

    def metadata(self) -> dict[str, Any]:
        """Return what the file holds besides the weights, as JSON; ``kind`` is ``model``."""
        return {
            "kind": "model",
            "training": None if self.training is None else self.training.to_dict(),
            "tokenizer": self.tokenizer.to_dict(),
            "documents": self.documents,
            "details": self.details,
            **member_metadata(self._networks, self.counts),
            **self.seen.to_dict(),
        }

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, mmap: bool = False) -> LanguageModel:
        """Read a model, the model in a checkpoint, or an ARPA file (``.arpa``, ``.arpa.gz``).

        An ARPA file's tokenizer is ``char`` if all its words are characters, else ``whitespace``;
        its documents are lines.

        Parameters
        ----------
        path : path
        mmap : bool
            Map the file into memory in place of reading it: processes that load the same file
            share one copy of the weights. Changing them changes this process's copy only, never
            the file, which must stay as it is meanwhile. (Where the file's tensors do not lie in
            the order of ``params``, as in files of older versions, they are copied after all.)

        Raises
        ------
        ModelFileError
            When the file is not a model, is damaged, or comes from a newer version.
        MissingLibraryError
            For a tokenizer whose library is not installed.
        """
        if is_arpa(path):
            tokenizer, counts = load_arpa(path)
            return cls(None, None, tokenizer, documents="lines", counts=counts)
        tensors, metadata = read_model_file(path, mmap=mmap)
        kind = metadata.get("kind")
        if kind not in ("model", "checkpoint"):
            raise ModelFileError(
                f"{path} is a file of kind {kind!r}, not a model or a checkpoint; name another file"
            )
        try:
            return cls._from_file(tensors, metadata)
        except MissingLibraryError:
            raise
        except FastlmError as error:
            raise ModelFileError(
                f"{path} does not hold a sound model: {error}; use another copy of the file"
            ) from None

    @classmethod
    def _from_file(
        cls, tensors: Mapping[str, NDArray[Any]], metadata: Mapping[str, Any]
    ) -> LanguageModel:
        form = metadata.get("training")
        training = None if form is None else config_from_json(TrainingConfig, form, "training")
        details = metadata.get("details", {})
        if not isinstance(details, dict):
            raise ModelFileError("its details are not a JSON object")
        tokenizer = tokenizer_from_dict(metadata.get("tokenizer", {}))
        members = {name: tensor for name, tensor in tensors.items() if name != TENSOR}
        networks, counts, weights = read_members(members, metadata, tokenizer)
        hashes = tensors.get(TENSOR)
        config, params = networks[0] if networks else (None, None)
        return cls(
            config,
            params,
            tokenizer,
            documents=metadata.get("documents", "file"),
            training=training,
            seen=Seen.from_dict(metadata, tokenizer.vocab_size),
            details=details,
            counts=counts,
            weights=weights,
            others=networks[1:],
            remembered=None if hashes is None else Remembered.from_tensor(hashes),
        )


def load(path: str | os.PathLike[str], *, mmap: bool = False) -> LanguageModel:
    """Read a model file; the same as ``LanguageModel.load``."""
    return LanguageModel.load(path, mmap=mmap)
