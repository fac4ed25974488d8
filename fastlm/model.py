"""A trained model: writes text, measures text, and is one file."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from fastlm.config import Documents, ModelConfig, TrainingConfig
from fastlm.corpus import documents_from_texts
from fastlm.errors import (
    ConfigError,
    FastlmError,
    MissingLibraryError,
    ModelFileError,
    TokenizerError,
)
from fastlm.evaluation import Evaluation, evaluate_documents
from fastlm.events import Result
from fastlm.layout import Layout
from fastlm.modelfile import read_model_file, write_model_file
from fastlm.sampling import Predictor, Sampling, generate_ids, random_generator
from fastlm.threads import thread_count
from fastlm.tokenizers import Tokenizer, tokenizer_from_dict

__all__ = ["LanguageModel", "load"]

# Tensors of a training run that may go on; who reads the model leaves them aside.
_RUN_PREFIXES = ("momentum.", "state.")

# What stands between two documents in a text.
_SEPARATORS: dict[str, str] = {"file": "", "lines": "\n", "paragraphs": "\n\n"}


class LanguageModel:
    """A model with its tokenizer. Its methods may run in several threads at once.

    Parameters
    ----------
    config : ModelConfig
    params : float32[n]
        All weights (see ``fastlm.layout.Layout``).
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
        if documents not in get_args(Documents):
            raise ConfigError(
                f"documents is {documents!r}; choose one of {', '.join(get_args(Documents))}"
            )
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
        # How the run that made it went, where it was made in this process.
        self.result: Result | None = None
        self.corpus_description = str(self.details.get("corpus", ""))

    def __repr__(self) -> str:
        config = self.config
        return (
            f"LanguageModel({self.tokenizer.kind}, vocab={config.vocab}, "
            f"context={config.context}, embed={config.embed}, hidden={config.hidden}, "
            f"combine={config.combine!r}, parameters={self.layout.size})"
        )

    @property
    def tensors(self) -> dict[str, NDArray[np.float32]]:
        """The weights by name, as views of ``params``."""
        return self.layout.views(self.params)

    # ------------------------------------------------------------------------ generation

    def generate(
        self,
        prompt: str = "",
        *,
        length: int = 200,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        greedy: bool = False,
        seed: int | None = None,
        stop_at_end: bool | None = None,
    ) -> str:
        """Continue ``prompt``; returns the prompt as it is, followed by new text.

        Parameters
        ----------
        prompt : str
            May be empty or shorter than the context: what would lie before it reads as end
            symbols, or, in a model without one, as tokens of id 0 (the space of the ``tiny``
            tokenizer). What the vocabulary does not know becomes ``<unk>``. Where documents are
            lines or paragraphs the model sees the last of the prompt's.
        length : int
            The number of new tokens, at most.
        temperature, top_k, top_p, greedy
            How tokens are chosen, applied in this order (see ``fastlm.sampling.Sampling``):
            probabilities proportional to exp(logit / temperature), then the ``top_k`` most
            probable, then the fewest of these that have ``top_p`` of the probability.
            ``greedy`` (or temperature 0) takes the most probable token and needs no seed.
        seed : int, optional
            The same seed gives the same text; None gives another text every time.
        stop_at_end : bool, optional
            Whether the text ends where the model ends a document. Default: yes where documents
            are lines or paragraphs; if no, a new line or paragraph begins. Where a document is a
            file, the end symbol is never chosen.

        ``<unk>`` is never chosen: its probability is zero, and the others are renormalised.

        Raises
        ------
        ConfigError
            For a setting out of range.
        TokenizerError
            For a prompt that the tokenizer cannot encode: a model without ``<unk>`` takes only
            what is in its vocabulary.
        """
        return self._text(
            prompt,
            _checked_length(length),
            Sampling(temperature=temperature, top_k=top_k, top_p=top_p, greedy=greedy),
            random_generator(seed),
            self._checked_stop(stop_at_end),
        )

    def stream(
        self,
        prompt: str = "",
        *,
        length: int = 200,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        greedy: bool = False,
        seed: int | None = None,
        stop_at_end: bool | None = None,
    ) -> Iterator[str]:
        """Like ``generate``, but yields the new text, without the prompt, in pieces as it comes.

        A piece comes as soon as no later token can change it. Joined, the pieces after the prompt
        are what ``generate`` returns. Errors in the arguments are raised at the call.
        """
        sampling = Sampling(temperature=temperature, top_k=top_k, top_p=top_p, greedy=greedy)
        ids = self._prompt_ids(prompt)
        new_ids = self._generated_ids(
            ids,
            _checked_length(length),
            sampling,
            random_generator(seed),
            self._checked_stop(stop_at_end),
        )
        return self._pieces(prompt, ids, ([id] for id in new_ids))

    def sample(
        self,
        n: int,
        prompt: str = "",
        *,
        length: int = 200,
        temperature: float = 1.0,
        top_k: int | None = None,
        top_p: float | None = None,
        greedy: bool = False,
        seed: int | None = None,
        stop_at_end: bool | None = None,
    ) -> list[str]:
        """``n`` texts like those of ``generate``; text k depends on the seed and k only.

        The first is what ``generate`` returns for the same seed.
        """
        if isinstance(n, bool) or not isinstance(n, int) or n < 1:
            raise ConfigError(f"the number of samples is {n!r}; give a whole number of at least 1")
        sampling = Sampling(temperature=temperature, top_k=top_k, top_p=top_p, greedy=greedy)
        length = _checked_length(length)
        stop = self._checked_stop(stop_at_end)
        return [
            self._text(prompt, length, sampling, random_generator(seed, number), stop)
            for number in range(n)
        ]

    def next_token_logits(self, prompt: str = "") -> NDArray[np.float32]:
        """Logits float32[V] for the token after ``prompt``; nothing is excluded."""
        predictor = Predictor(self.params, self.config)
        predictor.start(self._prompt_ids(prompt))
        return predictor.logits().copy()

    def _text(
        self,
        prompt: str,
        length: int,
        sampling: Sampling,
        rng: np.random.Generator,
        stop_at_end: bool,
    ) -> str:
        ids = self._prompt_ids(prompt)
        new_ids = list(self._generated_ids(ids, length, sampling, rng, stop_at_end))
        return prompt + "".join(self._pieces(prompt, ids, [new_ids]))

    def _generated_ids(
        self,
        prompt_ids: Sequence[int],
        length: int,
        sampling: Sampling,
        rng: np.random.Generator,
        stop_at_end: bool,
    ) -> Iterator[int]:
        predictor = Predictor(self.params, self.config)
        predictor.start(prompt_ids)
        excluded = [self.tokenizer.unk_id]
        if self.documents == "file":
            excluded.append(self.tokenizer.boundary_id)
        return generate_ids(
            predictor,
            sampling,
            rng,
            length=length,
            excluded=[id for id in excluded if id is not None],
            end=self.tokenizer.boundary_id if stop_at_end else None,
        )

    def _prompt_ids(self, prompt: str) -> list[int]:
        if not isinstance(prompt, str):
            raise TokenizerError(f"the prompt is {type(prompt).__name__}, not str; give text")
        ids: list[int] = self.tokenizer.encode(_last_document(prompt, self.documents)).tolist()
        return ids

    def _checked_stop(self, stop_at_end: bool | None) -> bool:
        can_stop = self.documents != "file" and self.tokenizer.boundary_id is not None
        if stop_at_end and not can_stop:
            raise ConfigError(
                "stop_at_end is True, but this model knows no end of a line or paragraph; leave it "
                "out, or train with documents='lines'"
            )
        return can_stop if stop_at_end is None else stop_at_end

    def _pieces(
        self, prompt: str, prompt_ids: Sequence[int], bursts: Iterable[Sequence[int]]
    ) -> Iterator[str]:
        """The text of new ids after a prompt, never empty pieces; ids come in bursts."""
        end = self.tokenizer.boundary_id
        text = _new_text(self.tokenizer, prompt, prompt_ids)
        for burst in bursts:
            document: list[int] = []
            for id in burst:
                if id != end:
                    document.append(id)
                    continue
                yield from filter(None, (text.push(document), text.finish()))
                yield _SEPARATORS[self.documents]
                text = _new_text(self.tokenizer, "", ())
                document = []
            yield from filter(None, (text.push(document),))
        yield from filter(None, (text.finish(),))

    # ------------------------------------------------------------------------ measuring

    def perplexity(self, text: str | Iterable[str], threads: int | None = None) -> float:
        """exp of the mean negative log-likelihood per token; see ``evaluate``."""
        return self.evaluate(text, threads).perplexity

    def evaluate(self, text: str | Iterable[str], threads: int | None = None) -> Evaluation:
        """Measure the model on one text or several.

        Each text is cut into documents as in training (``self.documents``), and each document
        counts by itself.

        threads : None: FASTLM_THREADS, or the processors this process may use. The figures are the
            same for any number.

        Raises
        ------
        CorpusError
            For text in which there is nothing to predict, and for an item that is not a str.
        TokenizerError
            For text that the tokenizer cannot encode.
        """
        if threads is not None and (not isinstance(threads, int) or threads < 1):
            raise ConfigError(f"threads is {threads!r}; give a whole number of at least 1")
        return evaluate_documents(
            self.params,
            self.config,
            self.tokenizer,
            documents_from_texts([text] if isinstance(text, str) else text, self.documents),
            self.documents,
            thread_count(threads),
        )

    # ------------------------------------------------------------------------ the file

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the model to one file (see ``fastlm.modelfile``), whole or not at all.

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
    def load(cls, path: str | os.PathLike[str]) -> LanguageModel:
        """Read a model, or the model in a checkpoint.

        Raises ModelFileError when the file is not one, is damaged, or comes from a newer version.
        """
        tensors, metadata = read_model_file(path)
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
        config: ModelConfig = _settings(ModelConfig, metadata.get("model"), "model")
        training = metadata.get("training")
        details = metadata.get("details", {})
        if not isinstance(details, dict):
            raise ModelFileError("its details are not a JSON object")
        # Before memory for the weights is taken: a size that is a lie shows here.
        tokenizer = tokenizer_from_dict(metadata.get("tokenizer", {}))
        _check_tokenizer(config, tokenizer)
        return cls(
            config,
            _flat(Layout(config), tensors),
            tokenizer,
            documents=metadata.get("documents", "file"),
            training=None if training is None else _settings(TrainingConfig, training, "training"),
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
            f"the tokenizer's end symbol has id {tokenizer.boundary_id}, but the model's boundary "
            f"is {config.boundary}; use the tokenizer that the model was made for"
        )


