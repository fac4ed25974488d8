"""The order of the ids, the limits, and the vocabulary file."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastlm.errors import TokenizerError
from fastlm.tokenizers import END, UNK, Vocabulary

COUNTS = Counter({"d": 2, "b": 5, "a": 2, "c": 1})


def test_specials_first_then_by_count_then_by_symbol() -> None:
    vocabulary = Vocabulary.from_counts(COUNTS)
    assert vocabulary.symbols == (END, UNK, "b", "a", "d", "c")
    assert (vocabulary.boundary_id, vocabulary.unk_id) == (0, 1)
    assert vocabulary.index["d"] == 4


@pytest.mark.parametrize(
    ("boundary", "unk", "specials", "ids"),
    [
        (True, False, (END,), (0, None)),
        (False, True, (UNK,), (None, 0)),
        (False, False, (), (None, None)),
    ],
)
def test_specials_can_be_left_out(
    boundary: bool, unk: bool, specials: tuple[str, ...], ids: tuple[int | None, int | None]
) -> None:
    vocabulary = Vocabulary.from_counts(COUNTS, boundary=boundary, unk=unk)
    assert vocabulary.symbols == (*specials, "b", "a", "d", "c")
    assert (vocabulary.boundary_id, vocabulary.unk_id) == ids


def test_limits() -> None:
    assert Vocabulary.from_counts(COUNTS, min_count=2).symbols == (END, UNK, "b", "a", "d")
    assert Vocabulary.from_counts(COUNTS, max_vocab=4).symbols == (END, UNK, "b", "a")
    assert Vocabulary.from_counts(COUNTS, max_vocab=3).symbols == (END, UNK, "b")
    assert Vocabulary.from_counts(COUNTS, max_vocab=6).symbols[-1] == "c"


@pytest.mark.parametrize(
    ("limits", "message"),
    [
        ({"min_count": 0}, "min_count is 0; give a whole number of at least 1"),
        ({"min_count": 1.5}, "min_count is 1.5; give a whole number of at least 1"),
        ({"min_count": True}, "min_count is True; give a whole number of at least 1"),
        ({"max_vocab": 0}, "max_vocab is 0; give a whole number of at least 1"),
        ({"max_vocab": 2}, "max_vocab 2 leaves no room for a symbol .*; use at least 3"),
        ({"min_count": 6}, "min_count 6 leaves no symbol: the most frequent occurs 5 times"),
        ({"min_count": 2, "unk": False}, "drop 1 symbols, but this vocabulary has no <unk>"),
        ({"max_vocab": 3, "unk": False}, "drop 2 symbols, but this vocabulary has no <unk>"),
    ],
)
def test_limits_out_of_range(limits: dict[str, object], message: str) -> None:
    with pytest.raises(TokenizerError, match=message):
        Vocabulary.from_counts(COUNTS, **limits)  # type: ignore[arg-type]


def test_nothing_to_learn() -> None:
    with pytest.raises(TokenizerError, match="one symbol only, 'a', so there is nothing to learn"):
        Vocabulary.from_counts({"a": 4})
    with pytest.raises(TokenizerError, match="holds no symbol"):
        Vocabulary.from_counts({})
    with pytest.raises(TokenizerError, match="holds no symbol"):
        Vocabulary.from_counts({UNK: 3, END: 2})


@pytest.mark.parametrize(
    ("symbols", "message"),
    [
        (["a", "b", "a"], "holds 'a' twice"),
        (["a", "", "b"], "symbol of id 1 is empty"),
        (["a"], "leaves nothing to predict"),
        ([END, "a"], "leaves nothing to predict"),
        ([], "leaves nothing to predict"),
        (["a", "\ud800"], "lone surrogate"),
    ],
)
def test_symbols_that_are_no_vocabulary(symbols: list[str], message: str) -> None:
    with pytest.raises(TokenizerError, match=message):
        Vocabulary.from_ordered(symbols)


def test_a_special_that_is_not_where_it_is_declared() -> None:
    with pytest.raises(TokenizerError, match=r"<end> has id 2 .* declared as 0"):
        Vocabulary(symbols=("a", "b", END), boundary_id=0, unk_id=None)
    with pytest.raises(TokenizerError, match=r"<unk> has id 1 .* declared as None"):
        Vocabulary(symbols=("a", UNK), boundary_id=None, unk_id=None)


class TestFile:
    def read(self, path: Path, **specials: bool) -> Vocabulary:
        return Vocabulary.from_file(path, str, **specials)

    def write(self, tmp_path: Path, text: str) -> Path:
        path = tmp_path / "vocab.txt"
        path.write_bytes(text.encode())
        return path

    def test_keeps_the_order_and_puts_missing_specials_first(self, tmp_path: Path) -> None:
        path = self.write(tmp_path, "b\nc\na")
        assert self.read(path).symbols == (END, UNK, "b", "c", "a")
        assert self.read(path, unk=False).symbols == (END, "b", "c", "a")
        assert self.read(path, boundary=False, unk=False).symbols == ("b", "c", "a")

    def test_specials_in_the_file_stay_where_they_are(self, tmp_path: Path) -> None:
        vocabulary = self.read(self.write(tmp_path, "b\n<unk>\na\n"))
        assert vocabulary.symbols == (END, "b", UNK, "a")
        assert (vocabulary.boundary_id, vocabulary.unk_id) == (0, 2)
        vocabulary = self.read(self.write(tmp_path, "b\n<unk>\na\n<end>\n"))
        assert (vocabulary.boundary_id, vocabulary.unk_id) == (3, 1)

    def test_line_ends_and_byte_order_mark_of_windows(self, tmp_path: Path) -> None:
        vocabulary = self.read(self.write(tmp_path, "\ufeffb\r\na\r\n"))
        assert vocabulary.symbols == (END, UNK, "b", "a")

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("a\n\nb\n", r"vocab\.txt, line 2: the line is empty"),
            ("a\nb\n\n", r"vocab\.txt, line 3: the line is empty"),
            ("a\nb\nc\nb\n", r"vocab\.txt, line 4: 'b' stands on line 2 too"),
            ("<unk>\na\n<unk>\n", r"line 3: '<unk>' stands on line 1 too"),
        ],
    )
    def test_bad_lines(self, tmp_path: Path, text: str, message: str) -> None:
        with pytest.raises(TokenizerError, match=message):
            self.read(self.write(tmp_path, text))

    def test_a_special_that_is_not_wanted(self, tmp_path: Path) -> None:
        path = self.write(tmp_path, "a\nb\n<end>\n<unk>\n")
        with pytest.raises(TokenizerError, match="line 3: <end> stands here"):
            self.read(path, boundary=False)
        with pytest.raises(TokenizerError, match="line 4: <unk> stands here"):
            self.read(path, unk=False)

    def test_too_small(self, tmp_path: Path) -> None:
        with pytest.raises(TokenizerError, match=r"vocab\.txt: .*nothing to predict"):
            self.read(self.write(tmp_path, "a\n"), unk=False)

    def test_unreadable(self, tmp_path: Path) -> None:
        with pytest.raises(TokenizerError, match=r"vocabulary file: .*no such file"):
            self.read(tmp_path / "gone")
        with pytest.raises(TokenizerError, match=r"vocabulary file: .*is empty"):
            self.read(self.write(tmp_path, ""))

    def test_unwritable(self, tmp_path: Path) -> None:
        with pytest.raises(TokenizerError, match=r"cannot write the vocabulary to .*nowhere"):
            Vocabulary.from_counts(COUNTS).to_file(tmp_path / "nowhere" / "v.txt")

    @settings(deadline=None)
    @given(
        symbols=st.lists(
            st.sampled_from(["a", "bé", "第", "<end", "<unk>", "<end>", "\\n"]),
            min_size=3,
            unique=True,
        )
    )
    def test_round_trip(self, symbols: list[str], tmp_path_factory: pytest.TempPathFactory) -> None:
        path = tmp_path_factory.mktemp("v") / "vocab.txt"
        vocabulary = Vocabulary.from_ordered(symbols)
        vocabulary.to_file(path)
        specials = {"boundary": END in symbols, "unk": UNK in symbols}
        assert self.read(path, **specials) == vocabulary
