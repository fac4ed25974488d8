"""What is held out of a corpus that is only streamed."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fastlm.data.scan import CorpusScan, scan_corpus
from fastlm.data.split import MIN_CHARACTERS, TRAIN, VALID, check_fraction, find_cut, split_parts
from fastlm.errors import CorpusError
from fastlm.text.documents import DocumentEndSearch, split_documents
from fastlm.text.paths import inputs_of
from fastlm.text.sources import Input, TextPart, TextsInput
from fastlm.tokenizers.safe_cut import safe_cut

SOME_TEXT = st.text(st.sampled_from("ab é猫\U0001f600\n"), min_size=1, max_size=40)
FRACTIONS = st.sampled_from([0.01, 0.05, 0.1, 0.25, 0.5, 0.77, 0.99])


class SmallParts(TextsInput):
    """Texts in parts of a few characters."""

    characters = 3

    def parts(self, *, trusted: bool = False):
        for part in super().parts(trusted=trusted):
            text = part.data.decode()
            for at in range(0, len(text), self.characters):
                some = text[at : at + self.characters]
                yield TextPart(some.encode(), at + self.characters >= len(text))


def scanned(inputs: list[Input]) -> CorpusScan:
    return scan_corpus(inputs)


@pytest.fixture(autouse=True)
def many_seek_points(monkeypatch):
    monkeypatch.setattr("fastlm.data.scan._SUMMED_BYTES", 5)
    monkeypatch.setattr("fastlm.data.scan._SEEK_BYTES", 5)


def split_texts(scan: CorpusScan, cut: int | None) -> tuple[list[str], list[str]]:
    """The texts before and after a cut."""
    texts: tuple[list[str], list[str]] = ([], [])
    begun = ""
    for split, part in split_parts(scan.parts(), cut):
        begun += part.data.decode()
        if part.ends_text:
            texts[split].append(begun)
            begun = ""
    assert begun == ""
    return texts


def split(texts: list[str], fraction: float | None, mode: str) -> tuple[list[str], list[str]]:
    """The documents to train on and to validate on."""
    scan = scanned([SmallParts(texts)])
    train, valid = (
        [document for text in some for document in split_documents(text, mode)]
        for some in split_texts(scan, find_cut(scan, fraction, mode))
    )
    return train, valid


def naive_file_split(texts: list[str], fraction: float) -> tuple[list[str], list[str]]:
    """Files cut by characters, all of them in memory; two empty lists where they are too short."""
    held_out = sum(map(len, texts)) * fraction
    number = len(texts) - 1
    while number > 0 and len(texts[number]) <= held_out:
        held_out -= len(texts[number])
        number -= 1
    text = texts[number]
    cut = round(len(text) - held_out)
    before, limit = max(cut - 1, 0), cut + (len(text) - cut) // 2
    line_end = text.find("\n", before, limit)
    space = re.compile(r"\s").search(text, before, limit)
    if line_end >= 0:
        cut = line_end + 1
    elif space:
        cut = space.end()
    train = [part for part in [*texts[:number], text[:cut]] if part]
    valid = [part for part in [text[cut:], *texts[number + 1 :]] if part]
    return (train, valid) if "".join(train).strip() and "".join(valid).strip() else ([], [])


# ---------------------------------------------------------------------------- files


@pytest.mark.thorough
@given(st.lists(st.lists(SOME_TEXT, min_size=1, max_size=4), min_size=1, max_size=3), FRACTIONS)
@settings(deadline=None, max_examples=300)
def test_files_are_cut_the_obvious_way(texts, fraction):
    assume(all("".join(group).strip() for group in texts))
    scan = scanned([SmallParts(group) for group in texts])
    expected = naive_file_split([text for group in texts for text in group], fraction)
    if expected == ([], []):
        with pytest.raises(CorpusError, match="is too short to hold out"):
            find_cut(scan, fraction, "file")
    else:
        assert split_texts(scan, find_cut(scan, fraction, "file")) == expected


FIRST, SECOND = "a b\n" * 100, "c d\n" * 100


@pytest.mark.parametrize(
    ("texts", "fraction", "train", "valid"),
    [
        ([FIRST, SECOND], 0.25, [FIRST, SECOND[:200]], [SECOND[200:]]),
        ([FIRST, SECOND], 0.5, [FIRST], [SECOND]),
        ([FIRST, SECOND], 0.75, [FIRST[:200]], [FIRST[200:], SECOND]),
        (["line 1\nline 2\nline 3\nline 4"], 0.3, ["line 1\nline 2\nline 3\n"], ["line 4"]),
        (["word " * 50], 0.13, ["word " * 44], ["word " * 6]),
        (["x" * 80 + "y" * 20], 0.2, ["x" * 80], ["y" * 20]),
        # The line end is too far from the cut: half of what is held out stays.
        (["x" * 188 + "\n" + "y" * 11], 0.15, ["x" * 170], ["x" * 18 + "\n" + "y" * 11]),
    ],
)
def test_cuts_of_files(texts, fraction, train, valid):
    assert split(texts, fraction, "file") == (train, valid)


# ---------------------------------------------------------------------------- lines, paragraphs


@pytest.mark.thorough
@given(
    st.lists(SOME_TEXT, min_size=1, max_size=5), FRACTIONS, st.sampled_from(["lines", "paragraphs"])
)
@settings(deadline=None, max_examples=300)
def test_lines_and_paragraphs_are_cut_between_two(texts, fraction, mode):
    assume("".join(texts).strip())
    whole = [document for text in texts for document in split_documents(text, mode)]
    try:
        train, valid = split(texts, fraction, mode)
    except CorpusError:
        # Only where all text is one document, or the cut would be beyond all but one.
        assert len(whole) < 3 or fraction in (0.01, 0.05, 0.1, 0.77, 0.99)
        return
    assert train + valid == whole
    assert train
    assert valid


@pytest.mark.parametrize("mode", ["lines", "paragraphs"])
@pytest.mark.parametrize(
    ("sizes", "fraction", "held_out"),
    [
        ([9] * 10, 0.1, 1), ([9] * 10, 0.26, 3), ([9] * 10, 0.5, 5), ([9] * 10, 0.01, 1),
        ([9] * 10, 0.99, 9), ([9, 9, 79], 0.8, 1), ([9, 9, 79], 0.95, 2), ([9] * 1000, 0.25, 250),
    ],
)  # fmt: skip
def test_the_closest_end_of_a_document_is_taken(mode, sizes, fraction, held_out):
    separator = "\n" if mode == "lines" else "\n \n\n"
    text = separator.join("x" * size for size in sizes)
    train, valid = split([text], fraction, mode)
    assert (len(train), len(valid)) == (len(sizes) - held_out, held_out)


@pytest.mark.thorough
@pytest.mark.parametrize("mode", ["lines", "paragraphs"])
@pytest.mark.parametrize(
    ("sizes", "held_out"),
    [
        ([60] * 100, 0),  # less than 10,000 characters
        ([1000] * 39, 0),
        ([1000] * 40, 2),
        ([1000] * 100, 5),
        ([100] * 100 + [20_000], 1),
    ],
)
def test_what_is_held_out_by_default(mode, sizes, held_out):
    separator = "\n" if mode == "lines" else "\n\n"
    text = separator.join("x" * size for size in sizes) + separator
    train, valid = split([text], None, mode)
    assert (len(train), len(valid)) == (len(sizes) - held_out, held_out)


def test_an_own_fraction_is_held_out_of_any_two_documents():
    assert list(map(len, split(["x" * 6000 + "\n" + "y" * 6000], 0.05, "lines"))) == [1, 1]


@pytest.mark.parametrize("mode", ["lines", "paragraphs"])
@pytest.mark.parametrize("fraction", [0.05, 0.5, None])
def test_a_long_document_takes_linear_time(mode, fraction, monkeypatch):
    """Each byte is looked through a few times, however many parts a line comes in."""
    looked_through = 0
    feed = DocumentEndSearch.feed

    def counted_cut(source, documents, block, final):
        nonlocal looked_through
        looked_through += len(block)
        return safe_cut(source, documents, block, final)

    def counted_feed(self, block):
        nonlocal looked_through
        looked_through += len(block)
        return feed(self, block)

    monkeypatch.setattr("fastlm.data.split.safe_cut", counted_cut)
    monkeypatch.setattr(DocumentEndSearch, "feed", counted_feed)
    scan = scanned([SmallParts(["ab " * 4000, "c\n\nd"])])
    monkeypatch.setattr("fastlm.data.split.MIN_DOCUMENTS", 9)
    find_cut(scan, fraction, mode)
    assert looked_through < 8 * scan.bytes


# ---------------------------------------------------------------------------- what cannot be


@pytest.mark.parametrize("mode", ["file", "lines", "paragraphs"])
@pytest.mark.parametrize("fraction", [1, -0.5, 1.5, float("nan"), True, "0.1"])
def test_a_fraction_out_of_range(fraction, mode):
    with pytest.raises(CorpusError, match="must be above 0 and below 1, got"):
        find_cut(scanned(inputs_of(texts=["ab"])), fraction, mode)


@pytest.mark.parametrize("fraction", [None, 0, 0.0, False, 0.5])
def test_a_fraction_that_is_good(fraction):
    check_fraction(fraction)


@pytest.mark.parametrize(
    ("text", "mode"), [("x", "file"), ("one line", "lines"), ("one\nparagraph", "paragraphs")]
)
def test_too_short_to_hold_out(text, mode):
    message = rf"{len(text)} characters is too short to hold out .*\(documents={mode!r}\); use"
    with pytest.raises(CorpusError, match=message):
        split([text], 0.1, mode)


@pytest.mark.parametrize("mode", ["file", "lines", "paragraphs"])
def test_nothing_is_held_out_of_little_text_unless_it_is_asked_for(mode):
    text = "some text\n\n" * (MIN_CHARACTERS // 11)
    assert split([text], None, mode)[1] == []
    assert split([text], 0, mode)[1] == []
    assert split([text], 0.05, mode)[1] != []


# ---------------------------------------------------------------------------- the two parts


def test_a_cut_between_two_texts():
    scan = scanned(inputs_of(texts=["abcd", "efgh"]))
    assert split_texts(scan, 4) == (["abcd"], ["efgh"])
    assert split_texts(scan, None) == (["abcd", "efgh"], [])
    assert split_texts(scan, 6) == (["abcd", "ef"], ["gh"])


def test_a_cut_between_two_parts_of_a_text_ends_it():
    parts = [TextPart(b"ab", False), TextPart(b"cd", True)]
    assert list(split_parts(parts, 2)) == [
        (TRAIN, TextPart(b"ab", False)),
        (TRAIN, TextPart(b"", True)),
        (VALID, TextPart(b"cd", True)),
    ]
