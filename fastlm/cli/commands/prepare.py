"""`fastlm prepare`: text of any size to a token store, before training."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fastlm.cli.config_file import ConfigOption
from fastlm.cli.options import (
    DATA,
    CorpusArgument,
    DocumentsOption,
    EncodingOption,
    ErrorsOption,
    FieldOption,
    MaxVocabOption,
    MinCountOption,
    QuietOption,
    SkipBadOption,
    ThreadsOption,
    TokenizerOption,
    VocabOption,
    check_output,
    flag,
    given_settings,
    option,
    shell_path,
)
from fastlm.cli.store_facts import store_lines
from fastlm.display.screen import describe
from fastlm.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from fastlm.data.token_store import TokenStore
    from fastlm.tokenizers import Tokenizer

__all__ = ["prepare"]

_DEFAULT_OUTPUT = Path("corpus.tokens")


def prepare(
    invocation: typer.Context,
    corpus: CorpusArgument = None,
    output: Annotated[
        Path,
        typer.Option(
            "-o",
            "--output",
            metavar="STORE",
            help="Where to write the store. A store already there is replaced.",
        ),
    ] = _DEFAULT_OUTPUT,
    valid: Annotated[
        float | None,
        option("FRACTION", "Hold out for validation; 0 for none (default 0.05).", DATA),
    ] = None,
    tokenizer: TokenizerOption = None,
    vocab: VocabOption = None,
    tokenizer_from: Annotated[
        Path | None,
        option("FILE", "Use the tokenizer and the documents of a model or a store.", DATA),
    ] = None,
    min_count: MinCountOption = None,
    max_vocab: MaxVocabOption = None,
    documents: DocumentsOption = None,
    field: FieldOption = None,
    skip_bad: SkipBadOption = False,
    encoding: EncodingOption = None,
    errors: ErrorsOption = None,
    threads: ThreadsOption = None,
    check: Annotated[
        bool,
        flag("--check", "Check stores, named in place of CORPUS, for completeness."),
    ] = False,
    quiet: QuietOption = False,
    config: ConfigOption = None,
) -> int:
    """Turn text of any size into a token store, which `fastlm train` reads instead of the text.

    Takes constant memory. --check reads stores and verifies their checksums.
    """
    if check:
        return _check(corpus or [], quiet=quiet)
    check_output(output, _is_store, what="a token store", example=_DEFAULT_OUTPUT.name)

    from fastlm.data.prepare import prepare as prepare_store
    from fastlm.display.progress import ConsoleProgress
    from fastlm.system.resources import thread_count

    thread_count(threads)  # checked before the text is read
    settings = given_settings(
        invocation.params, "corpus", "output", "tokenizer_from", "check", "quiet", "config"
    )
    if tokenizer_from is not None:
        if tokenizer or vocab or min_count not in (None, 1) or max_vocab is not None:
            raise ConfigError(
                "--tokenizer-from takes the whole tokenizer; leave out --tokenizer, --vocab, "
                "--min-count and --max-vocab"
            )
        settings["tokenizer"], of_other = _tokenizer_of(tokenizer_from)
        settings.setdefault("documents", of_other)
    with ConsoleProgress() as progress:
        try:
            store = prepare_store(
                corpus or None, output, callbacks=() if quiet else (progress,), **settings
            )
        except KeyboardInterrupt:
            progress.close()
            if not quiet:
                print("interrupted; nothing is saved", file=sys.stderr)
            return 130
    if not quiet:
        _describe(store)
        print(f"next\n  fastlm train {shell_path(output)}")
    return 0


def _tokenizer_of(path: Path) -> tuple[Tokenizer, str]:
    """Return the tokenizer and the kind of documents of a store or a model."""
    from fastlm.data.token_store import TokenStore, is_store

    if is_store(path):
        store = TokenStore.open(path, check=False)
        return store.tokenizer, store.documents
    from fastlm.api.language_model import LanguageModel

    lm = LanguageModel.load(path)
    return lm.tokenizer, lm.documents


def _check(paths: list[str], *, quiet: bool) -> int:
    if not paths:
        raise ConfigError("--check needs the name of a token store; write it after --check")
    from fastlm.data.progress import ProgressReporter
    from fastlm.data.token_store import TokenStore
    from fastlm.display.progress import ConsoleProgress

    for path in paths:
        with ConsoleProgress() as progress:
            reporter = ProgressReporter(() if quiet else (progress,))
            store = TokenStore.open(path, check=True, reporter=reporter)
        store.tokenizer  # noqa: B018  (it says what is wrong, if anything)
        if not quiet:
            _describe(store)
            print(f"{'OK':<12}complete, checksum matches")
    return 0


def _describe(store: TokenStore) -> None:
    for label, text in store_lines(store):
        describe(sys.stderr, label, text)


def _is_store(path: Path) -> bool:
    from fastlm.data.token_store import TokenStore

    try:
        TokenStore.open(path, check=False)
    except StoreError:
        return False
    return True
