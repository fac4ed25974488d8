"""Is this dict the JSON form of a tokenizer of this kind?"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastlm.errors import TokenizerError

__all__ = ["checked_form"]


def checked_form(
    form: Mapping[str, Any], kind: str, types: Mapping[str, type | tuple[type, ...]]
) -> dict[str, Any]:
    """Return the values of `form` after checking its kind, its keys and their types.

    Raises
    ------
    TokenizerError
        For another kind, a key that is missing, a key that is not known (a newer version may
        have written it), or a value of another type.
    """
    if not isinstance(form, Mapping):
        raise TokenizerError(f"a tokenizer's JSON form is an object, got {type(form).__name__}")
    if form.get("kind") != kind:
        raise TokenizerError(f"expected a tokenizer of kind {kind!r}, got {form.get('kind')!r}")
    values = {key: value for key, value in form.items() if key != "kind"}
    unknown = sorted(str(key) for key in values.keys() - types.keys())
    if unknown:
        raise TokenizerError(
            f"the {kind} tokenizer has no setting {unknown[0]!r}; a newer version of fastlm may "
            "have written it"
        )
    for key, expected in types.items():
        if key not in values:
            raise TokenizerError(f"the {kind} tokenizer's JSON form lacks {key!r}")
        if not isinstance(values[key], expected):
            raise TokenizerError(
                f"the {kind} tokenizer's {key!r} has the wrong type, {type(values[key]).__name__}"
            )
    return values
