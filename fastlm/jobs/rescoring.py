"""Rescoring: a language model's word on lists of hypotheses, and the weight that it should have."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from fastlm.api.language_model import LanguageModel
from fastlm.checks import check_number, shown
from fastlm.errors import ConfigError, CorpusError, TextError
from fastlm.jobs.nbest import (
    FORMATS,
    Hypothesis,
    check_format,
    format_of,
    read_costs,
    read_nbest,
    read_references,
    scored_line,
    utterances,
)
from fastlm.jobs.weight_search import best_of, search_weights
from fastlm.jobs.word_errors import word_errors
from fastlm.system.resources import thread_count
from fastlm.text.decoding import Reading
from fastlm.text.sources import file_or_stdin
from fastlm.types import FilePath
from fastlm.wording import setting

__all__ = ["FORMATS", "Rescoring"]


@dataclass(kw_only=True)
class Rescoring:
    """What is asked for; `lines` does it.

    The total of a hypothesis is its score of the first pass, less its costs, plus ``lm_weight``
    times its log-probability in nats, plus ``word_bonus`` times its words.

    Attributes
    ----------
    nbest : path
        The list; "-" is standard input.
    form : {"kaldi", "tsv", "jsonl"}, optional
        Default: by the name.
    lm_weight, word_bonus : float, optional
        Default 1 and 0, or as tuned.
    tune : path, optional
        The right texts, in the format of the list: the weights with the fewest word errors are
        taken.
    costs : sequence of path
        Of Kaldi, a key and a cost a line.
    best : bool
        Whether only the best hypothesis of each utterance is written, as the list has it.
    count_end : bool, optional
        Whether the end of a text counts. Default: where the model has a boundary token, so that an
        empty hypothesis has a price.
    threads : int, optional
    tell : callable
        Is told what was tuned.
    """

    nbest: FilePath
    form: str | None = None
    lm_weight: float | None = None
    word_bonus: float | None = None
    tune: FilePath | None = None
    costs: Sequence[FilePath] = ()
    best: bool = False
    count_end: bool | None = None
    threads: int | None = None
    tell: Callable[[str], None] = field(default=lambda message: None)

    def __post_init__(self) -> None:
        self.name = "standard input" if self.nbest == "-" else str(self.nbest)
        self.form = format_of(self.name) if self.form is None else self.form
        check_format(setting("format"), self.form)
        check_number(setting("lm_weight"), self.lm_weight, least=0, or_none=True)
        check_number(setting("word_bonus"), self.word_bonus, or_none=True)
        thread_count(self.threads)
        if self.costs and self.form != "kaldi":
            raise ConfigError(
                f"{setting('costs')} are of kaldi, and the list is {self.form}, which has scores "
                "of its own; leave them out"
            )
        if self.tune is not None and (self.lm_weight, self.word_bonus) != (None, None):
            raise ConfigError(
                f"{setting('tune')} chooses the weights; leave {setting('lm_weight')} and "
                f"{setting('word_bonus')} out"
            )

    def lines(self, lm: LanguageModel) -> Iterator[str]:
        """Return the lines to write, in the order of the list.

        Raises
        ------
        CorpusError
            For a list, references or costs that cannot be used.
        """
        assert self.form is not None
        found = read_nbest(_text_of(self.nbest), self.form, self.name)
        references = None
        if self.tune is not None:
            references = read_references(_text_of(self.tune), self.form, str(self.tune))
        scores = np.array([each.score for each in found]) - self._costs_of(found)
        words = np.array([len(each.text.split()) for each in found], dtype=np.int64)
        groups = self._groups(found, references)
        log_probs = self._log_probs(lm, found)
        weight = 1.0 if self.lm_weight is None else float(self.lm_weight)
        bonus = 0.0 if self.word_bonus is None else float(self.word_bonus)
        if references is not None:
            weight, bonus = self._tuned(found, references, groups, scores, log_probs, words)
        totals = scores + weight * log_probs + bonus * words
        return self._written(found, groups, log_probs, words, totals)

    def _written(
        self,
        found: list[Hypothesis],
        groups: dict[str, list[int]],
        log_probs: NDArray[np.float64],
        words: NDArray[np.int64],
        totals: NDArray[np.float64],
    ) -> Iterator[str]:
        assert self.form is not None
        if not self.best:
            columns = (log_probs.tolist(), words.tolist(), totals.tolist())
            for each, *figures in zip(found, *columns, strict=True):
                yield scored_line(self.form, each, *figures)
            return
        for utterance, at in zip(groups, best_of(totals, list(groups.values())), strict=True):
            if self.form == "kaldi":
                yield f"{utterance} {found[at].text}".rstrip()
            else:
                yield found[at].line

    def _groups(
        self, found: list[Hypothesis], references: dict[str, str] | None
    ) -> dict[str, list[int]]:
        """Return the hypotheses of each utterance, in the order of the list."""
        groups: dict[str, list[int]] = {}
        for at, name in enumerate(utterances([each.key for each in found], references)):
            if references is not None and name not in references:
                raise CorpusError(
                    f"{self.tune} has no text of {shown(found[at].key)}; give one for each "
                    "utterance of the list"
                )
            groups.setdefault(name, []).append(at)
        return groups

    def _costs_of(self, found: list[Hypothesis]) -> NDArray[np.float64]:
        total = np.zeros(len(found))
        for path in self.costs:
            costs = read_costs(_text_of(path), str(path))
            for at, each in enumerate(found):
                if each.key not in costs:
                    raise CorpusError(
                        f"{path} has no cost of {shown(each.key)}; give one for each line"
                    )
                total[at] += costs[each.key]
        return total

    def _log_probs(self, lm: LanguageModel, found: list[Hypothesis]) -> NDArray[np.float64]:
        count_end = self.count_end
        if count_end is None:
            count_end = lm.tokenizer.boundary_id is not None
        prefixes = [each.prefix for each in found]
        try:
            return lm.score_arrays(
                [each.text for each in found],
                prefixes=prefixes if any(prefixes) else None,
                count_end=count_end,
                threads=self.threads,
                progress=False,
            ).log_prob
        except TextError as error:
            raise CorpusError(f"{self.name}, line {error.index + 1}: {error.reason}") from None

    def _tuned(
        self,
        found: list[Hypothesis],
        references: dict[str, str],
        groups: dict[str, list[int]],
        scores: NDArray[np.float64],
        log_probs: NDArray[np.float64],
        words: NDArray[np.int64],
    ) -> tuple[float, float]:
        """Return the weights with the fewest word errors, and tell them."""
        errors = np.zeros(len(found), dtype=np.int64)
        for utterance, group in groups.items():
            errors[group] = word_errors([found[at].text for at in group], references[utterance])
        size = sum(len(references[utterance].split()) for utterance in groups)
        if size == 0:
            raise CorpusError(f"{self.tune} has no words; give the right texts")
        several = list(groups.values())
        tuned = search_weights(scores, log_probs, words, errors, several)
        first = int(errors[best_of(scores, several)].sum())
        least = sum(int(errors[group].min()) for group in several)
        self.tell(
            f"tuned on {len(groups):,} utterances, {size:,} words: --lm-weight "
            f"{tuned.lm_weight:.6g} --word-bonus {tuned.word_bonus:.6g}; word error rate "
            f"{tuned.errors / size:.2%}, without the model {first / size:.2%}, at best "
            f"{least / size:.2%}"
        )
        return tuned.lm_weight, tuned.word_bonus


def _text_of(path: FilePath) -> str:
    """Return what a file holds, line by line: JSON lines, too, as they stand."""
    data = b"".join(file_or_stdin(path, Reading()).chunks())
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise CorpusError(
            f"{path} is not UTF-8 at byte {error.start:,}; convert it to UTF-8 first"
        ) from None
