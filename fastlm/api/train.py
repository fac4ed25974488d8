"""``fastlm.train``: from a corpus to a trained model in one call."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from inspect import signature
from os import PathLike
from typing import Any, Unpack, get_args

from fastlm.api.counting import CountSettings
from fastlm.api.language_model import LanguageModel
from fastlm.api.ranks import train_on_ranks
from fastlm.api.run import Request, fit, fit_counts, resolve
from fastlm.api.start import RunStart
from fastlm.callbacks import Callbacks, as_callbacks
from fastlm.checks import is_number
from fastlm.config import Settings
from fastlm.display.choice import shown_progress
from fastlm.distributed.mpi import connect
from fastlm.errors import ConfigError
from fastlm.text.given import paths_or_texts
from fastlm.tokenizers import Tokenizer
from fastlm.training.replaced_run import run_lock
from fastlm.types import CorpusSource, Documents, FilePath, FirstWeights
from fastlm.wording import setting

__all__ = ["train"]


def train(
    corpus: CorpusSource | Iterable[str] = None,
    *,
    texts: str | Iterable[str] | None = None,
    valid: CorpusSource | Iterable[str] | float = None,
    valid_texts: str | Iterable[str] | None = None,
    tokenizer: str | Tokenizer | None = None,
    vocab: str | PathLike[str] | None = None,
    min_count: int | None = None,
    max_vocab: int | None = None,
    documents: Documents | None = None,
    encoding: str | None = None,
    errors: str | None = None,
    field: str | None = None,
    skip_bad: bool | None = None,
    cache: bool = True,
    softmax: str | None = None,
    preset: str | None = None,
    remember: bool = False,
    counts: str | int | None = None,
    counts_only: bool = False,
    order: int | None = None,
    counts_size: str | int | None = None,
    prune: Sequence[int] | None = None,
    callbacks: Callbacks = (),
    progress: bool | None = None,
    checkpoint: FilePath | None = None,
    checkpoint_every: str | float | None = None,
    keep: int | None = None,
    resume: bool = False,
    restart: bool = False,
    overwrite: bool = False,
    replaces: FilePath | None = None,
    init: FilePath | LanguageModel | None = None,
    init_momentum: bool = False,
    metrics: FilePath | None = None,
    distributed: str | None = None,
    **settings: Unpack[Settings],
) -> LanguageModel:
    """Train a model.

    Parameters
    ----------
    corpus : path, sequence of paths, text, or None
        Files, folders, patterns, "-" for standard input; plain, .gz, .zst, .jsonl. Or one token
        store (``fastlm.prepare``). None: the documentation text that every Python ships. A str with
        a line end in it, longer than a path can be, or of a dozen words that name no file, is text
        itself; so are sentences in a list, a column of a table, and what an open file holds.
    texts : str or iterable of str, optional
        Text itself, in place of files; each is a text as a file is.
    valid : path, sequence of paths, text, float, or None
        What to validate on: files, a store, text, or the fraction of the corpus to hold out from
        its end; 0 for no validation. A str is taken as for ``corpus``; beside text, one that names
        no file is text. None: what a store holds out, else 5 % if that is enough text to measure
        on.
    valid_texts : str or iterable of str, optional
        Text itself to validate on.
    tokenizer : {"char", "word", "whitespace", "byte"} or Tokenizer
        Default ``char``.
    vocab : path, optional
        A vocabulary file in place of counting the corpus.
    min_count, max_vocab : int, optional
        Without either a vocabulary of ``word`` has at most 32,768 tokens; rarer words are
        ``<unk>``. See ``fastlm.tokenizers.build_tokenizer``.
    documents : {"file", "paragraphs", "lines", "stream"}
        What a document is: contexts do not reach across its end. Default ``file``, or as a store
        was made.
    encoding, errors, field, skip_bad
        How files are read (``fastlm.text.decoding.Reading``, which has the defaults).
    cache : bool
        Of more than 8 MB of text a token store is made in the cache folder (``fastlm.data.cache``),
        and used again when text and settings are the same. False: hold the tokens in memory.
    softmax : {"auto", "full", "adaptive"}
        Default ``auto``: an adaptive softmax (Grave et al. 2017) where the vocabulary is so large
        that a step gets much cheaper by it. ``cutoffs`` says where to cut.
    preset : {"tiny", "mini"}, optional
        Settings of one of the founding systems; what is given here besides overrides them.
    remember : bool
        Keep a hash of each line of the text in the model, those held out for validation included,
        8 bytes each: ``sample(n, new=True)`` then writes lines that are not among them. Lines are
        documents, or what stands between line ends in characters and bytes.
    counts : {"auto", "none"} or int, optional
        Count n-grams of up to this many tokens, and mix them with the network by weights that are
        fitted on the validation text. ``auto``: up to 5 words or 7 characters, in at most 50 MB,
        and only where they lower the validation loss by half a percent. Default ``auto``, but
        ``none`` with a preset, for other weights to start from and without validation text. The
        network is the same with and without, if it has the same number of steps.
    counts_only : bool
        Count n-grams, and train no network.
    order : int, optional
        With ``counts_only`` the tokens of the longest n-grams, 1 to 12. Default 5 for words, 7 for
        characters.
    counts_size : int or str, optional
        The most bytes of the counts, such as 20_000_000 or "20MB": n-grams that matter least are
        left out.
    prune : sequence of int, optional
        For each order, n-grams that occur this often or less are left out: (0, 0, 1) leaves out
        those of three and more tokens that occur once.
    callbacks : Callback, function, or several of them
        Told how it goes (``fastlm.callbacks``). A function is called with each ``Progress`` and
        each ``Validation``.
    progress : bool, optional
        Whether to show how it goes, on standard error or in the notebook. None: on a terminal and
        in a notebook; elsewhere it is logged (logger ``fastlm``, level INFO).
    checkpoint : path, optional
        Where to write checkpoints, every ``checkpoint_every`` ("60s", "5m", "2000 steps"; default
        60 s), at the end, and when interrupted; ``keep`` older ones (default none) stay beside it.
    resume : bool
        Go on from the checkpoint. What is not given is as it was: text, tokenizer, settings. Only
        the length, patience, threads and lr may be others.
    restart : bool
        Discard the checkpoint of an unfinished run and start over.
    overwrite : bool
        Replace the checkpoint of a run on another text or with other settings.
    replaces : path, optional
        A model file that the caller will put the result into: it is protected like the checkpoint.
    init : path or LanguageModel, optional
        A model to start from: its weights, tokenizer and shape. With ``init_momentum`` it is a
        checkpoint, and the run starts from the weights and the momentum of its last step. (The
        words ``scaled``, ``tiny`` and ``mini`` are first weights: see ``TrainingConfig``.)
    metrics : path, optional
        Where to write a JSON object a line: one for each validation, and every few seconds.
    distributed : {"mpi"}, optional
        Share the steps among the processes that ``mpirun`` started, which all make this call. Rank
        0 reads the text, tells the callbacks and writes files. See docs/scaling.md.
    **settings
        Fields of ``ModelConfig`` (context, embed, hidden, combine, bias) and of ``TrainingConfig``
        (batch, lr, momentum, schedule, epochs, steps, minutes, patience, dropout, seed, ...).
        What is left out, or None, is chosen for the corpus and the time
        (``fastlm.training.defaults``).

    Returns
    -------
    LanguageModel
        With the parameters of the best validation; ``result`` says how the run went. After Ctrl-C
        it is the model so far, and ``result.reason`` is ``interrupted``.

    Raises
    ------
    CorpusError, TokenizerError, ConfigError
        For text, a vocabulary or a setting that cannot be used.
    StoreError
        For a token store that cannot be used or written.
    ModelFileError
        For a checkpoint or a model to start from that cannot be read.
    TrainingError
        When training diverges; its ``model`` is the last good one, or None.
    """
    # As a dict: first weights are a setting for those who resolve it.
    chosen: dict[str, Any] = dict(settings)
    if isinstance(init, str) and init in get_args(FirstWeights):
        chosen["init"], init = init, None
    run: dict[str, Any] = {
        "checkpoint": checkpoint,
        "checkpoint_every": checkpoint_every,
        "keep": keep,
        "resume": resume,
        "restart": restart,
        "init": init,
        "init_momentum": init_momentum,
        "metrics": metrics,
    }
    given, held_out = _sources(corpus, texts, valid, valid_texts)
    follows = distributed is not None and connect(distributed).rank > 0
    with shown_progress(False if follows else progress) as shown:
        listeners = [*shown, *as_callbacks(callbacks)]
        request = Request(
            **given,
            **held_out,
            tokenizer=tokenizer,
            vocab=vocab,
            min_count=min_count,
            max_vocab=max_vocab,
            documents=documents,
            reading={
                name: value
                for name, value in (
                    ("encoding", encoding),
                    ("errors", errors),
                    ("field", field),
                    ("skip_bad", skip_bad),
                )
                if value is not None
            },
            cache=cache,
            softmax=softmax,
            preset=preset,
            settings=chosen,
            keywords=frozenset(signature(train).parameters),
            callbacks=listeners,
            remember=remember,
            counts=CountSettings.of(
                counts, only=counts_only, order=order, prune=prune, size=counts_size
            ),
        )
        if counts_only:
            _refuse_run(run | {"distributed": distributed})
            return fit_counts(request, None if overwrite else replaces)
        begin = partial(RunStart, **run, overwrite=overwrite, replaces=replaces)
        if distributed is not None:
            communicator = connect(distributed)
            with communicator.watched():
                return train_on_ranks(communicator, request, begin, checkpoint, listeners)
        with run_lock(checkpoint):
            start = begin()
            return fit(start, resolve(start, request), listeners)


def _refuse_run(given: dict[str, Any]) -> None:
    """Raise ConfigError for what only the run of a network has."""
    for name, value in given.items():
        if value is not None and value is not False:
            raise ConfigError(
                f"{setting(name)} is of a network's run, and {setting('counts_only')} trains none; "
                "leave it out"
            )


def _sources(corpus: Any, texts: Any, valid: Any, valid_texts: Any) -> tuple[Any, Any]:
    """Return the keywords of the corpus and of the validation text: each files, or text."""
    if texts is None:
        corpus, texts = paths_or_texts(corpus)
    if valid_texts is not None and valid is not None:
        raise ConfigError("valid and valid_texts are both given; choose one of them")
    if valid is not None and not is_number(valid):
        valid, valid_texts = paths_or_texts(valid, beside_texts=texts is not None)
    return {"corpus": corpus, "texts": texts}, {"valid": valid, "valid_texts": valid_texts}
