"""What is held out of a corpus that is only streamed."""

from __future__ import annotations

import tempfile

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fastlm.data.scan import CorpusScan, scan_corpus
from fastlm.data.split import held_out_from, in_two, split_train_valid
from fastlm.errors import CorpusError
from fastlm.text.documents import split_documents
from fastlm.text.paths import inputs_of
from fastlm.text.sources import Input, TextPart, TextsInput

SOME_TEXT = st.text(st.sampled_from("ab é猫\U0001f600\n"), min_size=1, max_size=40)
FRACTIONS = st.sampled_from([0.01, 0.05, 0.1, 0.25, 0.5, 0.77, 0.99])


class Pieces(TextsInput):
    """Texts in pieces of a few characters."""

    size_of_piece = 3

    def parts(self, *, trusted: bool = False):
        for piece in super().parts(trusted=trusted):
            text = piece.data.decode()
            for at in range(0, len(text), self.size_of_piece):
                part = text[at : at + self.size_of_piece]
                yield TextPart(part.encode(), at + self.size_of_piece >= len(text))


def surveyed(inputs: list[Input]) -> CorpusScan:
    return scan_corpus(inputs, keep=0, spool=tempfile.TemporaryFile)


@pytest.fixture(autouse=True)
def many_marks(monkeypatch):
    monkeypatch.setattr("fastlm.data.scan._SUMMED", 5)
    monkeypatch.setattr("fastlm.data.scan._MARKED", 5)


def parts(found: CorpusScan, cut: int | None) -> tuple[list[str], list[str]]:
    """The texts before and behind a cut."""
    texts: tuple[list[str], list[str]] = ([], [])
    begun = ""
    for part, piece in in_two(found.pieces(), cut):
        begun += piece.data.decode()
        if piece.ends_text:
            texts[part].append(begun)
            begun = ""
    assert begun == ""
    return texts


@given(st.lists(st.lists(SOME_TEXT, min_size=1, max_size=4), min_size=1, max_size=3), FRACTIONS)
@settings(deadline=None, max_examples=300)
def test_files_are_cut_as_in_memory(texts, fraction):
    assume(all("".join(group).strip() for group in texts))
    found = surveyed([Pieces(group) for group in texts])
    together = [text for group in texts for text in group]
    try:
        expected = split_train_valid(together, fraction, "file")
    except CorpusError:
        with pytest.raises(CorpusError, match="is too short to hold out"):
            held_out_from(found, fraction, "file")
        return
    assert parts(found, held_out_from(found, fraction, "file")) == expected


@given(
    st.lists(SOME_TEXT, min_size=1, max_size=5), FRACTIONS, st.sampled_from(["lines", "paragraphs"])
)
@settings(deadline=None, max_examples=300)
def test_lines_and_paragraphs_are_cut_between_two(texts, fraction, mode):
    assume("".join(texts).strip())
    found = surveyed([Pieces(texts)])
    whole = [document for text in texts for document in split_documents(text, mode)]
    try:
        cut = held_out_from(found, fraction, mode)
    except CorpusError:
        # Only where all text is one document, or the cut would be beyond all but one.
        assert len(whole) < 3 or fraction in (0.01, 0.05, 0.1, 0.77, 0.99)
        return
    train, valid = (
        [document for text in part for document in split_documents(text, mode)]
        for part in parts(found, cut)
    )
    assert train + valid == whole
    assert train
    assert valid


@pytest.mark.parametrize("mode", ["lines", "paragraphs"])
def test_the_closest_end_is_taken(mode):
    separator = "\n" if mode == "lines" else "\n \n\n"
    text = separator.join(f"document {number:04}" for number in range(1000))
    found = surveyed([Pieces([text])])
    train, valid = parts(found, held_out_from(found, 0.25, mode))
    assert abs(len(valid[0]) / len(text) - 0.25) < 0.001
    assert len(list(split_documents(train[0], mode))) == 750


def test_a_cut_between_two_texts():
    found = surveyed(inputs_of(texts=["abcd", "efgh"]))
    assert parts(found, 4) == (["abcd"], ["efgh"])
    assert parts(found, None) == (["abcd", "efgh"], [])
    assert parts(found, 6) == (["abcd", "ef"], ["gh"])


def test_a_cut_between_two_pieces_of_a_text_ends_it():
    pieces = [TextPart(b"ab", False), TextPart(b"cd", True)]
    assert list(in_two(pieces, 2)) == [
        (0, TextPart(b"ab", False)),
        (0, TextPart(b"", True)),
        (1, TextPart(b"cd", True)),
    ]


@pytest.mark.parametrize("fraction", [0, 1, -0.5, float("nan"), True, "0.1"])
def test_a_fraction_out_of_range(fraction):
    with pytest.raises(CorpusError, match="must be above 0 and below 1"):
        held_out_from(surveyed(inputs_of(texts=["ab"])), fraction, "file")
