"""Tokenizer files that may hold anything: none ends the process; each is read or our error."""

from __future__ import annotations

import copy
import json
from base64 import b64encode

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastlm.errors import ModelFileError, TokenizerError
from fastlm.tokenizers import BpeTokenizer, build_tokenizer, tokenizer_from_dict
from fastlm.tokenizers.library import call_library, load_library_tokenizer
from tests.api.models import make_model

pytest.importorskip("tokenizers")


def model(**changes):
    return {
        "type": "BPE", "dropout": None, "unk_token": None, "continuing_subword_prefix": None,
        "end_of_word_suffix": None, "fuse_unk": False, "byte_fallback": False,
        "ignore_merges": False, "vocab": {"a": 0, "b": 1, "ab": 2}, "merges": [["a", "b"]],
        **changes,
    }  # fmt: skip


def form(**changes):
    return {
        "version": "1.0", "truncation": None, "padding": None, "added_tokens": [],
        "normalizer": None, "pre_tokenizer": None, "post_processor": None, "decoder": None,
        "model": model(), **changes,
    }  # fmt: skip


def charsmap(data: bytes):
    return {"type": "Precompiled", "precompiled_charsmap": b64encode(data).decode()}


def split(pattern: str):
    how = {"behavior": "Isolated", "invert": False}
    return {"type": "Split", "pattern": {"Regex": pattern}, **how}


def replacements(count: int):
    one = {"type": "Replace", "pattern": {"String": "a"}, "content": "aa"}
    return {"type": "Sequence", "normalizers": [one] * count}


BREAKING = {
    "a trie of 2 GB": ({"normalizer": charsmap(b"\xff\xff\xff\x7fab")}, "cut short or altered"),
    "a trie of one": ({"normalizer": charsmap(b"\x04\0\0\0abcdef")}, "index out of bounds"),
    "an id of 2 GB": (
        {"model": {"type": "WordLevel", "vocab": {"a": 0, "b": 2**31 - 2}, "unk_token": "a"}},
        "has the id 2147483646, and there are 2 tokens",
    ),
    "no trie": ({"normalizer": charsmap(b"")}, "of 0 bytes is cut short"),
    "no base 64": ({"normalizer": {"type": "Precompiled"}}, "not in base 64"),
    "nested": (
        {"normalizer": {"type": "Sequence", "normalizers": [charsmap(b"\xff\xff\xff\x7fab")]}},
        "cut short or altered",
    ),
    "pieces of nothing": (
        {"pre_tokenizer": {"type": "FixedLength", "length": 0}}, "pieces of 0 characters",
    ),
    "going back for ever": ({"pre_tokenizer": split("(?:(a+)+)+(?=x)")}, "retry-limit"),
    "doubling for ever": ({"normalizer": replacements(40)}, "lengthens a text 1.1e+12 times"),
    "a prefix longer than its tokens": (
        {"model": model(continuing_subword_prefix="####")}, "out of range",
    ),
    "an unknown type": (
        {"pre_tokenizer": {"type": "Surprise"}}, "has the type 'Surprise', and known are Bert",
    ),
    "no object": ({"decoder": [1]}, "its decoder is [1], not an object"),
    "no list": ({"decoder": {"type": "Sequence", "decoders": 3}}, "is a sequence of 3"),
    "no model": ({"model": None}, "cannot read this tokenizer"),
}  # fmt: skip


@pytest.mark.parametrize("name", BREAKING)
def test_what_breaks_the_library_is_a_tokenizer_error(name, tmp_path):
    changes, message = BREAKING[name]
    with pytest.raises(TokenizerError) as caught:
        BpeTokenizer(form(**changes))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(form(**changes)))
    with pytest.raises(TokenizerError):
        build_tokenizer("bpe", vocab_file=path)


