"""`fastlm prepare`: text of any size to a token store, ahead of training."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fastlm.cli.options import (
    DATA,
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
    quoted,
)
from fastlm.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from fastlm.data.token_store import TokenStore
    from fastlm.tokenizers import Tokenizer

__all__ = ["prepare"]

_DEFAULT_OUTPUT = Path("corpus.tokens")


def prepare(
    corpus: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="CORPUS",
            help="Files, folders or patterns; .txt and other text, .gz, .zst, .jsonl; - is "
            "standard input. Without any: the documentation that comes with Python.",
            show_default=False,
        ),
    ] = None,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="STORE",
            help="Where to write the store. One that is there already is replaced.",
        ),
    ] = _DEFAULT_OUTPUT,
    valid: Annotated[
        float | None,
        typer.Option(
            metavar="SHARE",
            help="The share to hold out for validation, 0 for none (default 0.05).",
            rich_help_panel=DATA,
        ),
    ] = None,
    tokenizer: TokenizerOption = None,
    vocab: VocabOption = None,
    tokenizer_from: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Use the tokenizer of a model or a store, and their kind of documents.",
            rich_help_panel=DATA,
        ),
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
        typer.Option("--check", help="Check that stores, named in place of CORPUS, are whole."),
    ] = False,
    quiet: QuietOption = False,
) -> int:
    """Turn text into a token store, which `fastlm train` reads in place of the text.

    Memory does not grow with the text. With --check: read stores and say whether they are whole.
    """
    if check:
        return _check(corpus or [], quiet=quiet)
    check_output(output, _is_store, what="a token store", flag="-o", example=_DEFAULT_OUTPUT.name)

    from fastlm.cli.preparation_display import PreparationProgress
    from fastlm.data.prepare import prepare as prepare_store
    from fastlm.system.resources import thread_count

    thread_count(threads)  # refuses what is no number of threads, before the text is read
    chosen: str | Tokenizer | None = tokenizer
    if tokenizer_from is not None:
        if tokenizer or vocab or min_count not in (None, 1) or max_vocab is not None:
            raise ConfigError(
                "--tokenizer-from brings the whole tokenizer; leave --tokenizer, --vocab, "
                "--min-count and --max-vocab out"
            )
        chosen, of_other = _tokenizer_of(tokenizer_from)
        documents = documents or of_other
    settings: dict[str, Any] = {
        "tokenizer": chosen,
        "vocab": vocab,
        "min_count": min_count,
        "max_vocab": max_vocab,
        "documents": documents,
        "valid": valid,
        "encoding": encoding,
        "errors": errors,
        "field": field,
        "skip_bad": skip_bad,
        "threads": threads,
    }
    progress = PreparationProgress()
    try:
        store = prepare_store(
            corpus or None,
            output,
            callbacks=() if quiet else (progress,),
            **{name: value for name, value in settings.items() if value is not None},
        )
    except KeyboardInterrupt:
        progress.clear()
        if not quiet:
            print("interrupted; nothing is saved", file=sys.stderr)
        return 130
    if not quiet:
        _describe(store)
        print(f"go on with\n  fastlm train {quoted(str(output))}")
    return 0


def _tokenizer_of(path: Path) -> tuple[Tokenizer, str]:
    """(tokenizer, documents) of a store or a model."""
    from fastlm.data.token_store import TokenStore, is_store

    if is_store(path):
        store = TokenStore.open(path)
        return store.tokenizer, store.documents
    from fastlm.api.language_model import LanguageModel

    lm = LanguageModel.load(path)
    return lm.tokenizer, lm.documents


def _check(paths: list[str], *, quiet: bool) -> int:
    if not paths:
        raise ConfigError("--check needs the name of a token store")
    from fastlm.data.token_store import TokenStore

    for path in paths:
        store = TokenStore.open(path, check=True)
        store.tokenizer  # noqa: B018  (it says what is wrong, if anything)
        if not quiet:
            _describe(store)
            print(f"{'checked':<12}it is whole")
    return 0


def _describe(store: TokenStore) -> None:
    from fastlm.data.scan import format_bytes

    facts: dict[str, Any] = store.metadata
    train, valid = facts["train"], facts["valid"]
    held_out = f", {valid['tokens']:,} for validation" if valid["tokens"] else ""
    lines = {
        "corpus": facts["description"],
        "tokens": f"{train['tokens']:,} to train on{held_out}",
        "vocabulary": f"{facts['vocab']:,} tokens ({store.tokenizer.kind})",
        "documents": facts["documents"],
        "store": f"{store.path}, {format_bytes(store.path.stat().st_size)}",
    }
    if train["unknown"]:
        share = train["unknown"] / train["tokens"]
        lines["unknown"] = f"{train['unknown']:,} of the training tokens ({share:.2%})"
    for name, text in lines.items():
        print(f"{name:<12}{text}", file=sys.stderr)


def _is_store(path: Path) -> bool:
    from fastlm.data.token_store import TokenStore

    try:
        TokenStore.open(path)
    except StoreError:
        return False
    return True