def _settings(cls: Any, form: Any, name: str) -> Any:
    """A configuration from its JSON form; fields that are not there have their default."""
    if not isinstance(form, dict):
        raise ModelFileError(f"its {name} configuration is not a JSON object")
    unknown = sorted(form.keys() - cls.__dataclass_fields__.keys())
    if unknown:
        raise ModelFileError(
            f"its {name} configuration has a setting {unknown[0]!r} that this version does not know"
        )
    try:
        return cls(**form)
    except TypeError as error:
        raise ModelFileError(f"its {name} configuration is incomplete: {error}") from None


def _flat(layout: Layout, tensors: Mapping[str, NDArray[Any]]) -> NDArray[np.float32]:
    """The flat array float32[n] of a file's tensors, after checking them against the layout."""
    found = {name for name in tensors if not name.startswith(_RUN_PREFIXES)}
    for name in sorted(found - layout.tensors.keys()):
        raise ModelFileError(f"tensor {name} has no place in a model of its configuration")
    for name, expected in layout.tensors.items():
        if name not in found:
            raise ModelFileError(f"tensor {name} of shape {expected.shape} is missing")
        tensor = tensors[name]
        if tensor.shape != expected.shape or tensor.dtype != np.float32:
            raise ModelFileError(
                f"tensor {name} is {tensor.dtype} of shape {tensor.shape}, but its configuration "
                f"needs float32 of shape {expected.shape}"
            )
        if not np.isfinite(tensor).all():
            raise ModelFileError(f"tensor {name} holds numbers that are not finite")
    flat = np.empty(layout.size, dtype=np.float32)
    for name, view in layout.views(flat).items():
        view[...] = tensors[name]
    return flat


