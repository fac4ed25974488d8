"""The dataset of a run: ids of text in memory, of a given token store, or of a cached one."""

from __future__ import annotations

import dataclasses
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from os import PathLike
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from fastlm.checks import is_number
from fastlm.data.cache import cache_path, open_cached, remove_old_stores
from fastlm.data.cache_folder import PRIVATE_FILE, spool_folder
from fastlm.data.encode import EncodingJob, corpus_tokenizer, encode_corpus, scan_counter
from fastlm.data.prepare import refuse_stores, write_store
from fastlm.data.progress import ProgressReporter
from fastlm.data.scan import IN_MEMORY, scan_corpus
from fastlm.data.split import MIN_CHARACTERS, VALID_FRACTION, check_fraction
from fastlm.data.token_store import TokenStore, is_store
from fastlm.data.token_store_format import FORMAT_VERSION
from fastlm.errors import ConfigError, StoreError
from fastlm.system.resources import thread_count
from fastlm.text.decoding import Reading
from fastlm.text.documents import check_documents, is_one_document
from fastlm.text.paths import inputs_of
from fastlm.text.sources import Input, TextsInput
from fastlm.tokenizers import Tokenizer
from fastlm.tokenizers.spec import TokenizerSpec
from fastlm.types import CorpusSource, Documents
from fastlm.wording import setting

__all__ = [
    "Dataset",
    "build_dataset",
    "check_no_reading",
    "corpus_store",
    "dataset_from_texts",
]


@dataclass(frozen=True)
class Dataset:
    """Ids to train and validate on, and where they come from.

    tokenizer : Tokenizer
    train : uint16[T] or uint32[T]; the boundary token ends each document, where there is one
    valid : likewise, to validate on; None where there is nothing
    documents : what a document is in them
    description : of the text, for people
    fingerprint : SHA-256 (hex) of the text, a colon, and the number of training tokens
    has_records : whether inputs hold several texts each: JSON lines, rows, texts in memory
    """

    tokenizer: Tokenizer
    train: NDArray[Any]
    valid: NDArray[Any] | None
    documents: Documents
    description: str
    fingerprint: str
    has_records: bool = False


@dataclass(frozen=True)
class _Options:
    """How text is read and encoded; see ``build_dataset``."""

    spec: TokenizerSpec
    documents: Documents
    reading: Reading = dataclasses.field(default_factory=Reading)
    cache: bool = False
    threads: int = 1
    reporter: ProgressReporter = dataclasses.field(default_factory=ProgressReporter)


def build_dataset(
    corpus: CorpusSource,
    spec: TokenizerSpec,
    *,
    texts: str | Iterable[str] | None = None,
    valid: CorpusSource | float = None,
    valid_texts: str | Iterable[str] | None = None,
    documents: Documents | None = None,
    reading: Reading | None = None,
    cache: bool = True,
    threads: int | None = None,
    reporter: ProgressReporter | None = None,
) -> Dataset:
    """Return what a run trains on.

    Text of up to 8 MB is encoded in memory. For more, a store is made in the cache folder, and
    used again as long as text and settings are the same; without ``cache`` the ids are in memory.

    Parameters
    ----------
    corpus, texts, valid, valid_texts, documents, cache
        See ``fastlm.train``; here a str of ``corpus`` or ``valid`` is a path.
    spec : TokenizerSpec
    reading : Reading, optional
        How files are read.
    threads : int, optional
        See ``fastlm.prepare``.
    reporter : ProgressReporter, optional

    Raises
    ------
    CorpusError, TokenizerError, ConfigError
        For text, a vocabulary or a setting that cannot be used.
    StoreError
        For a store that cannot be used, or cannot be written.
    """
    if texts is not None and corpus is not None:
        raise ConfigError("corpus and texts are both given; choose one of them")
    options = _Options(
        spec.for_documents(documents or "file"),
        documents or "file",
        Reading() if reading is None else reading,
        cache,
        thread_count(threads),
        ProgressReporter() if reporter is None else reporter,
    )
    if valid_texts is not None and valid is not None:
        raise ConfigError("valid and valid_texts are both given; choose one of them")
    is_split = valid_texts is None and (valid is None or is_number(valid))
    held_out = check_fraction(cast("float | None", valid) if is_split else 0)
    store = corpus_store(corpus, options.reporter)
    if store is not None:
        _check_store_options(store, options, documents)
        if is_split:  # else validation text is read so
            check_no_reading(store, options.reading)
        dataset = _of_store(store, held_out)
    else:
        spec.ready()  # refuses wrong settings before any work
        check_documents(options.documents)
        dataset = _of_text(inputs_of(corpus, options.reading, texts), held_out, options)
    return dataset if is_split else _with_valid(dataset, valid, valid_texts, options)


