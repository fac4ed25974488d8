"""Files to read, and what is read."""

from __future__ import annotations

import json
from pathlib import Path

from fastlm.text.decoding import Reading
from fastlm.text.paths import inputs_of
from fastlm.text.sources import Input

LINE = "Ünïcödé, 猫は魚を見た and \U0001f600.\r\nmore\rof it\n"
NORMAL = LINE.replace("\r\n", "\n").replace("\r", "\n")


def texts_of(inputs: list[Input]) -> list[str]:
    """Return each text that the inputs hold."""
    found: list[str] = []
    begun = ""
    for source in inputs:
        for piece in source.parts():
            begun += piece.data.decode()
            if piece.ends_text:
                found.append(begun)
                begun = ""
    assert begun == ""
    return found


def read(*paths: object, **reading: object) -> list[str]:
    return texts_of(inputs_of([str(path) for path in paths], Reading(**reading)))


def write(path: Path, data: bytes | str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode() if isinstance(data, str) else data)
    return path


def json_lines(*records: object) -> str:
    return "".join(json.dumps(record) + "\n" for record in records)
