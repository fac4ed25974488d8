"""Every block of docs/pipelines.md runs, with the engine it is for, where that is installed."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from numba import config

from fastlm.tokenizers import build_tokenizer
from tests.inference.models import model_of

from .test_guide import run_python, run_shell

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "pipelines.md").read_text(encoding="utf-8")
SECTIONS = {
    title: re.findall(r"^```(\w+)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
    for title, text in re.findall(r"^## (.*?)\n(.*?)(?=^## |\Z)", PAGE, re.DOTALL | re.MULTILINE)
}

TEXTS = [
    "The cat sat.",
    "The dog sat on the log.",
    None,
    "",
    "The mat.",
    "A log.",
    "On it!",
    "It sat.",
]

# What a section needs beside fastlm, and the engines that the other tests have no time for.
NEEDS = {
    "pandas": ["pandas", "narwhals", "pyarrow"],
    "Polars": ["polars", "narwhals"],
    "pyarrow": ["pyarrow"],
    "DuckDB": ["duckdb", "pyarrow"],
    "Hugging Face datasets": ["datasets"],
    "scikit-learn": ["sklearn"],
    "Ray": ["ray", "pyarrow"],
    "Dask": ["dask", "pandas", "narwhals", "pyarrow"],
    "Spark": ["pyspark", "pyarrow"],
    "datatrove": ["datatrove"],
    "NeMo Curator": ["nemo_curator", "pandas"],
}
IN_PROCESS = ("pandas", "Polars", "pyarrow", "DuckDB", "scikit-learn")
HEAVY = ("Ray", "Dask", "Spark", "datatrove", "NeMo Curator")


def needs(section: str) -> None:
    for name in NEEDS[section]:
        if importlib.util.find_spec(name) is None:
            pytest.skip(f"{name} is not installed")


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    if config.DISABLE_JIT:
        pytest.skip("the examples run with JIT")
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    monkeypatch.chdir(tmp_path)
    characters = "".join(map(chr, range(32, 127)))
    model_of(build_tokenizer("char", [characters])).save(tmp_path / "m.safetensors")
    rows = [
        {"id": number, "text": text, "lang": ("en", "de")[number % 2]}
        for number, text in enumerate(TEXTS)
    ]
    parquet.write_table(pa.Table.from_pylist(rows), tmp_path / "records.parquet")
    lines = "".join(json.dumps(row) + "\n" for row in rows if row["text"] is not None)
    (tmp_path / "records.jsonl").write_text(lines, encoding="utf-8")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "records.jsonl").write_text(lines, encoding="utf-8")
    return tmp_path


def block_of(section: str) -> str:
    ((_, block),) = SECTIONS[section]
    return block


def test_every_section_is_run():
    others = {"Scorer", "Files on one machine"}
    assert set(NEEDS) | others == set(SECTIONS)
    assert set(IN_PROCESS) | set(HEAVY) | {"Hugging Face datasets"} == set(NEEDS)
    assert all(SECTIONS.values())


@pytest.mark.parametrize("section", ["Scorer", *IN_PROCESS])
def test_engines_in_this_process(folder, section):
    if section in NEEDS:
        needs(section)
    namespace: dict = {}
    run_python(block_of("Scorer"), namespace)
    if section != "Scorer":
        run_python(block_of(section), namespace)


def run_script(folder: Path, section: str) -> None:
    """Run a block as a program of its own, since its engine starts processes."""
    needs(section)
    block = block_of(section)
    pandas = "import pandas as pd\n" if "pd." in block else ""
    (folder / "block.py").write_text(
        "import warnings\nwarnings.simplefilter('ignore')\n"
        "import fastlm\n" + pandas + "\n\ndef main():\n    global scorer\n"
        '    scorer = fastlm.Scorer("m.safetensors", columns=("perplexity", "tokens"))\n'
        + "".join(f"    {line}\n" if line else "\n" for line in block.splitlines())
        + '\n\nif __name__ == "__main__":\n    main()\n',
        encoding="utf-8",
    )
    paths = os.pathsep.join([str(ROOT), str(ROOT / "kernels")])
    environment = os.environ | {
        "PYTHONPATH": paths, "HF_HOME": str(folder / "hub"), "TOKENIZERS_PARALLELISM": "false",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0", "PYSPARK_PYTHON": sys.executable,
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "block.py"], cwd=folder, env=environment, capture_output=True, text=True,
        timeout=280, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    expected = re.findall(r"# -> (.*)$", block, re.MULTILINE)
    printed = done.stdout.splitlines()
    assert [line for line in printed if line in expected] == expected, done.stdout[-3000:]


@pytest.mark.thorough
def test_datasets(folder):
    run_script(folder, "Hugging Face datasets")


@pytest.mark.slow
@pytest.mark.parametrize("section", HEAVY)
def test_heavy_engines(folder, section):
    run_script(folder, section)
    if section == "datatrove":
        (path,) = (folder / "out").glob("*.jsonl")
        kept = [json.loads(line)["text"] for line in path.read_text().splitlines()]
        assert kept == [text for text in TEXTS if text]


def test_files(folder):
    for language, block in SECTIONS["Files on one machine"]:
        assert language == "sh"
        for line in block.splitlines():
            run_shell(line)
    kept = (folder / "kept.jsonl").read_text().splitlines()
    left = (folder / "left.jsonl").read_text().splitlines()
    assert (len(kept), len(left)) in ((3, 4), (4, 3))
    assert (folder / "parts" / "part-00000.parquet").is_file()