def _checked_length(length: int) -> int:
    if isinstance(length, bool) or not isinstance(length, int) or length < 0:
        raise ConfigError(f"length is {length!r}; give a whole number of at least 0")
    return length


def _last_document(prompt: str, documents: Documents) -> str:
    """The part of a prompt that a model sees: no context reaches across the end of a document."""
    if documents == "file":
        return prompt
    text = prompt.replace("\r\n", "\n").replace("\r", "\n")
    return re.split(r"\n" if documents == "lines" else r"\n[^\S\n]*\n", text)[-1]


# ---------------------------------------------------------------------------- ids to text


class _SeparateText:
    """New text where the text of a token does not depend on its neighbours, as of char and byte."""

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._pending: list[int] = []

    def push(self, ids: Sequence[int]) -> str:
        """Append ids; returns what is certain of the text and was not returned yet."""
        self._pending += ids
        text = self._tokenizer.decode(self._pending)
        if text.endswith("�"):  # maybe the first bytes of a character
            return ""
        self._pending.clear()
        return text

    def finish(self) -> str:
        """The rest of the text."""
        text = self._tokenizer.decode(self._pending)
        self._pending.clear()
        return text


class _JoinedText:
    """New text where the space before a token depends on all tokens before it and the one after.

    The text of the last token is held back. Everything is decoded again each time, so that the
    rules stand in one place, the tokenizer; decoding only when there is 1/16 more to decode keeps
    the cost of a long text linear.
    """

    def __init__(self, tokenizer: Tokenizer, prompt: str, prompt_ids: Sequence[int]) -> None:
        self._tokenizer = tokenizer
        self._ids = list(prompt_ids)
        self._prompt_size = len(self._ids)
        self._after_space = prompt[-1:].isspace()
        self._sent: int | None = None
        self._decode_at = 0

    def push(self, ids: Sequence[int]) -> str:
        """Append ids; returns what is certain of the text and was not returned yet."""
        self._ids += ids
        if not ids or len(self._ids) < self._decode_at:
            return ""
        self._decode_at = len(self._ids) + max(1, len(self._ids) // 16)
        return self._unsent(self._settled(self._ids))

    def finish(self) -> str:
        """The rest of the text."""
        if len(self._ids) == self._prompt_size:
            return ""
        return self._unsent(self._tokenizer.decode(self._ids))

    def _settled(self, ids: list[int]) -> str:
        """The text of all tokens but the last one."""
        return self._tokenizer.settled_text(ids)

    def _unsent(self, text: str) -> str:
        if self._sent is None:
            # Where the prompt ends can be told when the token after it is known.
            self._sent = len(self._settled(self._ids[: self._prompt_size + 1]))
        piece = text[self._sent :]
        self._sent += len(piece)
        if piece and self._after_space:
            piece = piece.removeprefix(" ")
            self._after_space = False
        return piece


def _new_text(
    tokenizer: Tokenizer, prompt: str, prompt_ids: Sequence[int]
) -> _SeparateText | _JoinedText:
    if tokenizer.decodes_apart:
        return _SeparateText(tokenizer)
    return _JoinedText(tokenizer, prompt, prompt_ids)


def load(path: str | os.PathLike[str]) -> LanguageModel:
    """Read a model file; the same as ``LanguageModel.load``."""
    return LanguageModel.load(path)
