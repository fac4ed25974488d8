"""Tokenizers: text to token ids and back.

>>> words = build_tokenizer("word", ["The cat sat.", "The dog."])
>>> words.decode(words.encode("The dog sat."))
'The dog sat.'
"""

from fastlm.tokenizers.base import TokenArray, Tokenizer
from fastlm.tokenizers.bpe import BpeTokenizer, train_bpe
from fastlm.tokenizers.build import TOKENIZER_KINDS, build_tokenizer, tokenizer_from_dict
from fastlm.tokenizers.byte import ByteTokenizer
from fastlm.tokenizers.char import CharTokenizer
from fastlm.tokenizers.vocabulary import END, UNK, Vocabulary
from fastlm.tokenizers.whitespace import WhitespaceTokenizer
from fastlm.tokenizers.word import WordTokenizer

__all__ = [
    "END",
    "TOKENIZER_KINDS",
    "UNK",
    "BpeTokenizer",
    "ByteTokenizer",
    "CharTokenizer",
    "TokenArray",
    "Tokenizer",
    "Vocabulary",
    "WhitespaceTokenizer",
    "WordTokenizer",
    "build_tokenizer",
    "tokenizer_from_dict",
    "train_bpe",
]
