"""The patterns of words: where they split a text."""

from __future__ import annotations

import re
import sys

import pytest
from hypothesis import given, settings

from fastlm.tokenizers.words.word_pattern import word_pattern

from ..oracles import naive_split, separates
from ..samples import SAMPLES, WORDY_TEXTS


def split(text: str) -> list[str]:
    return word_pattern("unicode", False).findall(text)


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("It isn't well-known.", ["It", "isn", "'", "t", "well", "-", "known", "."]),
        ("snake_case __x__", ["snake", "_", "case", "_", "_", "x", "_", "_"]),
        ("abc123 3.14 x²", ["abc123", "3", ".", "14", "x²"]),
        ("$5 + 5€ = ?", ["$", "5", "+", "5", "€", "=", "?"]),
        ("a\u00a0b\u200bc\u00add\x00e\u2028f", list("abcdef")),
        ("e\u0301te\u0301", ["e\u0301te\u0301"]),
        (SAMPLES["devanagari"], ["क्षत्रिय", "हिन्दी", "में", "लिखते", "हैं", "।"]),
        (SAMPLES["arabic"], ["السَّلَامُ", "عَلَيْكُمْ", "،", "كيف", "حالك", "؟"]),
        (SAMPLES["hebrew"], ["שָׁלוֹם", "עוֹלָם"]),
        (SAMPLES["persian"], ["می‌خواهم", "کتاب‌ها"]),
        ("\u200dab\u200c \u200cc", ["ab", "c"]),
        (SAMPLES["thai"], ["ที่", "นี่", "ป", "ร", "ะ", "เ", "ท", "ศ", "ไ", "ท", "ย"]),
        (SAMPLES["khmer"], ["ភា", "សា", "ខ្", "មែ", "រ"]),
        (
            SAMPLES["chinese"],
            [
                "第",
                "三",
                "章",
                "：",
                "我",
                "用",
                "Python",
                "写",
                "程",
                "序",
                "，",
                "很",
                "好",
                "。",
            ],
        ),
        (SAMPLES["japanese"], [*"カタカナとひらがな、コーヒー", "2", "杯", "。"]),
        (SAMPLES["korean"], ["한국어를", "배우고", "있어요", "."]),
        ("か\u3099 々 〇", ["か\u3099", "々", "〇"]),
        ("ｱｲﾞ", ["ｱ", "ｲ", "ﾞ"]),
        ("๑๒ 2ก", ["๑๒", "2", "ก"]),
        (SAMPLES["emoji"], ["👩", "💻", "codes", "❤", "\ufe0f", "🇪", "🇺", "👍", "🏽"]),
        (SAMPLES["astral"], ["𝒳𝒴", "𐐷", "😀"]),
        ("𠀀𠀁", ["𠀀", "𠀁"]),
        ("二〇〇九", ["二", "〇", "〇", "九"]),
        ("\uaa7e\uaa7e\uaa80\uaa81", ["\uaa7e", "\uaa7e", "\uaa80\uaa81"]),
    ],
)
def test_where_words_end(text: str, tokens: list[str]) -> None:
    assert split(text) == tokens


@given(WORDY_TEXTS)
@settings(deadline=None, max_examples=300)
def test_splitting_equals_the_obvious_way(text: str) -> None:
    assert split(text) == naive_split(text)


def test_every_character_is_split_as_its_category_says() -> None:
    step = 7  # every seventh is enough for each run of one category that has some length
    characters = [chr(c) for c in range(0, sys.maxunicode + 1, step)]
    text = " ".join(f"a{c}b" for c in characters)
    assert split(text) == naive_split(text)


@given(WORDY_TEXTS)
@settings(deadline=None)
def test_nothing_but_separators_is_lost(text: str) -> None:
    kept = "".join(c for c in text if not separates(c))
    assert re.sub("[\u200c\u200d]", "", "".join(split(text))) == kept


@given(WORDY_TEXTS, WORDY_TEXTS)
@settings(deadline=None)
def test_white_space_splits_texts_apart(one: str, two: str) -> None:
    assert split(f"{one} {two}") == split(one) + split(two)


@given(WORDY_TEXTS)
@settings(deadline=None)
def test_the_expression_for_ascii_agrees(text: str) -> None:
    ascii_text = text.encode("ascii", "ignore").decode()
    assert word_pattern("unicode", True).findall(ascii_text) == split(ascii_text)
