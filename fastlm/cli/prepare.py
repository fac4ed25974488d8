"""`fastlm prepare`: text of any size to a token store, ahead of training."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from fastlm.cli.options import check_output, quoted
from fastlm.config import Documents
from fastlm.errors import ConfigError, StoreError

if TYPE_CHECKING:
    from fastlm.store import TokenStore
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
        ),
    ] = None,
    tokenizer: Annotated[
        str | None,
        typer.Option(
            metavar="KIND",
            help="What a token is: char, word, whitespace, byte or bpe (default char).",
        ),
    ] = None,
    vocab: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="The vocabulary, one token a line, in place of the corpus's own.",
        ),
    ] = None,
    tokenizer_from: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Use the tokenizer of a model or a store, and their kind of documents.",
        ),
    ] = None,
    min_count: Annotated[
        int, typer.Option(metavar="N", help="Tokens seen fewer times are unknown.")
    ] = 1,
    max_vocab: Annotated[
        int | None, typer.Option(metavar="N", help="Keep the N most frequent tokens only.")
    ] = None,
    documents: Annotated[
        str | None,
        typer.Option(
            metavar="KIND", help="What a document is: file, paragraphs or lines (default file)."
        ),
    ] = None,
    field: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The key of the text in JSON lines (default text)."),
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave out JSON lines that cannot be used.")
    ] = False,
    encoding: Annotated[
        str, typer.Option(metavar="NAME", help="Of the files, such as latin-1.")
    ] = "utf-8",
    errors: Annotated[
        str,
        typer.Option(metavar="HOW", help="Bytes that cannot be decoded: strict or replace."),
    ] = "strict",
    threads: Annotated[
        int | None,
        typer.Option(metavar="N", help="Processors to use (default: FASTLM_THREADS, or all)."),
    ] = None,
    check: Annotated[
        bool,
        typer.Option("--check", help="Check that stores, named in place of CORPUS, are whole."),
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print nothing unless there is an error.")
    ] = False,
) -> int:
    """Turn text into a token store, which `fastlm train` reads in place of the text.

    Memory does not grow with the text. With --check: read stores and say whether they are whole.
    """
    if check:
        return _check(corpus or [], quiet=quiet)
    if threads is not None and threads < 1:
        raise ConfigError(f"threads is {threads}; give a whole number of at least 1")
    check_output(output, _is_store, what="a token store", flag="-o", example=_DEFAULT_OUTPUT.name)

    import fastlm
    from fastlm.preparation_progress import PreparationProgress

    chosen: str | Tokenizer | None = tokenizer
    if tokenizer_from is not None:
        if tokenizer or vocab or min_count != 1 or max_vocab is not None:
            raise ConfigError(
                "--tokenizer-from brings the whole tokenizer; leave --tokenizer, --vocab, "
                "--min-count and --max-vocab out"
            )
        chosen, of_other = _tokenizer_of(tokenizer_from)
        documents = documents or of_other
    progress = PreparationProgress()
    try:
        store = fastlm.prepare(
            corpus or None,
            output,
            tokenizer=chosen,
            vocab=vocab,
            min_count=min_count,
            max_vocab=max_vocab,
            documents=cast(Documents, documents or "file"),  # checked where it is used
            valid=valid,
            encoding=encoding,
            errors=errors,
            field=field,
            skip_bad=skip_bad,
            threads=threads,
            callbacks=() if quiet else (progress,),
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
    from fastlm.store import TokenStore, is_store

    if is_store(path):
        store = TokenStore.open(path)
        return store.tokenizer, store.documents
    from fastlm.model import LanguageModel

    lm = LanguageModel.load(path)
    return lm.tokenizer, lm.documents


def _check(paths: list[str], *, quiet: bool) -> int:
    if not paths:
        raise ConfigError("--check needs the name of a token store")
    from fastlm.store import TokenStore

    for path in paths:
        store = TokenStore.open(path, check=True)
        store.tokenizer  # noqa: B018  (it says what is wrong, if anything)
        if not quiet:
            _describe(store)
            print(f"{'checked':<12}it is whole")
    return 0


def _describe(store: TokenStore) -> None:
    from fastlm.corpus import size_text

    facts: dict[str, Any] = store.metadata
    train, valid = facts["train"], facts["valid"]
    held_out = f", {valid['tokens']:,} for validation" if valid["tokens"] else ""
    lines = {
        "corpus": facts["description"],
        "tokens": f"{train['tokens']:,} to train on{held_out}",
        "vocabulary": f"{facts['vocab']:,} tokens ({store.tokenizer.kind})",
        "documents": facts["documents"],
        "store": f"{store.path}, {size_text(store.path.stat().st_size)}",
    }
    if train["unknown"]:
        share = train["unknown"] / train["tokens"]
        lines["unknown"] = f"{train['unknown']:,} of the training tokens ({share:.2%})"
    for name, text in lines.items():
        print(f"{name:<12}{text}", file=sys.stderr)


def _is_store(path: Path) -> bool:
    from fastlm.store import TokenStore

    try:
        TokenStore.open(path)
    except StoreError:
        return False
    return True
