"""The specification of a tokenizer: what is made, and whether a text is needed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fastlm.errors import TokenizerError
from fastlm.tokenizers import ByteTokenizer, CharTokenizer, build_tokenizer, train_bpe
from fastlm.tokenizers.build import build_tokenizer_from_counts
from fastlm.tokenizers.spec import MOST_WORDS, TokenizerSpec


def test_what_is_wanted_wins_over_the_default() -> None:
    options = {"lowercase": True}
    preset: dict[str, Any] = {"default": "word", "default_options": options}
    assert TokenizerSpec.of(None).kind == "char"
    by_preset = TokenizerSpec.of(None, **preset)
    assert (by_preset.kind, by_preset.asked_for, by_preset.options) == ("word", None, options)
    by_name = TokenizerSpec.of("word", **preset)
    assert (by_name.kind, by_name.asked_for, by_name.options) == ("word", "word", options)
    other = TokenizerSpec.of("char", **preset, min_count=2)
    assert (other.kind, other.options, other.min_count) == ("char", {}, 2)


def test_a_tokenizer_that_is_given_is_ready() -> None:
    given = build_tokenizer("word", ["a b"])
    spec = TokenizerSpec.of(given, default="char", min_count=5)
    assert spec.ready() is given
    assert spec.settings() == {"fingerprint": given.fingerprint()}


def test_tokenizers_that_need_no_text(tmp_path: Path) -> None:
    assert TokenizerSpec.of("tiny").ready() == CharTokenizer.tiny()
    assert TokenizerSpec.of("byte").ready() == ByteTokenizer()
    path = tmp_path / "v.txt"
    path.write_text("a\nb\n", encoding="utf-8")
    spec = TokenizerSpec.of("char", vocab=path)
    assert spec.ready() == build_tokenizer("char", vocab_file=path)


@pytest.mark.parametrize("kind", ["char", "word", "whitespace"])
def test_counts_give_what_texts_give(kind: str) -> None:
    spec = TokenizerSpec.of(kind, min_count=2)
    assert spec.ready() is None
    text = "a a b b c"
    counts = {"a": 2, "b": 2, "c": 1} | ({" ": 4} if kind == "char" else {})
    assert spec.from_counts(counts) == build_tokenizer(kind, [text], min_count=2)
    assert spec.settings() == {"kind": kind, "min_count": 2, "max_vocab": None}


def test_bpe_is_trained_on_blocks() -> None:
    pytest.importorskip("tokenizers")
    spec = TokenizerSpec.of("bpe", max_vocab=270)
    assert spec.ready() is None
    assert spec.from_blocks([b"the cat", b" the cat"], "file") == train_bpe(
        ["the cat the cat"], max_vocab=270
    )


def test_settings_that_no_tokenizer_has_are_found_without_text() -> None:
    for kind, limits in (("char", {"min_count": 0}), ("byte", {"max_vocab": 9}), ("klingon", {})):
        with pytest.raises(TokenizerError):
            TokenizerSpec.of(kind, **limits).ready()


def test_words_of_a_stream_know_line_ends() -> None:
    for kind in ("word", "whitespace"):
        spec = TokenizerSpec.of(kind)
        assert spec.for_documents("lines") == spec
        assert spec.for_documents("stream").options == {"line_ends": True}
        assert spec.for_documents("stream").settings()["line_ends"]
        without, with_line_ends = (
            TokenizerSpec.of(build_tokenizer(kind, ["a b"], line_ends=line_ends))
            for line_ends in (False, True)
        )
        assert with_line_ends.for_documents("stream") == with_line_ends
        with pytest.raises(TokenizerError, match="has no token for line ends; leave it out, or bu"):
            without.for_documents("stream")
    for kind in ("char", "byte", "bpe"):
        assert TokenizerSpec.of(kind).for_documents("stream") == TokenizerSpec.of(kind)


def test_the_largest_vocabulary_of_words_where_no_limit_is_given():
    counts = {f"w{number}": 50_000 - number for number in range(40_000)}
    spec = TokenizerSpec.of("word")
    words = spec.from_counts(counts)
    assert words == build_tokenizer_from_counts("word", counts, max_vocab=MOST_WORDS)
    assert words.vocab_size == MOST_WORDS == spec.settings()["most_words"]
    few = dict(list(counts.items())[: MOST_WORDS - 2])
    assert spec.from_counts(few) == build_tokenizer_from_counts("word", few)
    for given in ({"min_count": 1}, {"min_count": 2}, {"max_vocab": 40_001}):
        spec = TokenizerSpec.of("word", **given)
        assert spec.from_counts(counts) == build_tokenizer_from_counts("word", counts, **given)
        assert "most_words" not in spec.settings()
    for kind in ("whitespace", "char"):
        assert TokenizerSpec.of(kind).most_words is None
    preset = {"default": "word", "default_options": {"unk": False}}
    assert TokenizerSpec.of(None, **preset).most_words is None
