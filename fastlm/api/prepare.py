"""``fastlm.prepare``: text of any size to a token store, ahead of training."""

from __future__ import annotations

from collections.abc import Iterable
from os import PathLike
from typing import TypedDict, Unpack

from fastlm.callbacks import Callbacks, as_callbacks
from fastlm.checks import check_known
from fastlm.data.prepare import prepare as write_corpus
from fastlm.data.token_store import TokenStore
from fastlm.display.choice import shown_progress
from fastlm.text.given import paths_or_texts
from fastlm.tokenizers import Tokenizer
from fastlm.types import CorpusSource, Documents

__all__ = ["PrepareOptions", "prepare"]


class PrepareOptions(TypedDict, total=False):
    """The options of ``fastlm.prepare``, which explains them."""

    tokenizer: str | Tokenizer | None
    vocab: str | PathLike[str] | None
    min_count: int | None
    max_vocab: int | None
    documents: Documents
    valid: float | None
    encoding: str
    errors: str
    field: str | None
    skip_bad: bool
    threads: int | None


def prepare(
    corpus: CorpusSource | Iterable[str],
    path: str | PathLike[str],
    *,
    texts: str | Iterable[str] | None = None,
    callbacks: Callbacks = (),
    progress: bool | None = None,
    **options: Unpack[PrepareOptions],
) -> TokenStore:
    """Turn text of any size into a token store, in constant memory.

    Parameters
    ----------
    corpus : path, sequence of paths, text, or None
        As for ``fastlm.train``, but no store.
    path : path
        The store to write. A store of that name is replaced when the new one is complete.
    texts : str or iterable of str, optional
        Text itself, in place of files; each is one text, as a file is.
    callbacks : Callback, or several of them
        Their ``on_prepare`` is told how it goes.
    progress : bool, optional
        Whether to show how it goes; see ``fastlm.train``.
    tokenizer, vocab, min_count, max_vocab, documents
        As for ``fastlm.train``.
    valid : float, optional
        The fraction to hold out from the end; 0: none. None: 5 %, or nothing from less than
        10,000 characters. The vocabulary is counted on the rest.
    encoding, errors, field, skip_bad
        See ``fastlm.text.decoding.Reading``.
    threads : int, optional
        None: FASTLM_THREADS, or the processors this process may use. The result is the same.

    Returns
    -------
    TokenStore
        Open for reading.

    Raises
    ------
    CorpusError, TokenizerError, ConfigError
        For text, a vocabulary or a setting that cannot be used.
    StoreError
        When the store cannot be written; the incomplete file is removed.
    """
    check_known(
        options,
        PrepareOptions.__annotations__,
        others=("texts", "callbacks", "progress"),
        where="help(fastlm.prepare)",
    )
    if texts is None:
        corpus, texts = paths_or_texts(corpus)
    with shown_progress(progress) as shown:
        listeners = [*shown, *as_callbacks(callbacks)]
        return write_corpus(corpus, path, texts=texts, callbacks=listeners, **options)  # type: ignore[arg-type]
