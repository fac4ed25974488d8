"""Words and symbols: where they are cut, and their ids."""

from __future__ import annotations

import re
import sys
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings

from fastlm.errors import TokenizerError
from fastlm.tokenizers import END, UNK, build_tokenizer, tokenizer_from_dict
from fastlm.tokenizers.word_pattern import is_unspaced, word_pattern
from tests.tokenizers.samples import mini_tokenizer

from .samples import SAMPLES, WORDY_TEXTS

MINI = re.compile(r"\w+|[^\w\s]")


def cut(text: str) -> list[str]:
    return word_pattern("unicode", False).findall(text)


def separates(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] == "Z" or category in ("Cc", "Cf", "Cs")


def in_word(character: str) -> bool:
    return unicodedata.category(character)[0] in "LMN" and not is_unspaced(character)


def naive_cut(text: str) -> list[str]:
    """Cut one token after the other, asking for one character's category at a time."""
    tokens = []
    start = 0
    while start < len(text):
        stop = start + 1
        if separates(text[start]):
            start = stop
            continue
        if is_unspaced(text[start]):
            while stop < len(text) and unicodedata.category(text[stop])[0] == "M":
                stop += 1
        elif in_word(text[start]):
            while True:
                further = stop
                while further < len(text) and text[further] in "\u200c\u200d":
                    further += 1
                if further == len(text) or not in_word(text[further]):
                    break
                stop = further + 1
        tokens.append(text[start:stop])
        start = stop
    return tokens


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
    assert cut(text) == tokens


@given(WORDY_TEXTS)
@settings(deadline=None, max_examples=300)
def test_cutting_equals_the_obvious_way(text: str) -> None:
    assert cut(text) == naive_cut(text)


def test_every_character_is_cut_as_its_category_says() -> None:
    step = 7  # every seventh is enough for each run of one category that has some length
    characters = [chr(c) for c in range(0, sys.maxunicode + 1, step)]
    text = " ".join(f"a{c}b" for c in characters)
    assert cut(text) == naive_cut(text)


@given(WORDY_TEXTS)
@settings(deadline=None)
def test_nothing_but_separators_is_lost(text: str) -> None:
    kept = "".join(c for c in text if not separates(c))
    assert re.sub("[\u200c\u200d]", "", "".join(cut(text))) == kept


@given(WORDY_TEXTS, WORDY_TEXTS)
@settings(deadline=None)
def test_white_space_cuts_texts_apart(one: str, two: str) -> None:
    assert cut(f"{one} {two}") == cut(one) + cut(two)


@given(WORDY_TEXTS)
@settings(deadline=None)
def test_the_expression_for_ascii_agrees(text: str) -> None:
    ascii_text = text.encode("ascii", "ignore").decode()
    assert word_pattern("unicode", True).findall(ascii_text) == cut(ascii_text)


def test_vocabulary_and_ids() -> None:
    tokenizer = build_tokenizer("word", ["The cat, the dog.", "the end!"])
    assert tokenizer.vocabulary.symbols == (
        END, UNK, "the", "!", ",", ".", "The", "cat", "dog", "end",
    )  # fmt: skip
    assert tokenizer.encode("the bird!").tolist() == [2, 1, 3]
    assert tokenizer.encode("<end> <unk>").tolist() == [1, 9, 1, 1, 1, 1]
    assert tokenizer.decode([2, 1, 3]) == "the <unk>!"


@given(WORDY_TEXTS)
@settings(deadline=None)
def test_ids_are_those_of_the_tokens(text: str) -> None:
    tokenizer = build_tokenizer("word", [text, "two words"])
    assert [tokenizer.token(id) for id in tokenizer.encode(text)] == naive_cut(text)


@given(WORDY_TEXTS, WORDY_TEXTS)
@settings(deadline=None)
def test_documents_are_encoded_apart(one: str, two: str) -> None:
    tokenizer = build_tokenizer("word", [one, two, "two words"])
    expected = [*tokenizer.encode(one), 0, *tokenizer.encode(two), 0]
    assert tokenizer.encode_documents(iter([one, two])).tolist() == expected


def test_texts_longer_than_a_chunk(monkeypatch: pytest.MonkeyPatch) -> None:
    text = "\n".join(SAMPLES.values()) + " ΟΔΟΣ ΟΔΟΣ"
    for options in ({}, {"lowercase": True}, {"pattern": "mini"}):
        monkeypatch.setattr("fastlm.tokenizers.word_level.CHUNK", 1 << 20)
        tokenizer = build_tokenizer("word", [text], **options)  # type: ignore[arg-type]
        whole = tokenizer.encode(text)
        monkeypatch.setattr("fastlm.tokenizers.word_level.CHUNK", 3)
        assert np.array_equal(tokenizer.encode(text), whole)
        assert build_tokenizer("word", [text], **options) == tokenizer  # type: ignore[arg-type]


def test_lowercase() -> None:
    tokenizer = build_tokenizer("word", ["The the CAT"], lowercase=True)
    assert tokenizer.vocabulary.symbols == (END, UNK, "the", "cat")
    assert tokenizer.encode("THE Cat").tolist() == [2, 3]


class TestMini:
    @given(WORDY_TEXTS)
    @settings(deadline=None)
    def test_it_cuts_as_its_expression(self, text: str) -> None:
        words = MINI.findall(f"{text} two Words".lower())
        mini = mini_tokenizer([f"{text} two Words"])
        ranked = sorted(set(words), key=lambda word: (-words.count(word), word))
        assert list(mini.vocabulary.symbols) == ranked
        ids = mini.encode(f"{text} two Words")
        assert [mini.token(id) for id in ids] == words

    def test_it_has_no_specials(self) -> None:
        mini = mini_tokenizer(["The cat. The dog"])
        assert mini.boundary_id is None
        assert mini.unk_id is None
        assert mini.vocabulary.symbols == ("the", ".", "cat", "dog")
        with pytest.raises(TokenizerError, match="'bird' is not among the 4 symbols"):
            mini.encode("The bird")

    def test_it_differs_from_the_unicode_pattern(self) -> None:
        assert "snake_case" in mini_tokenizer(["snake_case x"]).vocabulary.index

    def test_json_round_trip(self) -> None:
        mini = mini_tokenizer(["The cat_x. The dog"])
        again = tokenizer_from_dict(mini.to_dict())
        assert again == mini
        assert again.encode("CAT_X").tolist() == mini.encode("cat_x").tolist()


def test_unknown_pattern() -> None:
    with pytest.raises(TokenizerError, match="one of unicode, mini, got 'maxi'"):
        build_tokenizer("word", ["a b"], pattern="maxi")


def test_vocabulary_file_round_trip(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    for options in ({}, {"lowercase": True}, {"pattern": "mini"}):
        tokenizer = build_tokenizer("word", SAMPLES.values(), **options)  # type: ignore[arg-type]
        tokenizer.save_vocab(path)
        assert build_tokenizer("word", vocab_file=path, **options) == tokenizer  # type: ignore[arg-type]


def test_a_line_of_several_tokens_could_never_occur(tmp_path: Path) -> None:
    path = tmp_path / "words.txt"
    path.write_text("one\ndon't\n", encoding="utf-8")
    with pytest.raises(TokenizerError, match=r"line 2: \"don't\" can never occur: the word"):
        build_tokenizer("word", vocab_file=path)
