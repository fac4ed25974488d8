"""Guarded use of the `tokenizers` library: whatever a file holds, only our errors come out.

The library is written in Rust. What its authors did not expect ends there in a panic, which comes
as a `BaseException`, or in memory that the system does not have, which ends the process. So a form
is checked before the library sees it, and tried before anything relies on it.
"""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from fastlm.checks import shown
from fastlm.errors import MissingLibraryError, TokenizerError
from fastlm.wording import install

__all__ = ["call_library", "load_library_tokenizer", "tokenizers_library"]

# The components that a tokenizer file may hold, by the key they stand under.
_COMPONENTS = {
    "model": {"BPE", "WordPiece", "WordLevel", "Unigram"},
    "normalizer": {
        "BertNormalizer", "ByteLevel", "Lowercase", "NFC", "NFD", "NFKC", "NFKD", "Nmt",
        "Precompiled", "Prepend", "Replace", "Sequence", "Strip", "StripAccents",
    },
    "pre_tokenizer": {
        "BertPreTokenizer", "ByteLevel", "CharDelimiterSplit", "Digits", "FixedLength", "Metaspace",
        "Punctuation", "Sequence", "Split", "UnicodeScripts", "Whitespace", "WhitespaceSplit",
    },
    "post_processor": {
        "BertProcessing", "ByteLevel", "RobertaProcessing", "Sequence", "TemplateProcessing",
    },
    "decoder": {
        "BPEDecoder", "ByteFallback", "ByteLevel", "CTC", "Fuse", "Metaspace", "Replace",
        "Sequence", "Strip", "WordPiece",
    },
}  # fmt: skip

# The key of a sequence's parts.
_PARTS = {
    "normalizer": "normalizers",
    "pre_tokenizer": "pretokenizers",
    "post_processor": "processors",
    "decoder": "decoders",
}

# Ids below this one are let through, whatever the number of tokens.
_SMALL_ID = 1 << 16

# Factor by which replacements may lengthen a text, each after the other.
_MOST_GROWTH = 256

# Encoded when a form is read: words, white space, digits, marks, other scripts, a long run.
_TRIAL = "The cat's 12 hats,\n\t  ab-cd… é 猫 \u0301 \U0001f600 " + "a" * 40 + "!"


def tokenizers_library() -> Any:
    """Return the library; raise MissingLibraryError where it is not installed."""
    try:
        import tokenizers.decoders
        import tokenizers.models
        import tokenizers.pre_tokenizers
        import tokenizers.trainers

        import tokenizers
    except ImportError:
        raise MissingLibraryError(
            "the bpe tokenizer needs the tokenizers library, which is not installed; install it "
            f"with: {install('tokenizers')}"
        ) from None
    return tokenizers


@contextmanager
def call_library(what: str, remedy: str) -> Iterator[None]:
    """Turn all that the library raises into a TokenizerError: its errors and its panics."""
    try:
        yield
    except (TokenizerError, KeyboardInterrupt, SystemExit, GeneratorExit):
        raise
    except BaseException as error:  # a panic is no Exception
        raise TokenizerError(
            f"the tokenizers library {what}: {_first_line(error)}; {remedy}"
        ) from None


def load_library_tokenizer(form: Mapping[str, Any]) -> Any:
    """Return the library's tokenizer of a form, without padding, truncation and dropout.

    Parameters
    ----------
    form : mapping
        The JSON of a tokenizer file of the library.

    Raises
    ------
    TokenizerError
        For a component that is not known or that would break the library, and for what the library
        cannot read or cannot encode a short text with.
    """
    form = {**form, "padding": None, "truncation": None}
    model = form.get("model")
    if isinstance(model, dict) and model.get("dropout"):
        form["model"] = {**model, "dropout": None}
    for key in _COMPONENTS:
        growth = 1.0
        for component in _components(form.get(key), key):
            growth *= _check_component(key, component)
        if growth > _MOST_GROWTH:
            raise _unsafe(
                f"its {key} lengthens a text {growth:.3g} times, and {_MOST_GROWTH} is the limit"
            )
    _check_ids(form)
    from_str = tokenizers_library().Tokenizer.from_str
    remedy = "write it with the library's save, or update the library"
    with call_library("cannot read this tokenizer", remedy):
        library = from_str(json.dumps(form))
    _try_encoding(library.encode, remedy)
    return library


