"""From text of any size to token ids: two passes over the text, in blocks, on all processors.

The first pass counts symbols for the vocabulary, the second encodes. Before them a survey
(``fastlm.data.scan``) reads everything once: what cannot be read is known before any work is done,
and so is where the validation part begins. Characters it counts itself, in place of the first pass.
Memory holds a few blocks for each worker, the vocabulary and its counts; it does not grow with the
text. Neither the sizes of the blocks nor the number of workers change what comes out.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO

from fastlm.callbacks import Callback
from fastlm.data.encode import _BLOCK, early_counter, encode_into, tokenizer_for
from fastlm.data.progress import ProgressReporter
from fastlm.data.scan import CorpusScan, scan_corpus
from fastlm.data.split import _fraction, check_fraction, validation_cut
from fastlm.data.token_store import StoreWriter, TokenStore, is_store
from fastlm.errors import CorpusError, StoreError
from fastlm.system.resources import thread_count
from fastlm.text.decoding import Reading
from fastlm.text.documents import check_documents
from fastlm.text.paths import inputs_of
from fastlm.text.sources import Input
from fastlm.tokenizers import Tokenizer
from fastlm.tokenizers.blocks import SymbolCounter
from fastlm.tokenizers.spec import TokenizerSpec
from fastlm.types import CorpusSource, Documents

__all__ = ["prepare", "refuse_stores", "scan_inputs", "write_store"]


def prepare(
    corpus: CorpusSource,
    path: str | PathLike[str],
    *,
    texts: Iterable[str] | None = None,
    tokenizer: str | Tokenizer | None = None,
    vocab: str | PathLike[str] | None = None,
    min_count: int = 1,
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
    """Turn text of any size into a token store, in constant memory.

    Parameters
    ----------
    corpus : path, sequence of paths, or None
        Files, folders, patterns, "-" for standard input; plain, .gz, .zst, .jsonl. None: the
        documentation text that every Python ships.
    path : path
        The store to write; a store that is there is replaced when the new one is complete.
    texts : iterable of str, optional
        Text itself, in place of files; each is a text as a file is.
    tokenizer, vocab, min_count, max_vocab, documents
        As for ``fastlm.train``.
    valid : float, optional
        The share to hold out from the end; 0: none. None: 5 %, or nothing from less than 10,000
        characters. The vocabulary is counted on the rest.
    encoding, errors, field, skip_bad
        See ``fastlm.text.decoding.Reading``.
    threads : int, optional
        None: FASTLM_THREADS, or the processors this process may use. The result is the same.
    callbacks : sequence of Callback
        Their ``on_prepare`` is told how it goes.

    Raises
    ------
    CorpusError, TokenizerError, ConfigError
        For text, a vocabulary or a setting that cannot be used.
    StoreError
        When the store cannot be written; what is incomplete is removed.
    """
    choice = TokenizerSpec.of(tokenizer, vocab=vocab, min_count=min_count, max_vocab=max_vocab)
    choice.ready()  # says what is wrong, before any work
    _check_settings(documents, valid)
    reading = Reading(encoding=encoding, errors=errors, field=field, skip_bad=skip_bad)
    if texts is not None and corpus is not None:
        raise CorpusError("corpus and texts are both given; choose one of them")
    refuse_stores(corpus)
    reporter = ProgressReporter(callbacks)
    folder = Path(path).resolve().parent
    if not folder.is_dir():
        raise StoreError(
            f"cannot write the token store to {path}: there is no folder {folder}; make it first "
            "or name another one"
        )
    inputs = inputs_of(corpus, reading, texts)
    counter = early_counter(inputs, choice, documents)
    with scan_inputs(inputs, folder, reporter, keep=0, counter=counter) as found:
        return write_store(
            found,
            path,
            choice,
            documents=documents,
            valid=valid,
            threads=threads,
            reporter=reporter,
        )


def write_store(
    found: CorpusScan,
    path: str | PathLike[str],
    choice: TokenizerSpec,
    *,
    documents: Documents,
    valid: float | None,
    threads: int | None,
    reporter: ProgressReporter,
    settings: Any = None,
    block: int = _BLOCK,
) -> TokenStore:
    """Write the store of a corpus that is surveyed; see ``prepare``.

    settings : kept in the metadata
    block : bytes; changes nothing but speed and memory
    """
    workers = thread_count(threads)
    cut = validation_cut(found, valid, documents)
    tokenizer = tokenizer_for(
        found, choice, documents, cut=cut, threads=workers, reporter=reporter, block=block
    )
    with StoreWriter(path, tokenizer.dtype) as writer:
        facts = encode_into(
            writer.write, found, tokenizer, documents, cut=cut, threads=workers, reporter=reporter,
            block=block,
        )  # fmt: skip
        writer.finish(
            {
                **facts,
                "valid_fraction": _fraction(found, valid) if cut is not None else None,
                "settings": settings,
            }
        )
    return TokenStore.open(path, check=False)


# ---------------------------------------------------------------------------- before the work


def _check_settings(documents: str, valid: float | None) -> None:
    check_documents(documents)
    if valid is not None and valid != 0:
        check_fraction(valid)


def refuse_stores(corpus: CorpusSource) -> None:
    """Raise a StoreError if a store is among the files: there is no text in it."""
    paths = [corpus] if isinstance(corpus, (str, PathLike)) else corpus or []
    for path in paths if isinstance(paths, Sequence) else []:
        if is_store(path):
            raise StoreError(
                f"{path} is a token store already; train on it, alone, or name the text it was "
                "made from"
            )


@contextmanager
def scan_inputs(
    inputs: Sequence[Input],
    folder: Path | None,
    reporter: ProgressReporter,
    *,
    keep: int | None,
    counter: SymbolCounter | None = None,
) -> Iterator[CorpusScan]:
    """A survey with copies, in ``folder``, of what can be read only once."""

    def spool() -> BinaryIO:
        return tempfile.TemporaryFile(dir=folder, prefix="fastlm-")

    with reporter.phase("reading", None) as report:
        try:
            found = scan_corpus(inputs, keep=keep, spool=spool, report=report.at, counter=counter)
            report.notes = tuple(found.notes)
        except OSError as error:
            raise StoreError(
                f"cannot keep a copy of the text in {folder}: {error.strerror or error}; free "
                "some space, or write the text to a file and name that"
            ) from None
    try:
        yield found
    finally:
        found.close()
