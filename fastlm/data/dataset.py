"""What does a run train on? Ids of text in memory, of a store, or of a new store."""

from __future__ import annotations

import dataclasses
import tempfile
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from fastlm.data.cache import cache_folder, cache_path, open_cached, remove_old_stores
from fastlm.data.encode import early_counter, encode_into, tokenizer_for
from fastlm.data.prepare import refuse_stores, scan_inputs, write_store
from fastlm.data.progress import ProgressReporter
from fastlm.data.scan import CorpusScan, corpus_fingerprint, describe, format_bytes, read_documents
from fastlm.data.split import (
    TOO_LITTLE,
    VALID_FRACTION,
    check_fraction,
    split_train_valid,
    validation_cut,
)
from fastlm.data.token_store import FORMAT_VERSION, TokenStore, is_store
from fastlm.errors import ConfigError, StoreError
from fastlm.system.resources import thread_count, usable_memory
from fastlm.text.decoding import Reading
from fastlm.text.paths import inputs_of
from fastlm.text.sources import Input
from fastlm.tokenizers import Tokenizer
from fastlm.tokenizers.spec import TokenizerSpec
from fastlm.types import CorpusSource, Documents

__all__ = ["IN_MEMORY", "Dataset", "automatic_window", "build_dataset"]

# Of the memory: pages of the ids that a window is put together from have to stay in it, beside the
# model and what other processes need.
_LARGE = 1 / 2


_WINDOW = 1 / 4


