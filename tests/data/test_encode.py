"""Text to tokens in blocks: the same as at once, for any blocks and any number of threads."""

from __future__ import annotations

import dataclasses
import gzip

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastlm.data.encode import EncodingJob, corpus_tokenizer, encode_corpus, scan_counter
from fastlm.data.scan import scan_corpus
from fastlm.errors import CorpusError
from fastlm.text.documents import split_documents
from fastlm.text.paths import inputs_of
from fastlm.tokenizers import build_tokenizer as tokenizer_from_texts
from fastlm.tokenizers.spec import TokenizerSpec

from .test_split import SmallParts, naive_file_split

KINDS = ["char", "word", "whitespace", "byte"]
MODES = ["file", "lines", "paragraphs", "stream"]
TEXT = "\n".join(f"Line {n}: né, 猫は魚を見た,\twords\u00a0and {n * n}!\n" for n in range(300))

some_text = st.text(st.sampled_from("abz '.é猫\U0001f600\u0301\n\n"), max_size=60)


def options_of(kind, mode):
    return {"line_ends": True} if mode == "stream" and kind in ("word", "whitespace") else {}


def documents_of(texts, mode):
    return [document for text in texts for document in split_documents(text, mode)]


def encoded(texts, kind, mode, fraction, *, block, threads, part=5):
    """(tokenizer, training ids, validation ids, metadata), in blocks."""
    source = SmallParts(texts)
    source.characters = part
    scan = scan_corpus([source])
    job = EncodingJob(
        scan,
        TokenizerSpec(kind=kind).for_documents(mode),
        mode,
        fraction,
        threads=threads,
        block_bytes=block,
    )
    tokenizer = corpus_tokenizer(job)
    blocks = []
    facts = encode_corpus(job, tokenizer, blocks.append)
    ids = np.concatenate(blocks)
    train = facts["train"]["tokens"]
    return tokenizer, ids[:train], ids[train:], facts


@pytest.mark.thorough
@given(
    st.lists(some_text, min_size=1, max_size=6),
    st.sampled_from(KINDS),
    st.sampled_from(MODES),
    st.integers(1, 50),
    st.integers(1, 3),
    st.integers(1, 20),
)
@settings(deadline=None, max_examples=300)
def test_blocks_give_what_all_text_at_once_gives(texts, kind, mode, block, threads, part):
    texts = [*texts, "two more words\n\na"]
    tokenizer, ids, _, facts = encoded(
        texts, kind, mode, 0, block=block, threads=threads, part=part
    )
    documents = documents_of(texts, mode)
    expected = tokenizer_from_texts(kind, documents, **options_of(kind, mode))
    assert tokenizer == expected
    assert ids.tolist() == expected.encode_documents(documents).tolist()
    assert ids.dtype == expected.dtype
    assert facts["counts"] == np.bincount(ids, minlength=expected.vocab_size).tolist()
    assert facts["train"] == {
        "tokens": ids.size,
        "documents": len(documents),
        "characters": sum(map(len, documents)),
        "bytes": sum(len(document.encode()) for document in documents),
        "unknown": 0,
    }
    assert facts["valid"]["tokens"] == 0
    assert facts["valid_fraction"] is None


@pytest.mark.thorough
@given(
    st.lists(some_text, min_size=1, max_size=6), st.sampled_from(KINDS), st.integers(1, 50),
    st.sampled_from([0.1, 0.3, 0.5]),
)  # fmt: skip
@settings(deadline=None, max_examples=150)
def test_the_held_out_part_counts_for_no_vocabulary(texts, kind, block, fraction):
    texts = ["two more words\n\na", *texts, "the end\nof it"]
    tokenizer, train, valid, facts = encoded(texts, kind, "file", fraction, block=block, threads=2)
    parts = naive_file_split([text for text in texts if text], fraction)
    expected = tokenizer_from_texts(kind, parts[0])
    assert tokenizer == expected
    assert train.tolist() == expected.encode_documents(parts[0]).tolist()
    assert valid.tolist() == expected.encode_documents(parts[1]).tolist()
    unknown = 0 if expected.unk_id is None else valid.tolist().count(expected.unk_id)
    assert facts["valid"]["unknown"] == unknown
    assert facts["valid_fraction"] == fraction


def test_a_stream_has_a_token_for_each_line_end():
    texts = ["a b\nb\n\n", "b", "a\n"]
    for block, threads in ((1, 2), (3, 1), (100, 2)):
        tokenizer, ids, _, facts = encoded(
            texts, "whitespace", "stream", 0, block=block, threads=threads
        )
        symbols = [tokenizer.token(id) for id in ids.tolist()]
        assert symbols == [
            *("a", "b", "\n", "b", "\n", "\n", "<end>"), *("b", "\n", "<end>"),
            *("a", "\n", "<end>"),
        ]  # fmt: skip
        assert facts["train"]["characters"] == len("a b\nb\n\n" + "b\n" + "a\n")


