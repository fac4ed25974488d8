"""The script of the README's pictures writes both, from files of anyone's."""

from __future__ import annotations

from pathlib import Path

import pytest

from .conftest import script

NAMES = "anna\nemma\nolivia\nmia\nzoe\nisla\neva\nida\nlena\nruth\nkurt\nbob\ngwen\ndan\n" * 20


@pytest.mark.thorough
def test_both_pictures(tmp_path, capsys):
    (tmp_path / "names.txt").write_text(NAMES)
    (tmp_path / "prose.txt").write_text("It was the best of times, they said, and so it was. " * 60)
    files = [str(tmp_path / "names.txt"), str(tmp_path / "prose.txt")]
    script("pictures").main([*files, "--minutes", "0.02", "--folder", str(tmp_path / "out")])
    out = capsys.readouterr().out.splitlines()
    assert [line.rpartition("/")[2] for line in out] == [
        "embedding-map.svg", "surprise-strip.svg",
    ]  # fmt: skip
    for line in out:
        text = Path(line).read_text(encoding="utf-8")
        assert "<svg" in text[:100]
        assert "trained on" in text
