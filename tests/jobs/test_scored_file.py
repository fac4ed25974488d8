"""Figures of scored files, and one line for files that are none."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from fastlm.errors import ConfigError, CorpusError, MissingFileError
from fastlm.jobs.scored_file import read_figures


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_figures_and_what_is_missing(tmp_path):
    path = write(
        tmp_path / "s.jsonl",
        '{"text": "a", "perplexity": 2.5}\n\n{"perplexity": null}\n{"x": 1, "perplexity": 3}\n',
    )
    assert read_figures(path, "perplexity") == [2.5, None, 3.0]
    packed = tmp_path / "s.jsonl.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))
    assert read_figures(packed, "perplexity") == [2.5, None, 3.0]
    with pytest.raises(ConfigError, match="number called 'bits'; it has perplexity, x"):
        read_figures(path, "bits")


@pytest.mark.parametrize("line", ["no json", "[1]", "{", '"a"', "[" * 100_000])
def test_what_is_no_record(tmp_path, line):
    path = write(tmp_path / "s.jsonl", f'{{"perplexity": 1}}\n{line}\n')
    with pytest.raises(CorpusError, match="line 2 is no JSON object"):
        read_figures(path, "perplexity")


def test_no_file_and_no_records(tmp_path):
    with pytest.raises(MissingFileError, match="there is no file"):
        read_figures(tmp_path / "absent.jsonl", "perplexity")
    with pytest.raises(CorpusError, match="cannot read"):
        read_figures(tmp_path, "perplexity")
    with pytest.raises(ConfigError, match="score it with fastlm score first"):
        read_figures(write(tmp_path / "e.jsonl", ""), "perplexity")
