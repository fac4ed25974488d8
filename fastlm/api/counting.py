"""Counts in training: which n-grams, and what they give beside a network or alone."""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import numpy as np

from fastlm.api.language_model import LanguageModel
from fastlm.callbacks import Callback, Notice
from fastlm.checks import check_whole, shown
from fastlm.config import TrainingConfig
from fastlm.counts.backoff_model import MAX_ORDER, BackoffModel
from fastlm.counts.estimate import estimate, fallback_notice
from fastlm.data.dataset import Dataset
from fastlm.engine.losses import sum_losses
from fastlm.engine.tokens import flat_ids, token_array
from fastlm.errors import ConfigError, ModelFileError
from fastlm.inference.mixture import MixtureFit, cross_fit
from fastlm.inference.text_model import TextModel
from fastlm.model.model_file import read_metadata
from fastlm.model.seen import Seen
from fastlm.system.resources import thread_count
from fastlm.text.documents import is_one_document
from fastlm.training.validation import spread_ranges
from fastlm.types import FilePath
from fastlm.wording import setting

__all__ = [
    "AUTO_COUNTS",
    "NO_COUNTS",
    "CountSettings",
    "Counted",
    "check_counts_replaced",
    "count_dataset",
    "counts_model",
    "fit_mixture",
    "tell",
    "with_counts",
]

# Vocabularies of at least this many ids are words, or pieces of words.
_WORDS = 1000
_WORD_ORDER = 5
_CHARACTER_ORDER = 7
# Share of the validation loss that counts must take away to be kept where that is left open.
_WORTH_IT = 0.005
# Bytes of a file with counts that are chosen.
_AUTO_BYTES = 50_000_000
# Tokens of the held-out text that weights are fitted on.
_MOST_FITTED = 1 << 22

_UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9}


