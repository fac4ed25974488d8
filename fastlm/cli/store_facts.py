"""The facts of a token store, for people and as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastlm.display.figures import size_text, tokens_text

if TYPE_CHECKING:
    from fastlm.data.token_store import TokenStore

__all__ = ["store_facts", "store_lines"]

_PARTS = ("tokens", "documents", "characters", "bytes", "unknown")


def store_facts(store: TokenStore) -> dict[str, Any]:
    """Return the facts in types that JSON has."""
    metadata = store.metadata
    return {
        "file": str(store.path),
        "kind": "store",
        "bytes": store.path.stat().st_size,
        "corpus": metadata["description"],
        "tokenizer": {"kind": store.tokenizer.kind, "vocab": metadata["vocab"]},
        "documents": store.documents,
        "valid_fraction": metadata["valid_fraction"],
        "train": {name: metadata["train"][name] for name in _PARTS},
        "valid": {name: metadata["valid"][name] for name in _PARTS},
    }


def store_lines(store: TokenStore) -> list[tuple[str, str]]:
    """Return the facts as labels and texts."""
    facts = store_facts(store)
    train = facts["train"]
    lines = [
        ("corpus", facts["corpus"]),
        ("tokens", tokens_text(train["tokens"], facts["valid"]["tokens"])),
        ("vocabulary", f"{facts['tokenizer']['vocab']:,} tokens ({facts['tokenizer']['kind']})"),
        ("documents", facts["documents"]),
        ("store", f"{facts['file']}, {size_text(facts['bytes'])}"),
    ]
    if train["unknown"]:
        share = train["unknown"] / train["tokens"]
        lines.append(("unknown", f"{train['unknown']:,} of the training tokens ({share:.2%})"))
    return lines
