"""``fastlm.prepare``: text of any size to a token store, ahead of training.

A scan (``fastlm.data.scan``) reads everything once: what cannot be read is known before any work is
done, and so is where the validation part begins. Then symbols are counted for the vocabulary, and
the text is encoded (``fastlm.data.encode``). Memory holds a few blocks for each thread, the
vocabulary and its counts; it does not grow with the text.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import closing
from os import PathLike
from pathlib import Path
from typing import Any

from fastlm.callbacks import Callback
from fastlm.data.encode import EncodingJob, corpus_tokenizer, encode_corpus, scan_counter
from fastlm.data.permissions import store_mode
from fastlm.data.progress import ProgressReporter
from fastlm.data.scan import scan_corpus
from fastlm.data.split import check_fraction
from fastlm.data.token_store import StoreWriter, TokenStore, is_store
from fastlm.errors import CorpusError, StoreError
from fastlm.system.atomic_file import remove_stale
from fastlm.system.resources import thread_count
from fastlm.text.decoding import Reading
from fastlm.text.documents import check_documents
from fastlm.text.paths import inputs_of
from fastlm.tokenizers import Tokenizer
from fastlm.tokenizers.spec import TokenizerSpec
from fastlm.types import CorpusSource, Documents, FilePath

__all__ = ["prepare", "refuse_stores", "write_store"]


def prepare(
    corpus: CorpusSource,
    path: str | PathLike[str],
    *,
    texts: str | Iterable[str] | None = None,
    tokenizer: str | Tokenizer | None = None,
    vocab: str | PathLike[str] | None = None,
    min_count: int | None = None,
    max_vocab: int | None = None,
    documents: Documents = "file",
    valid: float | None = None,
    encoding: str = "utf-8",
    errors: str = "strict",
    field: str | None = None,
    skip_bad: bool = False,
    threads: int | None = None,
    callbacks: Sequence[Callback] = (),
) -> TokenStore:
    """Turn text of any size into a token store; ``fastlm.prepare`` with a str as a path.

    Parameters
    ----------
    corpus : path, sequence of paths, or None
        Files, folders, patterns, "-" for standard input; plain, .gz, .zst, .jsonl. None: the
        documentation text that every Python ships.
    path : path
        The store to write. A store of that name is replaced when the new one is complete.
    texts : str or iterable of str, optional
        Text itself, in place of files; each is one text, as a file is.
    tokenizer, vocab, min_count, max_vocab, documents
        As for ``fastlm.train``.
    valid : float, optional
        The fraction to hold out from the end; 0: none. None: 5 %, or nothing from less than
        10,000 characters. The vocabulary is counted on the rest.
    encoding, errors, field, skip_bad
        See ``fastlm.text.decoding.Reading``.
    threads : int, optional
        None: FASTLM_THREADS, or the processors this process may use. The result is the same.
    callbacks : sequence of Callback
        Their ``on_prepare`` is told how it goes.

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
    spec = TokenizerSpec.of(tokenizer, vocab=vocab, min_count=min_count, max_vocab=max_vocab)
    check_documents(documents)
    spec = spec.for_documents(documents)
    spec.ready()  # refuses wrong settings before any work
    valid = check_fraction(valid)
    workers = thread_count(threads)
    reading = Reading(encoding=encoding, errors=errors, field=field, skip_bad=skip_bad)
    if texts is not None and corpus is not None:
        raise CorpusError("corpus and texts are both given; choose one of them")
    refuse_stores(corpus)
    folder = Path(path).resolve().parent
    if not folder.is_dir():
        raise StoreError(
            f"cannot write the token store to {path}: there is no folder {folder}; make it first "
            "or name another one"
        )
    remove_stale(path)  # now: it may take the room that the new store needs
    inputs = inputs_of(corpus, reading, texts)
    reporter = ProgressReporter(callbacks)
    counter = scan_counter(inputs, spec, documents)
    with closing(scan_corpus(inputs, folder=folder, reporter=reporter, counter=counter)) as scan:
        job = EncodingJob(scan, spec, documents, valid, workers, reporter)
        return write_store(job, path, mode=store_mode(inputs, path))


def write_store(
    job: EncodingJob, path: FilePath, settings: Any = None, *, mode: int = 0o666
) -> TokenStore:
    """Write the token store of a scanned corpus.

    Parameters
    ----------
    job : EncodingJob
    path : path
    settings : JSON value, optional
        Kept in the metadata.
    mode : int
        Permission bits that the store may have at most.

    Raises
    ------
    StoreError
        When the store cannot be written; the incomplete file is removed.
    CorpusError, TokenizerError
        See ``corpus_tokenizer`` and ``encode_corpus``.
    """
    tokenizer = corpus_tokenizer(job)
    with StoreWriter(path, tokenizer.dtype, mode) as writer:
        metadata = encode_corpus(job, tokenizer, writer.write)
        metadata["tokenizer"] = tokenizer.to_dict()
        metadata["tokenizer_fingerprint"] = tokenizer.fingerprint()
        written = writer.finish(metadata | {"settings": settings})
    return TokenStore.open(path, reporter=job.reporter, written=written)


def refuse_stores(corpus: CorpusSource) -> None:
    """Raise a StoreError if a store is among the files, which holds no text."""
    paths = [corpus] if isinstance(corpus, (str, PathLike)) else corpus or []
    for path in paths if isinstance(paths, Sequence) else []:
        if is_store(path):
            raise StoreError(
                f"{path} is a token store already; train on it, alone, or name the text it was "
                "made from"
            )
