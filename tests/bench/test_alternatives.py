"""`bench/alternatives.py`: PyTorch trains the same model, and then one with one thing changed."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from numba import config as numba_config

from fastlm.config import ModelConfig
from fastlm.engine.losses import position_losses
from fastlm.engine.tokens import token_array
from fastlm.model.initialization import scaled_params

from .conftest import SCRIPTS, script

pytest.importorskip("torch")


@pytest.fixture(scope="module")
def alternatives():
    sys.path.insert(0, str(SCRIPTS))  # it imports its neighbour
    try:
        return script("alternatives")
    finally:
        sys.path.remove(str(SCRIPTS))


CONFIGS = {
    "words": ModelConfig(vocab=90, context=3, embed=6, hidden=(8,), far=(4, 5), cutoffs=(20, 50)),
    "lines": ModelConfig(vocab=30, context=4, embed=5, hidden=(8, 6), boundary=0),
    "mean": ModelConfig(vocab=30, context=4, embed=5, hidden=(7,), combine="mean"),
}


def ids_and_params(model: ModelConfig) -> tuple[np.ndarray, np.ndarray]:
    ids = np.random.default_rng(0).integers(0, model.vocab, 500, dtype=np.uint16)
    return ids, scaled_params(model, 1, np.bincount(ids, minlength=model.vocab))


@pytest.mark.parametrize("model", CONFIGS.values(), ids=list(CONFIGS))
@pytest.mark.parametrize("direct", [False, True])
def test_pytorch_has_the_same_model(alternatives, model, direct):
    ids, params = ids_and_params(model)
    text = alternatives.Text(ids, model)
    # Direct connections start at zero.
    net = alternatives.network(model, params, alternatives.Alternative(direct=direct))
    losses = position_losses(params, model, token_array(ids, model.vocab), text.first, ids.size)
    assert alternatives.mean_loss(net, text) == pytest.approx(losses.mean(), rel=1e-5)


@pytest.mark.parametrize("model", CONFIGS.values(), ids=list(CONFIGS))
def test_tied_weights_are_probabilities_that_learn_through_the_embeddings(alternatives, model):
    ids, params = ids_and_params(model)
    text = alternatives.Text(ids, model)
    net = alternatives.network(model, params, alternatives.Alternative(tied=True))
    contexts, targets = text.batch(np.arange(64))
    net(contexts, targets).backward()
    gradient = net.tensor("embeddings").grad.numpy()
    # Every id is an output, so that every row has a gradient, or its cluster's had no target.
    assert (np.abs(gradient).sum(1) > 0).mean() > 0.9
    import torch

    every = torch.arange(model.vocab)
    with torch.inference_mode():
        losses = [float(net(contexts[:1], every[id : id + 1])) for id in range(model.vocab)]
    assert np.exp(-np.array(losses)).sum() == pytest.approx(1, rel=1e-5)


@pytest.mark.parametrize("tied", [False, True])
def test_the_mean_is_that_of_every_parameter(alternatives, tied):
    model = CONFIGS["words"]
    ids, params = ids_and_params(model)
    text = alternatives.Text(ids, model)
    nets = [
        alternatives.network(model, share * params, alternatives.Alternative(tied=tied))
        for share in (1, 2, 3)
    ]
    for net in nets[1:]:  # what is not among the first weights is drawn
        net.load_state_dict({**net.state_dict(), **drawn(nets[0])})
    mean = alternatives.Mean()
    for net in (nets[0], nets[2]):
        mean.add(net)
    expected = alternatives.mean_loss(nets[1], text)
    mean.put_into(nets[0])
    assert alternatives.mean_loss(nets[0], text) == pytest.approx(expected, rel=1e-5)


def drawn(net):
    return {name: value for name, value in net.state_dict().items() if name == "projection"}


@pytest.mark.skipif(bool(numba_config.DISABLE_JIT), reason="trains several models")
def test_a_line_for_the_library_for_pytorch_and_for_each_alternative(tmp_path):
    names = tmp_path / "names"
    names.mkdir()
    rng = np.random.default_rng(0)
    for part, count in (("train", 2000), ("valid", 200)):
        drawn = rng.choice(list("abcde"), (count, 6), p=[0.4, 0.3, 0.1, 0.1, 0.1])
        lines = ["".join(letters) for letters in drawn]
        (names / f"{part}.txt").write_text("\n".join(lines))
    command = [sys.executable, SCRIPTS / "alternatives.py", tmp_path, "--epochs", "2"]
    changed = ["AdamW, 0.001", "constant rate, mean of the last half", "gradients clipped at 0.25"]
    for name in changed:
        command += ["--try", name]
    run = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | {"FASTLM_THREADS": "1"}
    )
    assert run.returncode == 0, run.stderr
    title, _, _, _, *lines = run.stdout.strip().splitlines()
    assert title == "names, 2 epochs"
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    assert [cell[0] for cell in cells[:2]] == ["as picked, by the library", "the same, by PyTorch"]
    assert [cell[0] for cell in cells[2:]] == changed
    figures = [float(cell[1]) for cell in cells]
    assert figures[1] == pytest.approx(figures[0], rel=0.02)
    assert figures[2] > figures[1]  # so slowly AdamW does not get there in two epochs
    assert [cell[2] for cell in cells[:2]] == ["+0.0%", "+0.0%"]


def test_a_folder_without_corpora_is_refused(alternatives, tmp_path, capsys):
    assert alternatives.main([str(tmp_path)]) == 1
    assert capsys.readouterr().err == f"error: {tmp_path} holds none of the corpora asked for\n"