def test_a_model_file_with_such_a_tokenizer_is_refused(tmp_path):
    sound = BpeTokenizer(form(), boundary=True)
    lm = make_model(sound)
    metadata = lm.metadata()
    from fastlm.model.model_file import write_model_file

    metadata["tokenizer"]["tokenizer"] |= {"normalizer": charsmap(b"\x04\0\0\0abcdef")}
    write_model_file(tmp_path / "model", lm.tensors, metadata)
    with pytest.raises(ModelFileError, match="does not hold a sound model: the tokenizers library"):
        type(lm).load(tmp_path / "model")


def test_a_text_that_cannot_be_encoded_is_an_error_of_the_text():
    unigram = {
        "type": "Unigram", "unk_id": None, "vocab": [["a", -1.0], ["b", -2.0]],
        "byte_fallback": False,
    }  # fmt: skip
    tokenizer = BpeTokenizer(form(model=unigram))
    assert tokenizer.encode("ab").tolist() == [0, 1]
    with pytest.raises(TokenizerError, match="cannot encode the text: Encountered an unknown tok"):
        tokenizer.encode("az")
    slow = BpeTokenizer(form(pre_tokenizer=split("(?:(b+)+)+(?=x)")))
    with pytest.raises(TokenizerError, match="cannot encode the text: Onig"):
        slow.encode("b" * 40)


def test_padding_and_truncation_are_not_even_read():
    padding = {
        "strategy": {"Fixed": 10**12}, "direction": "Right", "pad_to_multiple_of": None,
        "pad_id": 0, "pad_type_id": 0, "pad_token": "a",
    }  # fmt: skip
    truncation = {"direction": "Right", "max_length": 1, "strategy": "LongestFirst", "stride": 5}
    library = load_library_tokenizer(form(padding=padding, truncation=truncation))
    assert library.encode("abab").ids == [2, 2]


def test_what_files_of_the_library_have_is_read():
    """As of BERT, GPT-2, Llama and T5, and few replacements."""
    for changes in (
        {"normalizer": replacements(6)},
        {"pre_tokenizer": {"type": "FixedLength", "length": 5}},
        {
            "normalizer": {"type": "Prepend", "prepend": "▁"},
            "decoder": {"type": "Sequence", "decoders": [{"type": "Fuse"}]},
        },
        {"pre_tokenizer": split(r"\s+|\w+")},
    ):
        assert BpeTokenizer(form(**changes)).encode("ab").size
    old = model()
    del old["type"]
    assert BpeTokenizer(form(model=old)).encode("ab").tolist() == [2]


def test_interrupts_are_not_errors_of_the_library():
    for kind in (KeyboardInterrupt, SystemExit):
        with pytest.raises(kind), call_library("fails", "give up"):
            raise kind
    with (
        pytest.raises(TokenizerError, match="library fails: Panic; give up"),
        call_library("fails", "give up"),
    ):
        raise type("Panic", (BaseException,), {})


VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**40), 2**40)
    | st.text(max_size=4)
    | st.lists(st.integers(0, 3), max_size=2)
    | st.dictionaries(st.sampled_from(["type", "String", "Regex"]), st.text(max_size=3), max_size=2)
)
SOUND = form(
    normalizer={"type": "Sequence", "normalizers": [{"type": "NFC"}, replacements(1)]},
    pre_tokenizer=split("a"),
    decoder={"type": "Metaspace", "replacement": "_", "prepend_scheme": "always", "split": True},
)


def paths(value, path=()):
    """All places in a JSON value."""
    yield path
    if not isinstance(value, dict | list):
        return
    items = value.items() if isinstance(value, dict) else enumerate(value)
    for key, inner in items:
        yield from paths(inner, (*path, key))


@settings(deadline=None, max_examples=150)
@given(place=st.sampled_from(list(paths(SOUND))[1:]), value=VALUES)
def test_any_value_anywhere(place, value):
    altered = copy.deepcopy(SOUND)
    inner = altered
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    try:
        tokenizer = tokenizer_from_dict({"kind": "bpe", "tokenizer": altered})
        tokenizer.decode(tokenizer.encode("abba ab"))
    except TokenizerError:
        pass
