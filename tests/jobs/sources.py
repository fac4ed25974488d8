"""Small files of records in every format, and a model to score them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fastlm.text.decoding import Reading
from fastlm.text.records import Block, RecordReader
from tests.inference.models import make_model

TEXTS = [f"the {animal} sat on {place} {number}" for number, (animal, place) in enumerate(
    [(animal, place) for animal in ("cat", "dog", "it") for place in ("a mat", "the hat", "")] * 5
)] + ["", "zzzz"]  # fmt: skip


def write_lines(path: Path, texts=TEXTS) -> Path:
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return path


def write_json(path: Path, texts=TEXTS) -> Path:
    rows = [
        {"id": n, "text": text, "lang": "en" if n % 2 else "de"} for n, text in enumerate(texts)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def write_parquet(path: Path, texts=TEXTS) -> Path:
    pa = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    languages = ["en" if number % 2 else "de" for number in range(len(texts))]
    table = pa.table(
        {"id": pa.array(range(len(texts)), pa.int16()), "text": texts, "lang": languages}
    )
    parquet.write_table(table, path, row_group_size=7)
    return path


def model_file(folder: Path, name: str = "m.safetensors", seed: int = 0) -> str:
    path = folder / name
    make_model(seed=seed).save(path)
    return str(path)


def reader_of(path: Path, **reading) -> RecordReader:
    return RecordReader(str(path), Reading(**reading))


def first_block(reader: RecordReader) -> Block:
    return next(reader.blocks())