def dataset_from_texts(
    texts: Iterable[str],
    tokenizer: Tokenizer,
    *,
    documents: Documents = "file",
    valid: float | None = 0,
    threads: int | None = None,
) -> Dataset:
    """Encode texts with a tokenizer; the ids are in memory.

    Parameters
    ----------
    texts : iterable of str
        Read once. More than 8 MB is copied to a temporary file if it cannot be read again.
    tokenizer : Tokenizer
    documents : {"file", "paragraphs", "lines", "stream"}
    valid : float, optional
        The fraction to hold out from the end; 0: none. None: see ``fastlm.prepare``.
    threads : int, optional
        See ``fastlm.prepare``.

    Raises
    ------
    CorpusError, TokenizerError
        For texts or a fraction that cannot be used.
    """
    check_documents(documents)
    valid = check_fraction(valid)
    spec = TokenizerSpec.of(tokenizer).for_documents(documents)
    return _of_text(
        [TextsInput(texts)], valid, _Options(spec, documents, threads=thread_count(threads))
    )


def corpus_store(
    corpus: CorpusSource, reporter: ProgressReporter | None = None
) -> TokenStore | None:
    """Return the store that a corpus is; None where it is text.

    Parameters
    ----------
    corpus : path, sequence of paths, or None
    reporter : ProgressReporter, optional
        Told while a store is read to be checked.

    Raises
    ------
    StoreError
        For a store among other files, and one that cannot be read.
    """
    paths = [corpus] if isinstance(corpus, (str, PathLike)) else corpus
    if isinstance(paths, Sequence) and len(paths) == 1 and is_store(paths[0]):
        return TokenStore.open(cast(Any, paths[0]), reporter=reporter)
    refuse_stores(corpus)
    return None


# ---------------------------------------------------------------------------- text


def _of_text(inputs: list[Input], valid: float | None, options: _Options) -> Dataset:
    settings = _store_settings(valid, options) if options.cache else {}
    large = sum(source.size or 0 for source in inputs) > IN_MEMORY
    if options.cache and large and all(one.rereadable and one.size is not None for one in inputs):
        # Names, sizes and times of the files say whether their store is there, without reading.
        settings["sources"] = [source.identity() for source in inputs]
        store = open_cached(cache_path(settings), settings, options.reporter)
        if store is not None:
            return _of_own_split(store, valid)
    folder = spool_folder() if options.cache else None
    counter = scan_counter(inputs, options.spec, options.documents)
    found = scan_corpus(
        inputs, keep=IN_MEMORY, folder=folder, reporter=options.reporter, counter=counter
    )
    with closing(found) as scan:
        job = EncodingJob(
            scan, options.spec, options.documents, valid, options.threads, options.reporter
        )
        if not options.cache or scan.bytes <= IN_MEMORY:
            return _in_memory(job)
        if "sources" not in settings:
            settings["text_sha256"] = scan.digest
        path = cache_path(settings)
        store = None
        if "text_sha256" in settings:
            store = open_cached(path, settings, options.reporter)
        if store is None:
            try:
                store = write_store(job, path, settings, mode=PRIVATE_FILE)
            except StoreError as error:
                raise StoreError(
                    f"{error}, set FASTLM_CACHE to another folder, or use {setting('cache', False)}"
                ) from None
            remove_old_stores(path)
    return _of_own_split(store, valid)


def _store_settings(valid: float | None, options: _Options) -> dict[str, Any]:
    """Return what decides the content of a store, beside the text."""
    return {
        "format": FORMAT_VERSION,
        # Says which characters are letters, and what their lower case is.
        "unicode": unicodedata.unidata_version,
        "tokenizer": options.spec.settings(),
        # Stores of words hold what was learned of spaces, but for those of older versions.
        **({"spacing": True} if options.spec.kind == "word" else {}),
        "documents": options.documents,
        "valid_fraction": valid,
        "reading": dataclasses.asdict(options.reading),
    }


def _in_memory(job: EncodingJob) -> Dataset:
    tokenizer = corpus_tokenizer(job)
    blocks: list[NDArray[Any]] = []
    metadata = encode_corpus(job, tokenizer, blocks.append)
    ids, n_train = np.concatenate(blocks), metadata["train"]["tokens"]
    note = _split_note(metadata, job.valid)
    return _dataset(tokenizer, metadata, ids[:n_train], ids[n_train:], note)


def _split_note(metadata: Mapping[str, Any], valid: float | None) -> str:
    """Return what the description says of the validation part that ``valid`` asked for."""
    fraction = metadata["valid_fraction"]
    if fraction is not None:
        return f", the last {fraction:.3g} for validation"
    return ", too short to hold out a validation part" if valid is None else ""


