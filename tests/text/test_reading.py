"""Reading text from files, standard input and memory."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest

from fastlm.errors import CorpusError
from fastlm.text.reading import read_text


def write(path: Path, data: bytes | str) -> Path:
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def stdin(monkeypatch: pytest.MonkeyPatch, data: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data), encoding="ascii"))


class TestReadText:
    def test_line_ends_become_newlines(self, tmp_path: Path) -> None:
        assert read_text(write(tmp_path / "a", "a\r\nb\rc\nd\r\n\r\n")) == "a\nb\nc\nd\n\n"

    def test_the_byte_order_mark_is_dropped_once(self, tmp_path: Path) -> None:
        assert read_text(write(tmp_path / "a", "\ufeff\ufeffné")) == "\ufeffné"

    def test_a_str_is_a_path(self, tmp_path: Path) -> None:
        assert read_text(str(write(tmp_path / "ü.txt", "né"))) == "né"

    def test_other_encodings(self, tmp_path: Path) -> None:
        path = write(tmp_path / "a", b"n\xe9")
        assert read_text(path, encoding="latin-1") == "né"
        assert read_text(path, errors="replace") == "n\ufffd"

    def test_standard_input_is_utf8_whatever_the_locale(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stdin(monkeypatch, "\ufeffné\r\n".encode())
        assert read_text("-") == "né\n"

    def test_standard_input_of_text(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "stdin", io.StringIO("né"))
        assert read_text("-") == "né"

    def test_empty_standard_input(self, monkeypatch: pytest.MonkeyPatch) -> None:
        stdin(monkeypatch, b"")
        with pytest.raises(CorpusError, match="standard input is empty"):
            read_text("-")

    def test_no_standard_input(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "stdin", None)
        with pytest.raises(CorpusError, match="no standard input"):
            read_text("-")

    def test_no_such_file(self, tmp_path: Path) -> None:
        with pytest.raises(CorpusError, match=r"gone\.txt: no such file"):
            read_text(tmp_path / "gone.txt")

    def test_a_folder(self, tmp_path: Path) -> None:
        with pytest.raises(CorpusError, match=r"is a folder; name files in it, e\.g\. .*\*\.txt"):
            read_text(tmp_path)

    @pytest.mark.parametrize("data", [b"", b"\xef\xbb\xbf"])
    def test_an_empty_file(self, tmp_path: Path, data: bytes) -> None:
        with pytest.raises(CorpusError, match=r"void\.txt is empty.*name a file that holds text"):
            read_text(write(tmp_path / "void.txt", data))

    def test_permission_denied(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*arguments: object, **options: object) -> None:
            raise PermissionError(13, "Permission denied")

        path = write(tmp_path / "a", "text")
        monkeypatch.setattr("builtins.open", refuse)
        with pytest.raises(CorpusError, match="permission denied; make the file readable"):
            read_text(path)

    def test_another_failure(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*arguments: object, **options: object) -> None:
            raise OSError(5, "Input/output error")

        path = write(tmp_path / "a", "text")
        monkeypatch.setattr("builtins.open", fail)
        with pytest.raises(CorpusError, match="cannot be read: Input/output error"):
            read_text(path)

    @pytest.mark.parametrize(
        ("data", "where"),
        [
            (b"ok\xff", "byte 0xFF at offset 2, line 1"),
            (b"one\r\ntwo\rthree\nfo\xe9r", "byte 0xE9 at offset 17, line 4"),
            (b"cut short \xe2\x82", "byte 0xE2 at offset 10, line 1"),
            ("text".encode("utf-16"), r"line 1 \(it begins as UTF-16 does\)"),
        ],
    )
    def test_invalid_utf8(self, tmp_path: Path, data: bytes, where: str) -> None:
        with pytest.raises(CorpusError, match=f"not valid UTF-8: .*{where}; convert it to UTF-8"):
            read_text(write(tmp_path / "a.txt", data))

    def test_an_encoding_that_does_not_exist(self, tmp_path: Path) -> None:
        with pytest.raises(CorpusError, match="unknown encoding: klingon"):
            read_text(write(tmp_path / "a", "text"), encoding="klingon")

    @pytest.mark.parametrize("path", ["", "a\0b"])
    def test_not_a_path(self, path: str) -> None:
        with pytest.raises(CorpusError, match="is not a path"):
            read_text(path)

    def test_neither_str_nor_path(self) -> None:
        with pytest.raises(CorpusError, match="a path is a str or a Path, got int"):
            read_text(3)  # type: ignore[arg-type]