def test_words_learn_spaces_from_the_training_part(tmp_path):
    train, valid = "यह घर है। वह काम है।\n" * 60, "यह । है ।\n" * 20
    fraction = len(valid) / len(train + valid)
    forms = [
        encoded([train + valid], "word", "file", fraction, block=block, threads=threads)[
            0
        ].to_dict()
        for block, threads in ((7, 2), (1000, 1))
    ]
    assert forms[0] == forms[1] == tokenizer_from_texts("word", [train]).to_dict()
    assert forms[0]["spacing"] == {"spaced": [], "tight": [["word", "।"]]}
    (tmp_path / "words.txt").write_text("यह\nहै\n।\n", encoding="utf-8")
    spec = TokenizerSpec.of("word", vocab=tmp_path / "words.txt")
    listed = corpus_tokenizer(EncodingJob(scan_corpus([SmallParts([train])]), spec, "file"))
    assert listed.decode(listed.encode("यह है।")) == "यह है।"
    plain = spec.ready()
    given = corpus_tokenizer(
        EncodingJob(scan_corpus([SmallParts([train])]), TokenizerSpec.of(plain), "file")
    )
    assert given is plain


@pytest.mark.parametrize("mode", MODES)
def test_bpe_is_learnt_from_the_training_part_in_blocks(mode):
    pytest.importorskip("tokenizers")
    whole, ids, valid, facts = encoded([TEXT] * 3, "bpe", mode, 0.1, block=500, threads=2, part=99)
    assert encoded([TEXT] * 3, "bpe", mode, 0.1, block=10**6, threads=1)[0] == whole
    documents = documents_of([TEXT] * 3, mode)
    if mode in ("file", "stream"):
        documents, held_out = naive_file_split(documents, 0.1)
        assert tokenizer_from_texts("bpe", documents) == whole
        assert valid.tolist() == whole.encode_documents(held_out).tolist()
    assert ids.tolist() == whole.encode_documents(documents).tolist()[: ids.size]
    assert facts["vocab"] == whole.vocab_size


# ---------------------------------------------------------------------------- counting early


@pytest.mark.parametrize("blank", [False, True])
@pytest.mark.parametrize("valid", [0, 0.01, 0.7])
def test_characters_counted_by_the_scan_are_those_of_the_training_part(tmp_path, valid, blank):
    (tmp_path / "a.txt").write_text(TEXT, encoding="utf-8")
    with gzip.open(tmp_path / "b.txt.gz", "wt", encoding="utf-8") as file:
        file.write("Ω and ω, at the end ½")
    (tmp_path / "c.jsonl").write_text('{"text": "ab"}\n{"text": "cß"}\n', encoding="utf-8")
    if blank:
        (tmp_path / "blank.txt").write_text("\u2003\n", encoding="utf-8")
    inputs = inputs_of(tmp_path)
    spec = TokenizerSpec(kind="char")
    scan = scan_corpus(inputs, counter=scan_counter(inputs, spec, "file"))
    # What is left out has been counted by then, and all is counted once more.
    assert (scan.counter is None) == blank
    early, late = (
        corpus_tokenizer(EncodingJob(one, spec, "file", valid)).to_dict()
        for one in (scan, dataclasses.replace(scan, counter=None))
    )
    assert early == late
    assert ("ß" in early["symbols"]) == (valid == 0)


@pytest.mark.parametrize(
    ("spec", "mode"),
    [
        (TokenizerSpec(kind="word"), "file"),
        (TokenizerSpec(kind="char"), "lines"),
        (TokenizerSpec(kind="char", options={"lowercase": True}), "file"),
        (TokenizerSpec(kind="byte"), "file"),
    ],
)
def test_what_is_not_counted_by_the_scan(spec, mode):
    assert scan_counter(inputs_of(texts=["ab"]), spec, mode) is None


# ---------------------------------------------------------------------------- the job


def test_what_is_held_out():
    scan = scan_corpus(inputs_of(texts=["a line\n" * 2000]))
    spec = TokenizerSpec(kind="char")
    for valid, fraction in ((None, 0.05), (0.2, 0.2), (0, None)):
        job = EncodingJob(scan, spec, "lines", valid)
        assert job.valid_fraction == fraction
        assert job.cut == (None if fraction is None else round(2000 * (1 - fraction)) * 7)
    with pytest.raises(CorpusError, match="above 0 and below 1"):
        _ = EncodingJob(scan, spec, "lines", 2).cut
