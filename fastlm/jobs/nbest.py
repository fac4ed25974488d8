"""Lists of hypotheses: lines of Kaldi, of tabs or of JSON, read and written in order."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from fastlm.checks import check_choice, shown
from fastlm.errors import CorpusError, FastlmError
from fastlm.text.json_lines import parse_record

__all__ = [
    "FORMATS",
    "Hypothesis",
    "check_format",
    "format_of",
    "read_costs",
    "read_nbest",
    "read_references",
    "scored_line",
    "utterances",
]

FORMATS = ("kaldi", "tsv", "jsonl")

# Keys of JSON: what is read, and what is added.
_UTTERANCE, _SCORE, _PREFIX = "utt", "score", "prefix"
_ADDED = ("lm_log_prob", "words", "total")

# Kaldi's lattice-to-nbest adds a number to the utterance.
_NUMBERED = re.compile(r"(.+)-\d+")


class Hypothesis(NamedTuple):
    """One of several texts for an utterance.

    Attributes
    ----------
    key : str
        The first word of its line, or its field ``utt``.
    text : str
    score : float
        That of the first pass: the higher the better; 0 where there is none.
    prefix : str
        What comes before the text; of JSON.
    line : str
        As it was read.
    """

    key: str
    text: str
    score: float = 0.0
    prefix: str = ""
    line: str = ""


def format_of(name: str) -> str:
    """Return the format that a file's name says: of .tsv and .jsonl; else Kaldi's."""
    return next((form for form in ("tsv", "jsonl") if name.endswith(f".{form}")), "kaldi")


def check_format(name: str, form: str) -> None:
    """Raise ConfigError for a format that there is not."""
    check_choice(name, form, FORMATS)


def read_nbest(text: str, form: str, name: str) -> list[Hypothesis]:
    """Return the hypotheses of a file, in order.

    Parameters
    ----------
    text : str
        kaldi: the utterance, a space, the words. tsv: the utterance, the score of the first pass
        (may be left out), the text. jsonl: objects with ``utt``, ``text``, and maybe ``score`` and
        ``prefix``.
    form : {"kaldi", "tsv", "jsonl"}
    name : str
        For messages.

    Raises
    ------
    CorpusError
        For a line that is none, with its number, and where there is none at all.
    """
    parse = {"kaldi": _kaldi, "tsv": _tsv, "jsonl": _json}[form]
    found = [
        _parsed(parse, line, f"{name}, line {number}")
        for number, line in enumerate(_lines(text), start=1)
    ]
    if not found:
        raise CorpusError(f"{name} is empty; give a line for each hypothesis")
    return found


def read_references(text: str, form: str, name: str) -> dict[str, str]:
    """Return the texts of a file by utterance; a CorpusError for two of one."""
    references: dict[str, str] = {}
    for found in read_nbest(text, form, name):
        if found.key in references:
            raise CorpusError(f"{name} has {shown(found.key)} twice; give one text for each")
        references[found.key] = found.text
    return references


def read_costs(text: str, name: str) -> dict[str, float]:
    """Return the costs of a file of Kaldi, a key and a number a line."""
    costs = {}
    for number, line in enumerate(_lines(text), start=1):
        where = f"{name}, line {number}"
        key, _, cost = line.strip().partition(" ")
        costs[key] = _number(cost, where)
    return costs


def _lines(text: str) -> Iterator[str]:
    # Not splitlines, which cuts at characters that may stand in a text.
    yield from text.replace("\r\n", "\n").removesuffix("\n").split("\n") if text else ()


def _parsed(parse: Any, line: str, where: str) -> Hypothesis:
    if not line.strip():
        raise CorpusError(f"{where} is blank; give the utterance, at least")
    try:
        hypothesis: Hypothesis = parse(line, where)
    except CorpusError:
        raise
    except FastlmError as error:
        raise CorpusError(f"{where}: {error}") from None
    return hypothesis


def _kaldi(line: str, where: str) -> Hypothesis:
    key, *rest = line.split(None, 1)
    return Hypothesis(key, rest[0].strip() if rest else "", line=line)


def _tsv(line: str, where: str) -> Hypothesis:
    fields = line.split("\t")
    if len(fields) not in (2, 3):
        raise CorpusError(
            f"{where} has {len(fields)} fields; give utterance, score and text between tabs"
        )
    score = _number(fields[1], where) if len(fields) == 3 else 0.0
    return Hypothesis(fields[0], fields[-1], score, line=line)


def _json(line: str, where: str) -> Hypothesis:
    try:
        record = parse_record(line, "text")
    except FastlmError as error:
        raise CorpusError(f"{where}: {error}") from None
    key, prefix = record.get(_UTTERANCE), record.get(_PREFIX, "")
    if not isinstance(key, str | int) or isinstance(key, bool):
        raise CorpusError(f"{where}: {_UTTERANCE} is {shown(key)}; give a name or a number")
    if not isinstance(prefix, str):
        raise CorpusError(f"{where}: {_PREFIX} is {shown(prefix)}; give text")
    for name in _ADDED:
        if name in record:
            raise CorpusError(f"{where} has a field {name}, which is to be added; rename it")
    score = _number(record.get(_SCORE, 0), where)
    return Hypothesis(str(key), record["text"], score, prefix, line)


def _number(value: Any, where: str) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number) or isinstance(value, bool):
        raise CorpusError(f"{where}: the score is {shown(value)}; give a number")
    return number


def utterances(keys: Sequence[str], known: Mapping[str, str] | None = None) -> list[str]:
    """Return the utterance of each key: the key itself, or what is before its last ``-N``.

    known : references. Without them the number is left out where all keys have one and no two are
        the same, as in Kaldi's lists.
    """
    stems = [found[1] if (found := _NUMBERED.fullmatch(key)) else key for key in keys]
    if known is not None:
        return [key if key in known else stem for key, stem in zip(keys, stems, strict=True)]
    numbered = len(set(keys)) == len(keys) and all(map(_NUMBERED.fullmatch, keys))
    return stems if numbered else list(keys)


def scored_line(
    form: str, hypothesis: Hypothesis, log_prob: float, words: int, total: float
) -> str:
    """Return the line of a hypothesis with its scores; of Kaldi the key and the total."""
    if form == "kaldi":
        return f"{hypothesis.key} {total:.6f}"
    if form == "tsv":
        return f"{hypothesis.line}\t{log_prob:.6f}\t{total:.6f}"
    added: Iterable[tuple[str, Any]] = zip(_ADDED, (log_prob, words, total), strict=True)
    return json.dumps(json.loads(hypothesis.line) | dict(added), ensure_ascii=False)