def _check_ids(form: Mapping[str, Any]) -> None:
    """Refuse ids far beyond the number of tokens: the library makes a table of the largest."""
    model, added = form.get("model"), form.get("added_tokens")
    vocab = model.get("vocab") if isinstance(model, dict) else None
    if not isinstance(vocab, dict):
        return
    count = len(vocab) + (len(added) if isinstance(added, list) else 0)
    for token, id in vocab.items():
        if not isinstance(id, int) or not 0 <= id < max(_SMALL_ID, 2 * count):
            raise _unsafe(
                f"its token {shown(token)} has the id {shown(id)}, and there are {count:,} tokens"
            )


def _try_encoding(encode: Callable[..., Any], remedy: str) -> None:
    """Encode a short text. An ordinary error may be one of the text; a panic is one of the form."""
    with call_library("cannot encode with this tokenizer", remedy), suppress(Exception):
        encode(_TRIAL, add_special_tokens=False)


def _components(form: Any, key: str, depth: int = 0) -> Iterator[Mapping[str, Any]]:
    """Yield a component and, of a sequence, its parts."""
    if form is None:
        return
    if not isinstance(form, dict):
        raise _unsafe(f"its {key} is {shown(form)}, not an object")
    kind = form.get("type", "BPE" if key == "model" else None)  # old files do not name the model
    if not isinstance(kind, str) or kind not in _COMPONENTS[key]:
        known = ", ".join(sorted(_COMPONENTS[key]))
        raise _unsafe(f"its {key} has the type {shown(kind)}, and known are {known}")
    yield form
    if kind == "Sequence":
        parts = form.get(_PARTS[key])
        if not isinstance(parts, list) or depth > 8:
            raise _unsafe(f"its {key} is a sequence of {shown(parts)}")
        for part in parts:
            yield from _components(part, key, depth + 1)


def _check_component(key: str, component: Mapping[str, Any]) -> float:
    """Return the factor by which a component lengthens a text; refuse what breaks the library."""
    kind = component.get("type")
    if kind == "Precompiled":
        _check_charsmap(component.get("precompiled_charsmap"))
    elif kind == "FixedLength":
        length = component.get("length")
        if not isinstance(length, int) or not 1 <= length < 2**31:
            raise _unsafe(f"its {key} cuts text into pieces of {shown(length)} characters")
    elif kind == "Replace":
        content, pattern = component.get("content"), component.get("pattern")
        longer = len(content) if isinstance(content, str) else 0
        literal = pattern.get("String") if isinstance(pattern, dict) else None
        if isinstance(literal, str) and literal:
            return max(1.0, longer / len(literal))
        return 1.0 + longer  # an expression may match nothing, everywhere
    return 1.0


def _check_charsmap(text: Any) -> None:
    """Check the sizes in a map of sentencepiece: 4 bytes, the size of a trie, and the trie."""
    try:
        data = b64decode(text, validate=True)
    except (TypeError, ValueError):
        raise _unsafe("its Precompiled normalizer is not in base 64") from None
    size = int.from_bytes(data[:4], "little")
    if len(data) < 8 or size % 4 or not 4 <= size <= len(data) - 4:
        raise _unsafe(f"its Precompiled normalizer of {len(data)} bytes is cut short or altered")


def _unsafe(what: str) -> TokenizerError:
    return TokenizerError(
        f"the tokenizer cannot be used: {what}; write it with the tokenizers library's save"
    )


def _first_line(error: BaseException) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return text if len(text) <= 200 else f"{text[:200]}…"
