"""bench/quality.py: the table over seeds, and the folder that it reads."""

from __future__ import annotations

import json
import re
from dataclasses import asdict, replace
from pathlib import Path

from .conftest import script

ROOT = Path(__file__).parents[2]

quality = script("quality")


def run(seed: int, figure: float, epochs: float):
    return quality.Run(
        "brown-1", seed, figure, 60.0, epochs, 2_000_000, 50_000.0, {}, {}, "a machine"
    )


def test_table_has_the_spread_over_seeds_and_the_passes_of_each():
    *_, one = quality.table([run(0, 245.0, 3.6)]).splitlines()
    assert "| 245.0 perplexity | one seed | 347 (5-gram) | 3.6 | 50,000 | 2,000,000 |" in one
    runs = [run(0, 245.0, 3.6), run(1, 250.0, 2.1), run(2, 240.0, 4.4)]
    *_, three = quality.table(runs).splitlines()
    assert "| 245.0 perplexity | 4.1% of 3 | 347 (5-gram) | 2.1 to 4.4 |" in three


def test_the_readme_gets_the_rows_that_it_names(tmp_path):
    runs, readme = tmp_path / "runs.json", tmp_path / "README.md"
    names = {"brown-1": 245.0, "brown-3": 230.0, "names-0.5": 1.95}
    made = [replace(run(0, figure, 3.0), row=name) for name, figure in names.items()]
    runs.write_text(json.dumps([asdict(one) for one in made]), encoding="utf-8")
    readme.write_text("# x\n<!-- quality:begin -->\nold\n<!-- quality:end -->\nrest\n", "utf-8")
    assert quality.main(["--read", str(runs), "--readme", str(readme)]) == 0
    lines = readme.read_text("utf-8").splitlines()
    assert lines[:2] == ["# x", "<!-- quality:begin -->"]
    assert lines[4:] == [
        "| first names: nats per letter | 0.5 | **1.950** | 1.975 (6-gram) |",
        "| Brown corpus, words: perplexity | 3 | **230.0** | 347 (5-gram) |",
        "<!-- quality:end -->",
        "rest",
    ]


def test_the_projects_own_rows_are_those_of_the_page():
    readme = (ROOT / "README.md").read_text("utf-8")
    page = (ROOT / "bench" / "QUALITY.md").read_text("utf-8")
    rows = re.findall(r"^\| (.*) \| ([\d.]+) \| \*\*([\d.]+)\*\* \| (.*) \|$", readme, re.MULTILINE)
    assert len(rows) == len(quality.README_ROWS)
    for title, minutes, figure, ngram in rows:
        name = next(name for name, text in quality.README_ROWS.items() if text == title)
        corpus = name.partition("-")[0]
        assert re.search(
            rf"^\| {corpus} \| {minutes} \| {figure} .* \| {re.escape(ngram)} \|",
            page,
            re.MULTILINE,
        ), title


def test_a_folder_without_corpora_is_refused(tmp_path, capsys):
    assert quality.main([str(tmp_path)]) == 1
    assert "holds none of the corpora asked for" in capsys.readouterr().err
