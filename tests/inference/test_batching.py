"""Batches of texts: their parts put together are the texts, and their ids those of each text."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastlm.errors import TextError
from fastlm.inference import batching
from fastlm.inference.batching import encode_batch, part_sizes, skipped_size, text_batches
from fastlm.text.documents import split_documents
from fastlm.tokenizers import ByteTokenizer, CharTokenizer, backend, build_tokenizer
from tests.tokenizers.samples import mini_tokenizer

CORPUS = "the cat sat on a mat\nand the dog\n"
TOKENIZERS = [
    build_tokenizer("char", [CORPUS]),
    build_tokenizer("char", [CORPUS], lowercase=True),
    build_tokenizer("word", [CORPUS]),
    ByteTokenizer(),
    ByteTokenizer(boundary=False),
    CharTokenizer.tiny(),
]
TEXTS = st.lists(st.text(st.sampled_from("the cat\n\r S猫"), max_size=20), max_size=6)


def expected_documents(text, documents, keep_empty):
    """The documents of a text; one as it stands where it has none."""
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    found = list(split_documents(text, documents))
    if not found and keep_empty:
        return [text if documents == "file" else text.strip("\n")]
    return found


def all_batches(texts, documents, tokenizer, size, part_size, **how):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batching, "PART_CHARS", part_size)
        return list(text_batches(texts, documents, tokenizer, size, **how))


@given(
    tokenizer=st.sampled_from(TOKENIZERS),
    documents=st.sampled_from(["file", "lines", "paragraphs"]),
    texts=TEXTS,
    size=st.integers(1, 30),
    part_size=st.integers(1, 30),
    keep_empty=st.booleans(),
)
@settings(deadline=None, max_examples=200)
def test_parts_and_ids_put_together_are_those_of_the_texts(
    tokenizer, documents, texts, size, part_size, keep_empty
):
    found, ids = [[""]], []
    numbers = []
    for batch in all_batches(texts, documents, tokenizer, size, part_size, keep_empty=keep_empty):
        encoded, tokens, ends = encode_batch(batch, tokenizer)
        if encoded.failure is not None:  # unknown to a vocabulary without <unk>
            assert tokenizer.unk_id is None
            return
        ids.append(tokens)
        assert ends.size == len(batch.parts)
        assert ends.size == 0 or ends[-1] == tokens.size
        numbers.append((batch.first_text, batch.continues))
        done = 0
        for number, part in enumerate(batch.parts):
            while done < len(batch.text_ends) and batch.text_ends[done] <= number:
                found.append([""])
                done += 1
            found[-1][-1] += part
            if number + 1 < len(batch.parts) or not batch.open_document:
                found[-1].append("")
        found += [[""] for _ in range(len(batch.text_ends) - done)]
    documents_found = [text[:-1] for text in found[:-1]]
    wanted = [expected_documents(text, documents, keep_empty) for text in texts]
    assert documents_found == wanted
    flat = [document for text in wanted for document in text]
    joined = np.concatenate([np.empty(0, dtype=tokenizer.dtype), *ids])
    np.testing.assert_array_equal(joined, tokenizer.encode_documents(flat))
    assert numbers == sorted(numbers)


def test_batches_are_about_as_large_as_asked_for():
    tokenizer = TOKENIZERS[0]
    batches = list(text_batches(["the cat"] * 100, "file", tokenizer, 80))
    assert {len(batch.parts) for batch in batches} == {10}
    assert [batch.first_text for batch in batches] == list(range(0, 100, 10))
    empty = list(text_batches([""] * 100, "file", tokenizer, 80))
    assert [len(batch.parts) for batch in empty] == [80, 20]


def test_texts_are_read_as_they_are_needed():
    read = []

    def source():
        for number in range(10):
            read.append(number)
            yield "the cat"

    batches = text_batches(source(), "file", TOKENIZERS[0], 16)
    next(batches)
    assert read == [0, 1]
    batches.close()
    assert read == [0, 1]


def test_what_is_no_text_ends_the_last_batch():
    (batch,) = text_batches(["a", "b", None], "file", TOKENIZERS[0], 100)
    assert batch.parts == ["a", "b"]
    assert isinstance(batch.failure, TextError)
    assert batch.failure.index == 2


def test_a_text_that_cannot_be_encoded_ends_its_batch_before_it():
    tokenizer = mini_tokenizer([CORPUS])
    (batch,) = text_batches(["the cat", "the\nfish", "dog"], "lines", tokenizer, 100)
    batch, ids, ends = encode_batch(batch, tokenizer)
    assert (batch.parts, batch.text_ends) == (["the cat"], [1])
    assert ids.tolist() == tokenizer.encode("the cat").tolist()
    assert ends.tolist() == [ids.size]
    assert batch.failure.index == 1
    assert "in the part that begins with 'fish'" in str(batch.failure)


def test_the_sizes_of_parts_count_the_ends_of_documents():
    batches = all_batches(["aé\nb", "猫" * 5], "lines", ByteTokenizer(), 6, 3)
    sizes = [[column.tolist() for column in part_sizes(batch, 1)] for batch in batches]
    chars = sum(sum(of_batch[0]) for of_batch in sizes)
    n_bytes = sum(sum(of_batch[1]) for of_batch in sizes)
    assert (chars, n_bytes) == (3 + 5 + 3, 4 + 15 + 3)


@pytest.mark.parametrize(
    ("tokenizer", "text", "first", "skipped"),
    [
        (CharTokenizer.tiny(), "The cat", 3, (3, 3)),
        (ByteTokenizer(boundary=False), "aéé!", 3, (2, 3)),
        # The third byte is half of é, which is there only when the fourth is.
        (ByteTokenizer(boundary=False), "abéz", 3, (2, 3)),
        (mini_tokenizer([CORPUS]), "the cat sat on", 3, (len("the cat sat"),) * 2),
    ],
)
def test_tokens_that_are_not_predicted_have_the_size_of_their_text(tokenizer, text, first, skipped):
    assert skipped_size(text, tokenizer.encode(text)[:first], tokenizer) == skipped


WORDY = [
    build_tokenizer("word", [CORPUS]),
    build_tokenizer("word", [CORPUS], lowercase=True),
    build_tokenizer("whitespace", [CORPUS]),
]
ODD_WORDS = st.text(
    st.sampled_from("the cat's 9.5\n\t\x0b\x1c\x85\u2028\u200d\u00a0S\u0130\u0301猫😀<end>"),
    max_size=12,
)


@given(
    tokenizer=st.sampled_from(WORDY),
    parts=st.lists(ODD_WORDS | st.sampled_from(["", " ", "\n"]), min_size=1, max_size=5),
    open_document=st.booleans(),
)
@settings(deadline=None, max_examples=300)
def test_kernels_encode_words_line_by_line_as_each_part(tokenizer, parts, open_document):
    batch = batching.TextBatch(0, parts, open_document=open_document)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batching, "compiled_pays_by_now", lambda size: True)
        found = batching._encode_lines(batch, tokenizer)
    arrays = [tokenizer.encode(part) for part in parts]
    if found is None:  # neither blank nor with a token
        assert any(
            part.strip() and not array.size for part, array in zip(parts, arrays, strict=True)
        )
        return
    ids, ends = batching._join(arrays, batch, tokenizer)
    np.testing.assert_array_equal(found[0], ids)
    np.testing.assert_array_equal(found[1], ends)


def test_words_are_read_by_kernels_once_enough_has_come(monkeypatch):
    monkeypatch.setattr(backend, "kernels_loaded", lambda: False)
    monkeypatch.setattr(backend, "compiled_pays", lambda size: size > 100)
    monkeypatch.setattr(backend, "_bytes_so_far", 0)
    assert [backend.compiled_pays_by_now(40) for _ in range(4)] == [False, False, True, True]
