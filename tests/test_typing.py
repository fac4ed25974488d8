"""What a type checker finds in a program that uses fastlm: misspelt settings, wrong types."""

from __future__ import annotations

import dataclasses
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from fastlm.config import ModelConfig, ModelSettings, Settings, TrainingConfig, TrainingSettings

ROOT = Path(__file__).parents[1]

# Lines that are wrong end with what mypy says of them.
PROGRAM = """
from pathlib import Path

import fastlm

lm = fastlm.train("x.txt", hidden=64, lr=0.5, epochs=2, schedule="cosine", progress=False)
lm = fastlm.train(["a b", "c d"], hidden=(64, 32), valid=0.1, callbacks=fastlm.SampleEvery())
lm = fastlm.train(Path("x.txt"), callbacks=lambda now: print(now.loss), tokenizer="word")
one: float = lm.perplexity("text")
several = lm.perplexity(["text", "more"]).tolist()
file: float = lm.evaluate(Path("x.txt")).perplexity
text: str = lm.generate("The", 50, temperature=0.8)
lm.train_more("text", lr=0.1, progress=True)
fastlm.prepare("x.txt", "x.tokens", tokenizer="word", max_vocab=100)
steps: list[int] = [validation.step for validation in lm.history]
for score in lm.score(["text"]):
    bits: float = score.bits_per_char

fastlm.train("x.txt", hiden=64)  # Unexpected keyword argument "hiden"
fastlm.train("x.txt", epochs="many")  # Argument "epochs" to "train" has incompatible type "str"
fastlm.train("x.txt", schedule="cubic")  # Argument "schedule" to "train" has incompatible type
fastlm.train("x.txt", learning_rate=0.1)  # Unexpected keyword argument "learning_rate"
fastlm.prepare("x.txt", "x.tokens", tokeniser="word")  # Unexpected keyword argument "tokeniser"
lm.train_more("text", hidden=3)  # Unexpected keyword argument "hidden"
lm.generate("The", temprature=0.8)  # Unexpected keyword argument "temprature"
lm.generate("The", "long")  # Argument 2 to "generate" of "TextMethods" has incompatible type
lm.neighbors(3)  # Argument 1 to "neighbors" of "TextMethods" has incompatible type "int"
fastlm.tain("x.txt")  # Module has no attribute "tain"
"""


@pytest.mark.thorough
def test_mypy_finds_what_is_wrong(tmp_path):
    pytest.importorskip("mypy")
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    done = subprocess.run(
        [
            sys.executable, "-m", "mypy", "--strict", "--no-error-summary",
            "--config-file", str(ROOT / "pyproject.toml"),
            "--cache-dir", str(tmp_path / "cache"), str(program),
        ],
        capture_output=True, text=True, check=False, cwd=tmp_path,
        env={**os.environ, "MYPYPATH": os.pathsep.join((str(ROOT), str(ROOT / "kernels")))},
    )  # fmt: skip
    found = re.findall(r"program\.py:(\d+): error: (.*)", done.stdout)
    expected = {
        str(number): line.split("  # ")[1]
        for number, line in enumerate(PROGRAM.splitlines(), start=1)
        if "  # " in line
    }
    assert [number for number, _ in found] == list(expected), done.stdout + done.stderr
    for number, message in found:
        assert message.startswith(expected[number])


@pytest.mark.parametrize(
    ("settings", "config", "others"),
    [
        (ModelSettings, ModelConfig, {"vocab", "boundary"}),
        (TrainingSettings, TrainingConfig, {"init"}),
    ],
)
def test_the_types_name_every_setting(settings, config, others):
    fields = {field.name for field in dataclasses.fields(config)}
    assert set(settings.__annotations__) == fields - others
    assert set(settings.__annotations__) <= set(Settings.__annotations__)
