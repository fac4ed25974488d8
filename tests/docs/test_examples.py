"""The programs in docs/examples do what they say."""

from __future__ import annotations

import asyncio
import importlib.util
import json
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from fastlm.api.language_model import LanguageModel
from fastlm_kernels.runtime.jit import JIT_DISABLED
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
    assert len(names) >= 4
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


def test_a_map_in_batches_as_datasets_does_it(model, scores):
    """The same call with or without the library: dict of lists in, dict of columns out."""
    add_scores = example("datasets_map").add_scores
    columns = [
        add_scores({"text": TEXTS[start : start + 2]}, model=str(model))
        for start in range(0, len(TEXTS), 2)
    ]
    for name in ("log_prob", "tokens", "perplexity"):
        found = np.concatenate([batch[name] for batch in columns])
        np.testing.assert_allclose(found, [getattr(score, name) for score in scores], rtol=1e-12)


@pytest.mark.filterwarnings("ignore")
def test_a_map_with_datasets_itself(model, records, scores, tmp_path):
    pytest.importorskip("datasets")
    target = tmp_path / "out.jsonl"
    example("datasets_map").main(str(model), str(records), str(target))
    found = read(target)
    assert [record["text"] for record in found] == TEXTS
    assert [record["log_prob"] for record in found] == pytest.approx([s.log_prob for s in scores])


def test_threaded_service(model, scores):
    service = example("threaded_service").ScoringService(str(model))
    expected = [score.perplexity for score in scores]

    async def many() -> list[list[float]]:
        return await asyncio.gather(*(service.perplexities(TEXTS) for _ in range(10)))

    assert asyncio.run(many()) == [expected] * 10
    with ThreadPoolExecutor(4) as callers:
        assert list(callers.map(service.score, [TEXTS] * 8)) == [scores] * 8
    service.close()


def test_estimator():
    usual = ["the cat sat on the mat", "the dog sat on the log"] * (2 if JIT_DISABLED else 20)
    density = example("estimator").TextDensity(context=3, hidden=(8,), batch=16, seed=0)
    assert density.get_params() == {"context": 3, "hidden": (8,), "batch": 16, "seed": 0}
    assert density.fit(usual) is density
    high, low, empty = density.score_samples(["the cat sat on the log", "tttt hhh", ""])
    assert JIT_DISABLED or high > low + 1
    assert np.isfinite(empty)
    assert density.score(usual) == pytest.approx(density.model_.score_arrays(usual).log_prob.sum())
    assert density.set_params(epochs=1).get_params()["epochs"] == 1
