"""The programs in docs/examples do what they say."""

from __future__ import annotations

import asyncio
import importlib.util
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from fastlm.api.language_model import LanguageModel
from tests.inference.models import make_model

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"

TEXTS = ["the cat sat", "on a mat", "", "zzzz", "the dog saw it"]


def example(name: str):
    spec = importlib.util.spec_from_file_location(name, EXAMPLES / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def model(tmp_path) -> Path:
    path = tmp_path / "model.safetensors"
    make_model(documents="lines").save(path)
    return path


@pytest.fixture
def scores(model) -> list:
    return list(LanguageModel.load(model).score(TEXTS))


@pytest.fixture
def records(tmp_path) -> Path:
    path = tmp_path / "in.jsonl"
    lines = [json.dumps({"id": number, "text": text}) for number, text in enumerate(TEXTS)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def read(path: Path) -> list[dict]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_every_example_is_tested():
    tests = Path(__file__).read_text(encoding="utf-8")
    names = [path.stem for path in EXAMPLES.glob("*.py")]
    assert len(names) >= 2
    for name in names:
        assert f'example("{name}")' in tests


def test_perplexity_filter(model, records, scores, tmp_path):
    limit = sorted(score.perplexity_without_oov for score in scores)[2]
    target = tmp_path / "out.jsonl"
    example("perplexity_filter").main(str(model), str(records), str(target), str(limit))
    kept = [
        number
        for number, score in enumerate(scores)
        if score.perplexity_without_oov <= limit and score.oov == 0
    ]
    assert 0 < len(kept) < len(TEXTS)
    assert [record["id"] for record in read(target)] == kept
    assert not target.with_suffix(".jsonl.part").exists()


def test_threaded_service(model, scores):
    service = example("threaded_service").ScoringService(str(model))
    expected = [score.perplexity for score in scores]

    async def many() -> list[list[float]]:
        return await asyncio.gather(*(service.perplexities(TEXTS) for _ in range(10)))

    assert asyncio.run(many()) == [expected] * 10
    with ThreadPoolExecutor(4) as callers:
        assert list(callers.map(service.score, [TEXTS] * 8)) == [scores] * 8
    service.close()
