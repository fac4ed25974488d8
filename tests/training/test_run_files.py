"""Names of the files of a run."""

from __future__ import annotations

import pytest

from fastlm.training.run_files import (
    checkpoint_beside,
    metrics_beside,
    model_beside,
    numbered_checkpoints,
    samples_beside,
)


@pytest.mark.parametrize(
    ("model", "stem"), [("a/m.safetensors", "a/m"), ("m.bin", "m.bin"), ("m.x.safetensors", "m.x")]
)
def test_names_beside_a_model(model, stem):
    assert checkpoint_beside(model).as_posix() == f"{stem}.checkpoint.safetensors"
    assert metrics_beside(model).as_posix() == f"{stem}.metrics.jsonl"
    assert samples_beside(model).as_posix() == f"{stem}.samples.jsonl"


@pytest.mark.parametrize(
    "checkpoint",
    ["a/m.checkpoint.safetensors", "a/m.checkpoint-0000000005.safetensors", "a/m.safetensors"],
)
def test_the_model_of_a_checkpoint(checkpoint):
    assert model_beside(checkpoint).as_posix() == "a/m.safetensors"


def test_numbered_checkpoints_are_sorted_by_step(tmp_path):
    for name in ("c-9.st", "c-10.st", "c-0000000011.st", "c-x.st", "d-12.st", "c.st"):
        (tmp_path / name).touch()
    found = numbered_checkpoints(tmp_path / "c.st")
    assert [path.name for path in found] == ["c-0000000011.st", "c-10.st", "c-9.st"]
    assert numbered_checkpoints(tmp_path / "missing" / "c.st") == []