def _dataset(
    tokenizer: Tokenizer,
    metadata: Mapping[str, Any],
    train: NDArray[Any],
    valid: NDArray[Any] | None,
    note: str = "",
) -> Dataset:
    """Return a dataset; ``metadata`` is that of a store, ``note`` is added to the description."""
    return Dataset(
        tokenizer,
        train,
        valid if valid is not None and valid.size else None,
        metadata["documents"],
        metadata["description"] + note,
        f"{metadata['text_sha256']}:{train.size}",
        metadata["train"]["documents"] > len(metadata["sources"]),
    )


def _with_valid(
    dataset: Dataset, valid: Any, texts: str | Iterable[str] | None, options: _Options
) -> Dataset:
    """Return the dataset with validation files, texts or a store in place of a held-out part."""
    store = None if valid is None else corpus_store(valid, options.reporter)
    if store is not None:
        store.require(tokenizer=dataset.tokenizer, documents=dataset.documents)
        ids: NDArray[Any] = store.ids
        name = f"{store.path.name}: {store.metadata['description']}"
    else:
        spec = TokenizerSpec.of(dataset.tokenizer)
        options = dataclasses.replace(options, spec=spec, documents=dataset.documents, cache=False)
        reading = Reading() if valid is None else options.reading
        other = _of_text(inputs_of(valid, reading, texts), 0, options)
        ids, name = other.train, other.description
    return dataclasses.replace(
        dataset, valid=ids, description=f"{dataset.description}, validation: {name}"
    )


# ---------------------------------------------------------------------------- stores


def _check_store_options(store: TokenStore, options: _Options, documents: Documents | None) -> None:
    """Raise a StoreError for what a store was not made with."""
    spec = options.spec
    store.require(tokenizer=spec.given or spec.asked_for, documents=documents)
    for name, given, default in (
        ("vocab", spec.vocab, None),
        ("min_count", spec.min_count, 1),
        ("max_vocab", spec.max_vocab, None),
    ):
        _check_has_effect(store, name, given, default)


def check_no_reading(store: TokenStore, reading: Reading) -> None:
    """Raise a StoreError for a given way to read text, which a store does not hold."""
    for name, default in dataclasses.asdict(Reading()).items():
        _check_has_effect(store, name, getattr(reading, name), default)


def _check_has_effect(store: TokenStore, name: str, given: Any, default: Any) -> None:
    if given != default:
        raise StoreError(
            f"{name} {given} has no effect on {store.path}, which holds tokens, not text; "
            "leave it out, or prepare the text again"
        )


def _of_store(store: TokenStore, valid: float | None) -> Dataset:
    """Return the dataset of a store, split as asked, or as the store is by default."""
    if store.valid_ids.size and valid in (None, store.metadata["valid_fraction"]):
        dataset = _of_own_split(store, valid)
    else:
        cut, note = _token_cut(store, valid), ""
        if cut < store.count:
            fraction = VALID_FRACTION if valid is None else valid
            note = f", the last {fraction:.3g} for validation"
        dataset = _dataset(store.tokenizer, store.metadata, store.ids[:cut], store.ids[cut:], note)
    return dataclasses.replace(dataset, description=f"{store.path.name}: {dataset.description}")


def _of_own_split(store: TokenStore, valid: float | None) -> Dataset:
    note = _split_note(store.metadata, valid)
    return _dataset(store.tokenizer, store.metadata, store.train_ids, store.valid_ids, note)


def _token_cut(store: TokenStore, valid: float | None) -> int:
    """Return where to cut the ids of a store; their number where nothing is held out.

    After the end of a document, else, where documents are files, after a line end, else anywhere;
    looked for in half of what is to be held out.
    """
    characters = sum(store.metadata[split]["characters"] for split in ("train", "valid"))
    if valid == 0 or (valid is None and characters < MIN_CHARACTERS):
        return store.count
    fraction = VALID_FRACTION if valid is None else valid
    tokenizer = store.tokenizer
    at = round(store.count * (1 - fraction))
    ends = {tokenizer.boundary_id}
    if is_one_document(store.documents):
        ends.add(tokenizer.id_of("\n") if tokenizer.kind != "bpe" else None)
        ends.add(tokenizer.id_of("<0x0A>") if tokenizer.kind == "byte" else None)
    start = max(at - 1, 0)
    window = store.ids[start : at + (store.count - at) // 2]
    places = np.flatnonzero(np.isin(window, [id for id in ends if id is not None]))
    cut = 0
    if places.size:
        cut = start + int(places[0]) + 1
    elif is_one_document(store.documents) or tokenizer.boundary_id is None:
        cut = at
    if 0 < cut < store.count:
        return cut
    if valid is None:
        return store.count
    raise StoreError(
        f"{store.path} has too few tokens ({store.count:,}) or documents to hold out "
        f"{fraction:g} of it for validation; use another fraction, or name a validation file"
    )
