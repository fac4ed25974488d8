"""bench/quality.py: the table over seeds, and the folder that it reads."""

from __future__ import annotations

from .conftest import script

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


def test_a_folder_without_corpora_is_refused(tmp_path, capsys):
    assert quality.main([str(tmp_path)]) == 1
    assert "holds none of the corpora asked for" in capsys.readouterr().err
