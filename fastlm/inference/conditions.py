"""Conditions on generated texts: texts that do not meet them are drawn again, but not for ever."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from typing import Any

from fastlm.checks import check_flag, check_known, check_whole, shown
from fastlm.errors import ConfigError, SamplingError
from fastlm.inference.generation import GenerationSettings, Request
from fastlm.inference.text_model import TextModel
from fastlm.tokenizers import Tokenizer
from fastlm.types import Documents
from fastlm.wording import setting

__all__ = ["Conditions", "SampleSettings", "line_ends", "sampled_texts"]

# Texts that are drawn for one that is asked for, and at least.
_TRIES_EACH = 100
_FEWEST_TRIES = 10_000


class SampleSettings(GenerationSettings, total=False):
    """The settings of ``LanguageModel.sample``, which explains them."""

    new: bool
    unique: bool
    min_chars: int | None
    max_chars: int | None
    starts: str
    contains: str


@dataclass(frozen=True, kw_only=True)
class Conditions:
    """What a text must be; see ``LanguageModel.sample``.

    Raises
    ------
    ConfigError
        For a value out of range, and for conditions that no text meets.
    """

    new: bool = False
    unique: bool = False
    min_chars: int | None = None
    max_chars: int | None = None
    starts: str = ""
    contains: str = ""

    def __post_init__(self) -> None:
        for name in ("new", "unique"):
            check_flag(setting(name), getattr(self, name))
        for name in ("starts", "contains"):
            if not isinstance(getattr(self, name), str):
                raise ConfigError(f"{setting(name)} is {shown(getattr(self, name))}; give text")
        least = check_whole(setting("min_chars"), self.min_chars, 0, or_none=True) or 0
        most = check_whole(setting("max_chars"), self.max_chars, 1, or_none=True)
        if most is None:
            return
        longest = max(least, len(self.starts), len(self.contains))
        if most < longest:
            raise ConfigError(
                f"{setting('max_chars')} is {most}, but the other conditions need {longest:,} "
                "characters; allow more"
            )

    def __bool__(self) -> bool:
        return any(getattr(self, field.name) != field.default for field in fields(self))

    def allow(self, text: str) -> bool:
        """Tell whether a text meets those that are of itself alone."""
        return (
            len(text) >= (self.min_chars or 0)
            and (self.max_chars is None or len(text) <= self.max_chars)
            and text.startswith(self.starts)
            and self.contains in text
        )


def line_ends(tokenizer: Tokenizer, documents: Documents) -> list[int]:
    """Return the ids that end a line; none where tokens do not tell lines apart."""
    ends = [] if tokenizer.boundary_id is None else [tokenizer.boundary_id]
    if documents == "lines":
        return ends
    # A token of a line end alone: of characters, of bytes, and of words in a stream.
    found = [tokenizer.id_of(name) for name in ("\n", "<0x0A>")]
    feeds = [id for id in found if id is not None and tokenizer.kind != "bpe"]
    feeds = [id for id in feeds if tokenizer.encode("\n").tolist() == [id]]
    return [*ends, *feeds] if feeds else []


def sampled_texts(
    model: TextModel,
    n: int | None,
    prompt: str,
    settings: SampleSettings,
    threads: int,
    first_batch: int | None = None,
) -> Iterator[str]:
    """Return the texts of ``LanguageModel.sample``; errors in the arguments are raised at once.

    first_batch : see ``Request.texts``
    """
    check_known(
        settings,
        SampleSettings.__annotations__,
        others=("prompt", "n", "threads"),
        where="help(fastlm.LanguageModel.sample)",
    )
    own = {field.name for field in fields(Conditions)}
    given: dict[str, Any] = dict(settings)
    conditions = Conditions(**{name: given.pop(name) for name in own & given.keys()})
    if not conditions:
        return Request.make(model, prompt, given).texts(n, threads, first_batch)  # type: ignore[arg-type]
    _check(model, conditions)
    begun = _begun(model, prompt, conditions.starts)
    _shorten(model, begun, given, conditions)
    request = Request.make(model, begun, given)  # type: ignore[arg-type]
    if conditions.unique and request.sampling.is_greedy and n != 1:
        raise ConfigError(
            f"{setting('greedy', True)} always writes the same text; leave it or "
            f"{setting('unique', True)} out"
        )
    return _accepted(request, conditions, n, threads)


def _check(model: TextModel, conditions: Conditions) -> None:
    """Raise ConfigError for what this model cannot tell or never writes."""
    if conditions.new and model.remembered is None:
        raise ConfigError(
            f"{setting('new', True)} needs the lines that the model was trained on, and it does "
            f"not remember them; train it with {setting('remember', True)}"
        )
    tokenizer = model.tokenizer
    for name in ("starts", "contains"):
        text = getattr(conditions, name)
        if tokenizer.kind == "char" and text:
            unknown = tokenizer.unk_id
            found = [c for c in text if tokenizer.encode(c).tolist() in ([unknown], [])]
            if found and unknown is not None:
                raise ConfigError(
                    f"{setting(name)} is {shown(text)}, but {found[0]!r} is not in the model's "
                    "vocabulary; choose other text"
                )


def _begun(model: TextModel, prompt: str, starts: str) -> str:
    """Return what to continue: what texts start with, where it has the tokens of their start."""
    if not starts or not isinstance(prompt, str):
        return prompt
    if not starts.startswith(prompt):
        if prompt.startswith(starts):
            return prompt
        raise ConfigError(
            f"no text begins with {shown(prompt)} and {shown(starts)}; leave {setting('prompt')} "
            f"or {setting('starts')} out"
        )
    return starts if model.tokenizer.kind in ("char", "byte") else prompt


def _shorten(
    model: TextModel, prompt: str, settings: dict[str, Any], conditions: Conditions
) -> None:
    """Write no more of a text than is needed to see that it is too long."""
    if model.tokenizer.kind != "char":
        return
    length = Request.make(model, prompt, settings).length  # type: ignore[arg-type]
    if conditions.min_chars is not None and conditions.min_chars > len(prompt) + length:
        raise ConfigError(
            f"{setting('min_chars')} is {conditions.min_chars:,}, but {setting('length')} allows "
            f"{length:,} new characters; allow more"
        )
    if conditions.max_chars is None:
        return
    most = conditions.max_chars - len(prompt)
    ends = Request.make(model, prompt, settings).end is not None  # type: ignore[arg-type]
    settings["length"] = min(length, max(0, most + ends))


def _accepted(
    request: Request, conditions: Conditions, n: int | None, threads: int
) -> Iterator[str]:
    most = _FEWEST_TRIES if n is None else max(_FEWEST_TRIES, _TRIES_EACH * n)
    found: list[str] = []
    known: set[str] = set()
    since = 0
    for tries, text in enumerate(request.texts(None, threads, max(16, n or 0)), start=1):
        since += 1
        if (
            conditions.allow(text)
            and (not conditions.unique or text not in known)
            and (not conditions.new or _is_new(request.model, text))
        ):
            if conditions.unique:
                known.add(text)
            if n is not None:
                found.append(text)
            since = 0
            yield text
            if len(found) == n:
                return
        if (since if n is None else tries) >= most:
            break
    wanted = "none" if n is None else f"{len(found):,} of {n:,}"
    raise SamplingError(
        f"{wanted} after {most:,} tries; ask for fewer texts or conditions, or raise "
        f"{setting('temperature')}",
        found,
    )


def _is_new(model: TextModel, text: str) -> bool:
    """Tell whether none of a text's lines was in the training text, and one is not blank."""
    assert model.remembered is not None
    lines = [line for line in text.split("\n") if line.strip()]
    encode = model.tokenizer.encode
    return bool(lines) and not any(model.remembered.holds(encode(line)) for line in lines)
