"""Texts in many scripts, and what hypothesis draws."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.util import find_spec

from hypothesis import strategies as st

from fastlm.tokenizers import TOKENIZER_KINDS, Tokenizer, build_tokenizer

SAMPLES = {
    "english": 'She said: "It isn\'t well-known, is it?" (1,234.5 & 50%)\n\tnext_line\r\n',
    "devanagari": "क्षत्रिय हिन्दी में लिखते हैं।",
    "arabic": "السَّلَامُ عَلَيْكُمْ، كيف حالك؟",
    "hebrew": "שָׁלוֹם עוֹלָם",
    "persian": "می‌خواهم کتاب‌ها",
    "thai": "ที่นี่ประเทศไทย",
    "khmer": "ភាសាខ្មែរ",
    "chinese": "第三章：我用Python写程序，很好。",
    "japanese": "カタカナとひらがな、コーヒー2杯。",
    "korean": "한국어를 배우고 있어요.",
    "emoji": "👩‍💻 codes ❤️ 🇪🇺 👍🏽",
    "astral": "𝒳𝒴 𐐷 😀",
    "combining": "e\u0301te\u0301 n\u0303",
    "russian": "Счастливые семьи похожи.",
    "odd": "\u200b\u00ad\ufeff\u2028\x00\x85 a",
}

CORPUS = ["The cat sat. The end.", *SAMPLES.values()]

KINDS = [kind for kind in TOKENIZER_KINDS if kind != "bpe" or find_spec("tokenizers")]

TEXTS = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=60)
"""Arbitrary text without lone surrogates."""

WORDY_TEXTS = st.text(
    alphabet=st.one_of(
        st.sampled_from("abzABZ019 _-'’\"“”„().,:;!?/@$%#–—\n\t"),
        st.sampled_from("éßİΣς\u0301\u093f\u200c\u200d\u00ad\ufe0f第章カーที่ខ្我。，한س०๑²😀𝒳"),
        st.characters(exclude_categories=["Cs"]),
    ),
    max_size=60,
)
"""Text of the characters that the word tokenizer has rules for."""

STREAM_TEXTS = (
    st.lists(
        st.one_of(
            st.sampled_from(
                ["\n", "\n\n", "\n \t\n", "\n\u3000\n\n", " ", "The", "the", "ΟΔΟΣ", "Σ'"]
            ),
            WORDY_TEXTS,
        ),
        max_size=8,
    )
    .map("".join)
    .map(lambda text: text.replace("\r\n", "\n").replace("\r", "\n"))
)
"""Text with lines, paragraphs and what lower-casing finds hard."""


def mini_tokenizer(texts: Iterable[str]) -> Tokenizer:
    """The Mini system's: neither ``<end>`` nor ``<unk>``, lower case, its own pattern."""
    return build_tokenizer("word", texts, boundary=False, unk=False, lowercase=True, pattern="mini")
