"""``fastlm.mix``: models with the same tokenizer as one, weighed on held-out text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import reduce

from fastlm.api.arpa import is_arpa, load_counts
from fastlm.api.counting import fit_mixture
from fastlm.api.language_model import LanguageModel
from fastlm.counts.backoff_model import BackoffModel
from fastlm.data.dataset import build_dataset
from fastlm.errors import ConfigError
from fastlm.model.remembered import Remembered
from fastlm.model.seen import Seen
from fastlm.text.decoding import Reading
from fastlm.tokenizers.spec import TokenizerSpec
from fastlm.types import CorpusSource, FilePath
from fastlm.wording import setting

__all__ = ["mix"]

_MOST_MEMBERS = 16


def mix(
    models: Sequence[FilePath | LanguageModel],
    valid: CorpusSource = None,
    *,
    texts: Iterable[str] | None = None,
    reading: Reading | None = None,
    threads: int | None = None,
) -> LanguageModel:
    """Mix models: p = sum of w[k] p[k], with weights by the class of the context.

    The weights are fitted on text that none of the models was trained on. A mixture among the
    models gives its members, not its weights.

    Parameters
    ----------
    models : sequence of path or LanguageModel
        Two or more, with the same tokenizer and the same documents. Where several have counts, they
        must be of one text, and the largest are taken, as some may be pruned to a size. An
        ARPA file (``.arpa``, ``.arpa.gz``) has the tokenizer and the documents of the first model.
    valid : path or sequence of paths, optional
        The text to weigh them on, or a token store.
    texts : iterable of str, optional
        That text itself, in place of files.
    reading : Reading, optional
        How files are read.
    threads : int, optional

    Returns
    -------
    LanguageModel
        Its ``details`` have ``valid_loss``, in nats per token: each half of the text is measured
        with weights fitted on the other. ``member_valid_losses`` are those of the members.

    Raises
    ------
    ConfigError
        For models that do not go together, and for text without a token to predict.
    ModelFileError
        For a file that is no model.
    CorpusError, TokenizerError, StoreError
        For text that cannot be used.
    """
    if isinstance(models, str) or not isinstance(models, Sequence) or len(models) < 2:
        raise ConfigError("a mixture is of two or more models; give a list of them")
    if valid is None and texts is None:
        raise ConfigError("a mixture is weighed on held-out text; give valid or texts")
    first = models[0] if isinstance(models[0], LanguageModel) else LanguageModel.load(models[0])
    read = [first, *(_read(model, first) for model in models[1:])]
    for number, model in enumerate(read[1:], start=2):
        _check_pair(first, model, number)
    parts = [model.text_model for model in read]
    networks = [network for part in parts for network in part.networks]
    counts = _counts_of([model.counts for model in read if model.counts is not None])
    members = len(networks) + (counts is not None)
    if members > _MOST_MEMBERS:
        raise ConfigError(f"the models have {members} members; mix at most {_MOST_MEMBERS}")
    together = replace(parts[0], networks=tuple(networks), counts=None, weights=None)
    if counts is not None:
        together = together.with_counts(counts)
    data = build_dataset(
        valid,
        TokenizerSpec.of(first.tokenizer),
        texts=texts,
        valid=0,
        documents=first.documents,
        reading=reading,
        cache=False,
        threads=threads,
    )
    fit = fit_mixture(together, data.train, threads)
    others = [(network.config, network.params) for network in networks]
    config, params = others.pop(0) if others else (None, None)
    return LanguageModel(
        config,
        params,
        first.tokenizer,
        documents=first.documents,
        training=first.training,
        seen=reduce(Seen.with_more, (model.seen for model in read)),
        details={
            "corpus": " + ".join(dict.fromkeys(filter(None, map(_corpus, read)))),
            "valid_loss": fit.loss,
            "member_valid_losses": list(fit.losses),
        },
        counts=counts,
        weights=fit.weights,
        others=others,
        remembered=_remembered(read),
    )


def _counts_of(counts: list[BackoffModel]) -> BackoffModel | None:
    """Return the counts of a mixture: the largest, of which the others are parts."""
    texts = {
        (each.order, each.metadata.get("tokens"), str(each.metadata.get("discounts")))
        for each in counts
    }
    if len(texts) > 1:
        raise ConfigError(
            f"{len(counts)} of the models have counts, of different texts or orders, and a mixture "
            f"has those of one; train the others with {setting('counts', 'none')}"
        )
    return max(counts, key=lambda each: sum(each.counts), default=None)


def _remembered(models: Sequence[LanguageModel]) -> Remembered | None:
    """Return the lines of all models; None where one of them has not remembered its own."""
    lines = [model.remembered for model in models if model.remembered is not None]
    return reduce(Remembered.with_more, lines) if len(lines) == len(models) else None


def _read(model: FilePath | LanguageModel, first: LanguageModel) -> LanguageModel:
    """Return a model; an ARPA file's tokens are those of the first model."""
    if isinstance(model, LanguageModel):
        return model
    if not is_arpa(model):
        return LanguageModel.load(model)
    counts = load_counts(model, first.tokenizer)
    return LanguageModel(None, None, first.tokenizer, documents=first.documents, counts=counts)


def _corpus(model: LanguageModel) -> str:
    return model.corpus_description


def _check_pair(first: LanguageModel, model: LanguageModel, number: int) -> None:
    if model.tokenizer != first.tokenizer:
        raise ConfigError(
            f"model {number} has the tokenizer {model.tokenizer.description}, the first "
            f"{first.tokenizer.description}; mix models of one vocabulary"
        )
    if model.documents != first.documents:
        raise ConfigError(
            f"the documents of model {number} are {model.documents!r}, those of the first "
            f"{first.documents!r}; train both alike"
        )
