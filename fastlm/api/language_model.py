"""A trained model: writes text, measures text, and is one file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Self, Unpack

import numpy as np
from numpy.typing import NDArray

from fastlm.api.finetuning import train_further
from fastlm.callbacks import Callback, Result
from fastlm.checks import check_choice, check_whole
from fastlm.config import ModelConfig, TrainingConfig
from fastlm.data.token_store import TokenStore
from fastlm.engine.generation import context_logits, finite_logits, start_context
from fastlm.errors import (
    ConfigError,
    FastlmError,
    MissingLibraryError,
    ModelFileError,
)
from fastlm.inference.evaluation import Evaluation, evaluate_store, evaluate_texts
from fastlm.inference.generation import (
    GenerationSettings,
    Request,
    encode_prompt,
)
from fastlm.inference.scoring import BATCH_CHARS, Score, ScoreArrays, score_arrays, score_texts
from fastlm.inference.text_model import TextModel
from fastlm.model.layout import Layout
from fastlm.model.model_file import read_model_file, write_model_file
from fastlm.model.saved_model import saved_config, saved_params
from fastlm.system.resources import thread_count
from fastlm.tokenizers import Tokenizer, tokenizer_from_dict
from fastlm.types import DOCUMENT_MODES, Documents

__all__ = ["LanguageModel", "load"]


class LanguageModel:
    """A model with its tokenizer. Its methods may run in several threads at once.

    Parameters
    ----------
    config : ModelConfig
    params : float32[n]
        All weights (see ``fastlm.model.layout.Layout``).
    tokenizer : Tokenizer
        Of ``config.vocab`` tokens, with ``config.boundary`` as its end symbol.
    documents : {"file", "paragraphs", "lines"}
        What a document was in training, and is in ``generate`` and ``evaluate``.
    training : TrainingConfig, optional
        How it was trained.
    details : dict, optional
        Facts about the run in types that JSON has, such as ``step`` and ``valid_loss``.

    Raises ConfigError when these do not fit together.
    """

    def __init__(
        self,
        config: ModelConfig,
        params: NDArray[np.float32],
        tokenizer: Tokenizer,
        *,
        documents: Documents = "file",
        training: TrainingConfig | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        check_choice("documents", documents, DOCUMENT_MODES)
        _check_tokenizer(config, tokenizer)
        self.layout = Layout(config)
        if params.dtype != np.float32 or params.shape != (self.layout.size,):
            raise ConfigError(
                f"params are {params.dtype} of shape {params.shape}; give float32 of shape "
                f"({self.layout.size},)"
            )
        self.config = config
        # Kernels are compiled for writable, contiguous arrays only.
        self.params = np.require(params, requirements=["C", "W"])
        self.tokenizer = tokenizer
        self.documents: Documents = documents
        self.training = training
        self.details: dict[str, Any] = dict(details or {})
        self.result: Result | None = None

    def __repr__(self) -> str:
        config = self.config
        return (
            f"LanguageModel({self.tokenizer.kind}, vocab={config.vocab}, "
            f"context={config.context}, embed={config.embed}, hidden={config.hidden}, "
            f"combine={config.combine!r}, parameters={self.layout.size})"
        )

    @property
    def corpus_description(self) -> str:
        """What the model was trained on, for people."""
        return str(self.details.get("corpus", ""))

    @property
    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """The weights by name, as views of ``params``."""
        return self.layout.views(self.params)

    @property
    def text_model(self) -> TextModel:
        """What generation, scoring and evaluation work with, as it is now."""
        return TextModel(
            params=self.params,
            config=self.config,
            tokenizer=self.tokenizer,
            documents=self.documents,
        )

    def __getstate__(self) -> dict[str, Any]:
        """For pickle and copy: everything but what can be made from it again."""
        state = {name: value for name, value in vars(self).items() if name != "layout"}
        return state | {"tokenizer": self.tokenizer.to_dict()}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        self.layout = Layout(self.config)
        self.tokenizer = tokenizer_from_dict(state["tokenizer"])
        self.params = np.require(self.params, requirements=["C", "W"])

    # ------------------------------------------------------------------------ training further

    def train_more(
        self,
        texts: str | Iterable[str],
        *,
        valid: str | Iterable[str] | float | None = None,
        callbacks: Sequence[Callback] = (),
        **settings: Any,
    ) -> Self:
        """Train this model further on more text, with its tokenizer; returns itself.

        Parameters
        ----------
        texts : str or iterable of str
            Text itself, cut into documents as in training (``self.documents``).
        valid : str, iterable of str, float or None
            Text to validate on, or the fraction of ``texts`` to hold out from its end. The
            parameters of the best validation are kept. None or 0: no validation.
        callbacks : sequence of Callback
            Told how it goes (``fastlm.callbacks``).
        **settings
            Fields of ``TrainingConfig``: epochs, steps or minutes (default: one epoch), lr
            (default: a quarter of what the model was trained with), schedule, batch, seed, ...

        ``params`` is a new array afterwards, so that texts which other threads are writing
        meanwhile are not disturbed; ``result`` says how it went. After an error the model is what
        it was before.

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
        self.params, self.training, self.details, self.result = train_further(
            self.text_model,
            texts,
            trained=self.training,
            details=self.details,
            valid=valid,
            callbacks=callbacks,
            settings=settings,
        )
        return self

    # ------------------------------------------------------------------------ generation

    def generate(self, prompt: str = "", **settings: Unpack[GenerationSettings]) -> str:
        """Continue ``prompt``; return the prompt as it is, followed by new text.

        ``<unk>`` is never chosen: its probability is zero, and the others are renormalised.

        Parameters
        ----------
        prompt : str
            May be empty or shorter than the context: what would lie before it reads as boundary
            tokens (``<end>``) or, in a model without one, as tokens of id 0 (the space of the
            ``tiny`` tokenizer). What the vocabulary does not know becomes ``<unk>``. Where
            documents are lines or paragraphs, the model sees the prompt's last one.
        length : int, default 200
            The most new tokens.
        temperature : float, default 1.0
        top_k : int, optional
        top_p : float, optional
        greedy : bool, default False
            How tokens are chosen, applied in this order (see
            ``fastlm.inference.sampling.Sampling``): probabilities proportional to exp(logit /
            temperature), then the ``top_k`` most probable, then the fewest of these that have
            ``top_p`` of the probability. ``greedy`` (or temperature 0) takes the most probable
            token and needs no seed.
        seed : int, optional
            The same seed gives the same text; None gives another text every time.
        stop : str or several of them, optional
            The text ends before the first of these in the new text: the one that is complete
            first, and of those the longest.
        stop_at_end : bool, optional
            Whether the text ends where the model ends a document. Default: yes where documents
            are lines or paragraphs; if no, a new line or paragraph begins. Where a document is a
            file, the boundary token is never chosen.

        Raises
        ------
        ConfigError
            For a setting that is unknown or out of range.
        TokenizerError
            For a prompt that the tokenizer cannot encode: a model without ``<unk>`` takes only
            what is in its vocabulary.
        """
        return next(Request.make(self.text_model, prompt, settings).texts(1))

    def stream(self, prompt: str = "", **settings: Unpack[GenerationSettings]) -> Iterator[str]:
        """Like ``generate``, but yield the new text, without the prompt, in parts as it comes.

        A part comes as soon as no later token can change it, and never holds a part of a stop
        string. Joined, the parts after the prompt are what ``generate`` returns. Errors in the
        arguments are raised at the call. Tokens are chosen at most 20 ms ahead of the text.
        """
        return Request.make(self.text_model, prompt, settings).stream()

    def sample(
        self,
        n: int,
        prompt: str = "",
        *,
        threads: int | None = None,
        **settings: Unpack[GenerationSettings],
    ) -> list[str]:
        """Return ``n`` texts like those of ``generate``; text k depends on the seed and k only.

        The first is what ``generate`` returns for the same seed. They are written side by side,
        which takes far less time than one after the other.

        Parameters
        ----------
        n : int
        prompt : str
        threads : int, optional
            None: FASTLM_THREADS, or the processors this process may use. The texts are the same
            for any number.
        **settings
            Those of ``generate``.
        """
        check_whole("the number of samples", n, 1)
        request = Request.make(self.text_model, prompt, settings)
        return list(request.texts(n, thread_count(threads)))

    def samples(
        self,
        n: int | None = None,
        prompt: str = "",
        *,
        threads: int | None = None,
        **settings: Unpack[GenerationSettings],
    ) -> Iterator[str]:
        """Yield the texts of ``sample`` one by one, without end for None, in constant memory.

        They are written in batches, small ones first, so that the first text comes soon.
        """
        if n is not None:
            check_whole("the number of samples", n, 1)
        request = Request.make(self.text_model, prompt, settings)
        return request.texts(n, thread_count(threads), first_batch=16)

    def next_token_logits(self, prompt: str = "") -> NDArray[np.float32]:
        """Return the logits float32[V] of the token after ``prompt``; nothing is excluded.

        Raises
        ------
        TrainingError
            When they are not finite.
        """
        context = start_context(self.config, encode_prompt(self.text_model, prompt))
        return finite_logits(context_logits(self.params, self.config, context[None])[0])

    def next_token_distribution(self, prompt: str = "") -> NDArray[np.float64]:
        """Return the probabilities float64[V] of the token after ``prompt``; they sum to 1.

        softmax(z) = exp(z - max z) / sum exp(z - max z) of the ``next_token_logits`` z.
        """
        logits = self.next_token_logits(prompt).astype(np.float64)
        weights = np.exp(logits - logits.max())
        distribution: NDArray[np.float64] = weights / weights.sum()
        return distribution

    def top_k(self, prompt: str = "", k: int = 10) -> list[tuple[str, float]]:
        """Return the k most probable next tokens as (token, probability), most probable first.

        All of them where the vocabulary has fewer; of equal ones the lower id comes first.
        """
        check_whole("k", k, 1)
        distribution = self.next_token_distribution(prompt)
        best = np.argsort(-distribution, kind="stable")[:k].tolist()
        return [(self.tokenizer.token(id), float(distribution[id])) for id in best]

    # ------------------------------------------------------------------------ measuring

    def perplexity(self, text: str | Iterable[str], threads: int | None = None) -> float:
        """Return exp of the mean negative log-likelihood per token; see ``evaluate``."""
        return self.evaluate(text, threads).perplexity

    def evaluate(
        self,
        text: str | Iterable[str] | TokenStore,
        threads: int | None = None,
        *,
        documents: Documents | None = None,
    ) -> Evaluation:
        """Measure the model on one text or several, or on a whole token store.

        Each text is cut into documents, and each document counts by itself. Text is read as
        needed, in constant memory.

        Parameters
        ----------
        text : str, iterable of str or TokenStore
            Of a store, the held-out part counts too, and the text that the cut goes through
            counts as two documents.
        threads : int, optional
            None: FASTLM_THREADS, or the processors this process may use. The figures are the same
            for any number.
        documents : {"file", "paragraphs", "lines"}, optional
            What a document is. Default: as in training (``self.documents``).

        Raises
        ------
        CorpusError
            For text in which there is nothing to predict.
        TextError
            For a text that is not a str or that the tokenizer cannot encode, with its index.
        StoreError
            For a store of another tokenizer or other documents, and one without boundary tokens.
        TrainingError
            When the losses are not finite.
        """
        model = self.text_model
        if documents is not None:
            check_choice("documents", documents, DOCUMENT_MODES)
            model = replace(model, documents=documents)
        if isinstance(text, TokenStore):
            return evaluate_store(model, text, threads=thread_count(threads))
        texts = [text] if isinstance(text, str) else text
        return evaluate_texts(model, texts, threads=thread_count(threads))

    def score(
        self,
        texts: Iterable[str],
        *,
        return_tokens: bool = False,
        count_end: bool | None = None,
        batch_chars: int = BATCH_CHARS,
        threads: int | None = None,
    ) -> Iterator[Score]:
        r"""Yield one ``fastlm.Score`` for each text, in order, in constant memory.

        A text is one document, or, where the model's documents are lines or paragraphs, as many
        as ``evaluate`` finds in it; without any (being empty or white space) it is one as it
        stands. Line ends read as \n. A text may be empty, or longer than memory would hold as
        tokens.

        Parameters
        ----------
        texts : iterable of str
            Read as needed: up to ``batch_chars`` characters ahead of the results.
        return_tokens : bool
            Whether to add the tokens that count and the log-probability of each.
        count_end : bool, optional
            Whether the boundary token (``<end>``) of each document counts. Default: as in
            ``evaluate``, yes where documents are lines or paragraphs, no where they are files.
        batch_chars : int
            Characters scored at a time, about. The results do not depend on it; with 1 they come
            text by text.
        threads : int, optional
            None: FASTLM_THREADS, or the processors this process may use. The results do not depend
            on it. In one of several worker processes, 1 is best.

        Raises
        ------
        ConfigError
            At the call, for a setting out of range.
        TextError
            For a text that is not a str or that the tokenizer cannot encode, with its index, after
            the scores of the texts before it.
        """
        return score_texts(
            self.text_model,
            texts,
            return_tokens=return_tokens,
            count_end=count_end,
            batch_chars=batch_chars,
            threads=thread_count(threads),
        )

    def score_arrays(
        self,
        texts: Iterable[str],
        *,
        count_end: bool | None = None,
        threads: int | None = None,
    ) -> ScoreArrays:
        """Return the scores of ``score`` as NumPy arrays, an element per text (``ScoreArrays``)."""
        return score_arrays(
            self.text_model, texts, count_end=count_end, threads=thread_count(threads)
        )

    # ------------------------------------------------------------------------ the file

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to one file (see ``fastlm.model.model_file``), whole or not at all.

        Raises ModelFileError when it cannot be written, or has weights that are not finite.
        """
        for name, tensor in self.tensors.items():
            if not np.isfinite(tensor).all():
                raise ModelFileError(
                    f"cannot write the model to {path}: tensor {name} holds numbers that are not "
                    "finite; train it again with a smaller learning rate"
                )
        write_model_file(path, self.tensors, self.metadata())

    def metadata(self) -> dict[str, Any]:
        """What the file says beside the weights; ``kind`` is ``model``."""
        return {
            "kind": "model",
            "model": self.config.to_dict(),
            "training": None if self.training is None else self.training.to_dict(),
            "tokenizer": self.tokenizer.to_dict(),
            "documents": self.documents,
            "details": self.details,
        }

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, mmap: bool = False) -> LanguageModel:
        """Read a model, or the model in a checkpoint.

        mmap : map the file into memory in place of reading it: processes that load the same file
            share one copy of the weights. Changing them changes this process's copy only, never
            the file, which must stay as it is meanwhile. (Where the file's tensors do not lie in
            the order of ``params``, as in files of older versions, they are copied after all.)

        Raises ModelFileError when the file is not one, is damaged, or comes from a newer version,
        and MissingLibraryError for a tokenizer whose library is not installed.
        """
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
        config: ModelConfig = saved_config(ModelConfig, metadata.get("model"), "model")
        form = metadata.get("training")
        training = None if form is None else saved_config(TrainingConfig, form, "training")
        details = metadata.get("details", {})
        if not isinstance(details, dict):
            raise ModelFileError("its details are not a JSON object")
        # Before memory for the weights is taken: a size that is a lie shows here.
        tokenizer = tokenizer_from_dict(metadata.get("tokenizer", {}))
        _check_tokenizer(config, tokenizer)
        return cls(
            config,
            saved_params(Layout(config), tensors),
            tokenizer,
            documents=metadata.get("documents", "file"),
            training=training,
            details=details,
        )


def _check_tokenizer(config: ModelConfig, tokenizer: Tokenizer) -> None:
    if tokenizer.vocab_size != config.vocab:
        raise ConfigError(
            f"the tokenizer has {tokenizer.vocab_size} tokens, but the model's vocab is "
            f"{config.vocab}; use the tokenizer that the model was made for"
        )
    if tokenizer.boundary_id != config.boundary:
        raise ConfigError(
            f"the tokenizer's boundary token has id {tokenizer.boundary_id}, but the model's "
            f"boundary is {config.boundary}; use the tokenizer that the model was made for"
        )


def load(path: str | os.PathLike[str], *, mmap: bool = False) -> LanguageModel:
    """Read a model file; the same as ``LanguageModel.load``."""
    return LanguageModel.load(path, mmap=mmap)