@dataclass(frozen=True, kw_only=True)
class CountSettings:
    """Which n-grams are counted.

    Attributes
    ----------
    order : int or None
        Tokens of the longest; 0: none are counted; None: 5 for words, 7 for characters.
    auto : bool
        Whether they are left out where they give less than half a percent.
    prune : tuple of int
        For each order the most occurrences of an n-gram that is left out.
    size : int or None
        The most bytes of the counts.
    """

    order: int | None = None
    auto: bool = False
    prune: tuple[int, ...] = ()
    size: int | None = None

    @classmethod
    def of(
        cls,
        counts: Any = None,
        *,
        only: bool = False,
        order: Any = None,
        prune: Sequence[int] | None = None,
        size: Any = None,
    ) -> CountSettings | None:
        """Check the arguments of ``fastlm.train``; return None where none are mentioned.

        Raises
        ------
        ConfigError
            For a value out of range, and for settings of counts where there are none.
        """
        if only and counts is not None:
            raise ConfigError(
                f"{setting('counts')} and {setting('counts_only')} are both given; choose one of "
                "them"
            )
        if order is not None and not only:
            raise ConfigError(
                f"{setting('order')} is given without {setting('counts_only')}; give "
                f"{setting('counts')} the order"
            )
        sizes = {"prune": prune, "counts_size": size}
        given = [name for name, value in sizes.items() if value is not None]
        if counts == "none":
            for name in given:
                raise ConfigError(
                    f"{setting(name)} is given with {setting('counts', 'none')}; leave one of them "
                    "out"
                )
            return NO_COUNTS
        if counts is None and not (only or given):
            return None
        auto = not only and counts in (None, "auto")
        number = order if only else None if auto else counts
        if isinstance(number, str) and number.isdecimal() and len(number) < 9:
            number = int(number)
        if isinstance(number, str):
            raise ConfigError(
                f"{setting('counts')} is {shown(number)}; give auto, none or the order, 1 to 12"
            )
        if number is not None:
            name = "order" if only else "counts"
            number = check_whole(name, number, 1)
            if number > MAX_ORDER:
                raise ConfigError(f"{setting(name, number)} is too long; give at most {MAX_ORDER}")
        cuts = tuple(check_whole("prune", each, 0) for each in prune or ())
        return cls(
            order=number, auto=auto, prune=cuts, size=None if size is None else _bytes_of(size)
        )

    @property
    def any(self) -> bool:
        """Whether anything is counted."""
        return self.order != 0

    def most_bytes(self, beside: int) -> int | None:
        """Return the most bytes of the counts.

        Where that is left open, a file with ``beside`` other bytes has at most 50 MB.
        """
        if not self.auto or self.size is not None:
            return self.size
        return max(_AUTO_BYTES // 10, _AUTO_BYTES - beside)

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON form."""
        return {
            "order": self.order,
            "auto": self.auto,
            "prune": list(self.prune),
            "size": self.size,
        }

    @classmethod
    def from_dict(cls, form: Any) -> CountSettings | None:
        """Return the settings of a checkpoint; None for anything else, as in older versions."""
        if not isinstance(form, dict):
            return None
        counts = "auto" if form.get("auto") is True else None
        order, prune, size = form.get("order"), form.get("prune") or None, form.get("size")
        found = cls.of(counts, only=counts is None, order=order, prune=prune, size=size)
        return found if found is None else replace(found, order=order)


NO_COUNTS = CountSettings(order=0)
AUTO_COUNTS = CountSettings(auto=True)


def _bytes_of(size: Any) -> int:
    """Return a number of bytes, given as a whole number or as text such as 20MB."""
    if isinstance(size, str):
        match = re.fullmatch(r"(\d{1,9}(?:\.\d{1,9})?) ?([KMG]?B|)", size.strip().upper())
        if match is not None:
            size = int(float(match[1]) * _UNITS[match[2]])
    if isinstance(size, str):
        raise ConfigError(
            f"{setting('counts_size')} is {shown(size)}; give bytes, or text such as 20MB"
        )
    return int(check_whole("counts_size", size, 1))


@dataclass(frozen=True)
class Counted:
    """Counts of a text.

    Attributes
    ----------
    model : BackoffModel
    seconds : float
        What counting took, without compilation.
    """

    model: BackoffModel
    seconds: float


def count_dataset(
    data: Dataset,
    settings: CountSettings,
    threads: int | None,
    callbacks: Sequence[Callback] = (),
    *,
    beside: int = 0,
) -> Counted:
    """Estimate the counts of a dataset's training text; tell of discounts that had to be guessed.

    Parameters
    ----------
    data : Dataset
    settings : CountSettings
    threads : int, optional
    callbacks : sequence of Callback
    beside : int
        Bytes of what else the model has.

    Raises
    ------
    ConfigError
        For pruning that does not suit the order.
    """
    vocab, boundary = data.tokenizer.vocab_size, data.tokenizer.boundary_id
    order = settings.order
    if order is None:
        order = _WORD_ORDER if vocab >= _WORDS else _CHARACTER_ORDER
    threads = thread_count(threads)
    estimate(np.zeros(2, dtype=np.uint16), 2, 2, threads=1)  # compiles
    started = time.perf_counter()
    model = estimate(
        data.train,
        order,
        vocab,
        boundary,
        prune=settings.prune,
        nbytes=settings.most_bytes(beside),
        threads=threads,
    )
    seconds = time.perf_counter() - started
    said = fallback_notice(model)
    if said is not None:
        tell(callbacks, said)
    return Counted(model, seconds)


def tell(callbacks: Sequence[Callback], message: str) -> None:
    """Give callbacks a notice on counts."""
    for callback in callbacks:
        callback.on_notice(Notice("counts", message))


def fit_mixture(
    model: TextModel, ids: Any, threads: int | None = None, *, most: int | None = None
) -> MixtureFit:
    """Fit the weights of a model's members on held-out tokens.

    Parameters
    ----------
    model : TextModel
        Of several members; weights that it has are not used.
    ids : int[T]
        A boundary token ends each document.
    threads : int, optional
    most : int, optional
        The most tokens to use, in stretches over the text; at most 4 million in any case.

    Raises
    ------
    ConfigError
        Where there is nothing to predict.
    """
    tokens = token_array(ids, model.tokenizer.vocab_size)
    flat, first = flat_ids(tokens), model.first_target
    if flat.size - first < 2:
        raise ConfigError(
            f"the text to weigh the members on has {flat.size} tokens; give at least {first + 2}"
        )
    parts = []
    for start, stop in spread_ranges(first, flat.size, min(most or _MOST_FITTED, _MOST_FITTED)):
        losses, buckets = model.member_losses(tokens, start, stop, thread_count(threads))
        if model.tokenizer.boundary_id is not None and is_one_document(model.documents):
            counted = flat[start:stop] != model.tokenizer.boundary_id
            losses, buckets = losses[:, counted], buckets[counted]
        parts.append((losses, buckets))
    losses = np.concatenate([part[0] for part in parts], axis=1)
    buckets = np.concatenate([part[1] for part in parts])
    return cross_fit(losses, buckets, 1 if model.counts is None else model.counts.buckets)


def with_counts(
    lm: LanguageModel,
    counted: Counted,
    settings: CountSettings,
    valid: Any,
    callbacks: Sequence[Callback] = (),
) -> LanguageModel:
    """Return the mixture of a network and counts, or the network where they are not worth it.

    Parameters
    ----------
    lm : LanguageModel
        A network.
    counted : Counted
        The counts of the text that it was trained on.
    settings : CountSettings
    valid : int[T]
        The tokens that the weights are fitted on.
    callbacks : sequence of Callback
        Told what the counts give and cost.
    """
    training = lm.training or TrainingConfig()
    mixed = lm.text_model.with_counts(counted.model)
    fit = fit_mixture(mixed, valid, training.threads, most=training.valid_tokens)
    network, alone = fit.losses
    gain = 1 - fit.loss / network if network > 0 else 0.0
    model = counted.model
    what = f"order {model.order}, {model.nbytes / 1e6:.1f} MB, {counted.seconds:.1f} s: "
    figures = f"validation loss {network:.4f} -> {fit.loss:.4f} ({gain:.1%} less)"
    if settings.auto and gain < _WORTH_IT:
        tell(callbacks, f"left out; {what}{figures}")
        return lm
    tell(callbacks, what + figures)
    details = lm.details | {
        "valid_loss": fit.loss,
        "network_valid_loss": network,
        "counts_valid_loss": alone,
        "counts_seconds": counted.seconds,
    }
    result = LanguageModel(
        lm.config,
        lm.params,
        lm.tokenizer,
        documents=lm.documents,
        training=lm.training,
        seen=lm.seen,
        details=details,
        counts=model,
        weights=fit.weights,
    )
    result.result = lm.result
    return result


def counts_model(data: Dataset, counted: Counted, seen: Seen, threads: int | None) -> LanguageModel:
    """Return the language model of counts alone, measured on the text held out."""
    details: dict[str, Any] = {
        "reason": "finished",
        "seconds": counted.seconds,
        "corpus": data.description,
        "corpus_fingerprint": data.fingerprint,
    }
    lm = LanguageModel(
        None,
        None,
        data.tokenizer,
        documents=data.documents,
        seen=seen,
        details=details,
        counts=counted.model,
    )
    if data.valid is not None:
        boundary = data.tokenizer.boundary_id
        total = sum_losses(
            partial(lm.text_model.losses, threads=thread_count(threads)),
            token_array(data.valid, data.tokenizer.vocab_size),
            0,
            skipped=boundary if is_one_document(data.documents) else None,
        )
        if total.tokens:
            details["valid_loss"] = total.nats / total.tokens
            lm.details = details
    return lm


def check_counts_replaced(path: FilePath | None, data: Dataset) -> None:
    """Raise ConfigError if counts of another text, or a network, would be replaced unasked."""
    try:
        metadata = {} if path is None else read_metadata(path)
    except (OSError, ModelFileError):
        return  # whether such a file is replaced is checked elsewhere
    details = metadata.get("details")
    fingerprint = details.get("corpus_fingerprint") if isinstance(details, dict) else None
    is_network = metadata.get("model") is not None
    if is_network or fingerprint not in (None, data.fingerprint):
        what = "has a network" if is_network else "is of another text or tokenizer"
        raise ConfigError(
            f"{path} {what}, so it is not overwritten; name another file, or replace it with "
            f"{setting('overwrite', True)}"
        )