def automatic_window(ids: Any) -> tuple[int | None, str]:
    """(``shuffle_window`` for these ids, why): None and "" where they fit into memory.

    Ids in memory, and those that take up to half of it, are shuffled as a whole: read in random
    order, a larger file would be brought from the disk page by page, for a token each.

    ids : uint16[T] or uint32[T], mapped (``fastlm.data.token_store``) or not
    """
    memory = usable_memory()
    if memory is None or not hasattr(ids, "ids_below") or ids.nbytes <= _LARGE * memory:
        return None, ""
    window = max(1, int(_WINDOW * memory) // ids.itemsize)
    return window, (
        f"the tokens ({format_bytes(ids.nbytes)}) take more than half of the memory "
        f"({format_bytes(memory)}): shuffled within {window:,} at a time, from all over the text"
    )


IN_MEMORY = 8_000_000
"""Bytes of text up to which it is held in memory, and no store is made."""


@dataclass(frozen=True)
class Dataset:
    """Ids, and where they come from.

    train : uint16[T] or uint32[T]; the boundary id ends each document, where there is one
    valid : likewise, to validate on; None where there is nothing
    documents : what a document is in them
    description : of the text, for people
    fingerprint : of the text that is trained on; ids of a store have another than the same text in
        memory
    """

    tokenizer: Tokenizer
    train: NDArray[Any]
    valid: NDArray[Any] | None
    documents: Documents
    description: str
    fingerprint: str


def build_dataset(
    corpus: CorpusSource,
    choice: TokenizerSpec,
    *,
    texts: Iterable[str] | None = None,
    valid: CorpusSource | float = None,
    documents: Documents | None = None,
    reading: Reading | None = None,
    cache: bool = True,
    threads: int | None = None,
    reporter: ProgressReporter | None = None,
) -> Dataset:
    """Return what ``fastlm.train`` trains on; its arguments are explained there.

    Text of up to 8 MB is encoded in memory. For more, a store is made in the cache folder, and
    used again as long as text and settings are the same; without ``cache`` the ids are in memory.

    Raises
    ------
    CorpusError, TokenizerError, ConfigError
        For text, a vocabulary or a setting that cannot be used.
    StoreError
        For a store that cannot be used, or cannot be written.
    """
    if texts is not None and corpus is not None:
        raise ConfigError("corpus and texts are both given; choose one of them")
    reading = Reading() if reading is None else reading
    reporter = ProgressReporter() if reporter is None else reporter
    store = corpus_store(corpus)
    if store is not None:
        tokens = _of_store(store, choice, valid, documents, reading)
    else:
        choice.ready()  # says what is wrong, before any work
        tokens = _of_text(
            inputs_of(corpus, reading, texts),
            choice,
            valid if valid is None or isinstance(valid, int | float) else 0,
            documents or "file",
            _Making(reading, cache, thread_count(threads), reporter),
        )
    if valid is None or isinstance(valid, int | float):
        return tokens
    return _with_valid(tokens, valid, _Making(reading, cache, thread_count(threads), reporter))


def corpus_store(corpus: CorpusSource) -> TokenStore | None:
    """The store that a corpus is; None where it is text.

    Raises a StoreError for a store among other files.
    """
    named = [corpus] if isinstance(corpus, (str, PathLike)) else corpus
    if isinstance(named, Sequence) and len(named) == 1 and is_store(named[0]):
        return TokenStore.open(cast(Any, named[0]))
    refuse_stores(corpus)
    return None


@dataclass(frozen=True)
class _Making:
    """How stores are made."""

    reading: Reading
    cache: bool
    threads: int
    reporter: ProgressReporter


# ---------------------------------------------------------------------------- text


def _of_text(
    inputs: list[Input],
    choice: TokenizerSpec,
    fraction: float | None,
    documents: Documents,
    making: _Making,
) -> Dataset:
    settings = _settings(choice, fraction, documents, making.reading)
    large = sum(source.size or 0 for source in inputs) > IN_MEMORY
    known = all(source.rereadable and source.size is not None for source in inputs)
    if making.cache and large and known:
        # The files' names, sizes and times say whether it is there, without reading them.
        settings["sources"] = [source.identity() for source in inputs]
        store = open_cached(cache_path(settings), settings)
        if store is not None:
            return _whole_store(store)
    folder = cache_folder() if making.cache and cache_folder().is_dir() else None
    folder = Path(tempfile.gettempdir()) if folder is None else folder
    counter = early_counter(inputs, choice, documents) if large else None
    with scan_inputs(inputs, folder, making.reporter, keep=IN_MEMORY, counter=counter) as found:
        if found.kept is not None:
            return _in_memory(found, choice, fraction, documents)
        if not making.cache:
            return _encoded(found, choice, fraction, documents, making)
        if "sources" not in settings:
            settings["text_sha256"] = found.digest
        path = cache_path(settings)
        store = open_cached(path, settings) if "text_sha256" in settings else None
        if store is None:
            try:
                store = write_store(
                    found, path, choice, documents=documents, valid=fraction,
                    threads=making.threads, reporter=making.reporter, settings=settings,
                )  # fmt: skip
            except StoreError as error:
                raise StoreError(
                    f"{error}, set FASTLM_CACHE to another folder, or use --no-cache"
                ) from None
            remove_old_stores(path)
    return _whole_store(store)


def _settings(
    choice: TokenizerSpec, fraction: float | None, documents: str, reading: Reading
) -> dict[str, Any]:
    """What decides the content of a store, beside the text."""
    return {
        "format": FORMAT_VERSION,
        # Which characters are letters, and what is their lower case.
        "unicode": unicodedata.unidata_version,
        "tokenizer": choice.settings(),
        "documents": documents,
        "valid_fraction": fraction,
        "reading": dataclasses.asdict(reading),
    }


def _in_memory(
    found: CorpusScan, choice: TokenizerSpec, fraction: float | None, documents: Documents
) -> Dataset:
    train = read_documents(found, documents)
    valid: list[str] = []
    description = _with_notes(describe(found), found)
    if fraction is None and _too_little(train, documents):
        description += ", too short to hold out a validation part"
    elif fraction != 0:
        fraction = VALID_FRACTION if fraction is None else fraction
        train, valid = split_train_valid(train, fraction, documents)
        description += f", the last {fraction:.3g} for validation"
    tokenizer = choice.from_texts(train)
    return Dataset(
        tokenizer,
        tokenizer.encode_documents(train),
        tokenizer.encode_documents(valid) if valid else None,
        documents,
        description,
        corpus_fingerprint(train),
    )


def _too_little(documents: list[str], mode: str) -> bool:
    """Whether 5 % would say nothing, or cannot be cut off at all."""
    if mode != "file" and len(documents) < 2 / VALID_FRACTION:
        return True
    return sum(map(len, documents)) < TOO_LITTLE


def _encoded(
    found: CorpusScan,
    choice: TokenizerSpec,
    fraction: float | None,
    documents: Documents,
    making: _Making,
) -> Dataset:
    """The ids of a text of any size, in memory."""
    cut = validation_cut(found, fraction, documents)
    tokenizer, ids, facts = _ids_in_memory(found, choice, documents, cut, making)
    train = facts["train"]["tokens"]
    return Dataset(
        tokenizer,
        ids[:train],
        ids[train:] if train < ids.size else None,
        documents,
        _with_notes(describe(found), found),
        f"{found.digest}:{cut}",
    )


def _with_notes(description: str, found: CorpusScan) -> str:
    return "; ".join([description, *found.notes])


# ---------------------------------------------------------------------------- stores


def _whole_store(store: TokenStore) -> Dataset:
    """A store with its own validation part."""
    valid = store.valid_ids
    description = store.metadata["description"]
    if valid.size:
        description += f", the last {store.metadata['valid_fraction']:.3g} for validation"
    return _parts(store, store.train_ids, valid if valid.size else None, description)


def _of_store(
    store: TokenStore,
    choice: TokenizerSpec,
    valid: CorpusSource | float,
    documents: Documents | None,
    reading: Reading,
) -> Dataset:
    store.require(tokenizer=choice.given or choice.asked_for, documents=documents)
    for name, given, default in (
        ("vocab", choice.vocab, None),
        ("min_count", choice.min_count, 1),
        ("max_vocab", choice.max_vocab, None),
        ("encoding", reading.encoding, "utf-8"),
        ("field", reading.field, None),
    ):
        if given != default:
            raise StoreError(
                f"{name} {given} has no effect on {store.path}, which holds tokens, not text; "
                "leave it out, or prepare the text again"
            )
    own = store.metadata["valid_fraction"]
    description = f"{store.path.name}: {store.metadata['description']}"
    if valid is not None and not isinstance(valid, int | float):
        return _parts(store, store.ids, None, description)
    if valid is not None and valid != 0:
        check_fraction(valid)
    if store.valid_ids.size and (valid is None or valid == own):
        tokens = _whole_store(store)
        return dataclasses.replace(tokens, description=f"{store.path.name}: {tokens.description}")
    fraction = VALID_FRACTION if valid is None else valid
    characters = sum(store.metadata[part]["characters"] for part in ("train", "valid"))
    if fraction == 0 or (valid is None and characters < TOO_LITTLE):
        return _parts(store, store.ids, None, description)
    cut = _token_cut(store, fraction)
    if cut is None:
        if valid is None:
            return _parts(store, store.ids, None, description)
        raise StoreError(
            f"{store.path} has too few tokens ({store.count:,}) or documents to hold out "
            f"{fraction:g} of it for validation; use another fraction, or name a validation file"
        )
    return _parts(
        store,
        store.ids[:cut],
        store.ids[cut:],
        f"{description}, the last {fraction:.3g} for validation",
    )


def _parts(
    store: TokenStore, train: NDArray[Any], valid: NDArray[Any] | None, description: str
) -> Dataset:
    fingerprint = f"{store.metadata['text_sha256']}:{train.size}"
    return Dataset(
        store.tokenizer, train, valid, cast(Documents, store.documents), description, fingerprint
    )


def _token_cut(store: TokenStore, fraction: float) -> int | None:
    """Where to cut the ids: behind the end of a document, else, where documents are files, behind a
    line end, else anywhere; looked for in half of what is to be held out."""
    tokenizer = store.tokenizer
    at = round(store.count * (1 - fraction))
    ends = {tokenizer.boundary_id}
    if store.documents == "file":
        ends.add(tokenizer.id_of("\n") if tokenizer.kind == "char" else None)
        ends.add(tokenizer.id_of("<0x0A>") if tokenizer.kind == "byte" else None)
    window = store.ids[max(at - 1, 0) : at + (store.count - at) // 2]
    places = np.flatnonzero(np.isin(window, [id for id in ends if id is not None]))
    if places.size:
        cut = max(at - 1, 0) + int(places[0]) + 1
    elif store.documents == "file" or tokenizer.boundary_id is None:
        cut = at
    else:
        return None
    return cut if 0 < cut < store.count else None


# ---------------------------------------------------------------------------- validation files


def _with_valid(tokens: Dataset, valid: Any, making: _Making) -> Dataset:
    store = corpus_store(valid)
    if store is not None:
        store.require(tokenizer=tokens.tokenizer, documents=tokens.documents)
        ids: NDArray[Any] = store.ids
        name = f"{store.path.name}: {store.metadata['description']}"
    else:
        inputs = inputs_of(valid, making.reading)
        with scan_inputs(inputs, None, making.reporter, keep=IN_MEMORY) as found:
            name = _with_notes(describe(found), found)
            if found.kept is not None:
                ids = tokens.tokenizer.encode_documents(read_documents(found, tokens.documents))
            else:
                choice = TokenizerSpec.of(tokens.tokenizer)
                _, ids, _ = _ids_in_memory(found, choice, tokens.documents, None, making)
    return dataclasses.replace(
        tokens, valid=ids, description=f"{tokens.description}, validation: {name}"
    )


def _ids_in_memory(
    found: CorpusScan,
    choice: TokenizerSpec,
    documents: Documents,
    cut: int | None,
    making: _Making,
) -> tuple[Tokenizer, NDArray[Any], dict[str, Any]]:
    parts: list[NDArray[Any]] = []
    tokenizer = tokenizer_for(
        found, choice, documents, cut=cut, threads=making.threads, reporter=making.reporter
    )
    facts = encode_into(
        parts.append, found, tokenizer, documents, cut=cut, threads=making.threads,
        reporter=making.reporter,
    )  # fmt: skip
    return tokenizer, np.concatenate(parts), facts
