"""The workloads: sizes, tokens, weights, and the batches in the engine's order."""

from __future__ import annotations

from dataclasses import asdict, replace

import numpy as np
import pytest

from fastlm.bench.workloads import WORKLOADS, batches, initial_params, select_workloads, tokens
from fastlm.errors import ConfigError
from fastlm.model.layout import Layout

from .conftest import CONCAT


def names(workloads) -> list[str]:
    return [workload.name for workload in workloads]


def test_names_are_unique():
    assert len(set(names(WORKLOADS))) == len(WORKLOADS) == 17


@pytest.mark.parametrize("name", names(each for each in WORKLOADS if each.as_trained))
def test_as_trained_most_hidden_units_are_zero(name):
    first, trained = select_workloads([name, name.removesuffix("-trained")])
    differing = {key for key, value in asdict(first).items() if asdict(trained)[key] != value}
    assert differing - {"in_default"} == {"name", "title", "as_trained"}
    layers = Layout(trained.model).views(initial_params(trained))
    contexts = batches(trained, 1)[0][0]
    x = layers["embeddings"][contexts].reshape(trained.batch, -1)
    for number in range(1, len(trained.hidden) + 1):
        x = np.maximum(0, x @ layers[f"hidden.{number}.weight"] + layers[f"hidden.{number}.bias"])
        assert 0.75 < (x == 0).mean() < 0.9


def test_the_reference_systems_fit_where_they_should():
    assert names(each for each in WORKLOADS if each.is_tiny) == ["tiny-1"]
    others = ["tiny-1", "tiny-256", "30k-512-adaptive", "30k-512-adaptive-trained"]
    assert names(each for each in WORKLOADS if not each.is_mini) == others
    assert Layout(select_workloads(["tiny-1"])[0].model).size == 1_728


def test_flops_are_six_per_weight_in_a_product_by_how_often_it_is_used():
    assert CONCAT.flops_per_token == 6 * (12 * 8 + 8 * 6 + 6 * 20)
    shares = 1 / np.arange(1, 21) / sum(1 / k for k in range(1, 21))
    tails = shares[5:12].sum() * 3 * (6 + 7) + shares[12:].sum() * 1 * (6 + 8)
    adaptive = replace(CONCAT, cutoffs=(5, 12), zipf=True)
    assert adaptive.flops_per_token == pytest.approx(6 * (12 * 8 + 8 * 6 + 6 * 7 + tails))


def test_tokens_of_zipf():
    counts = np.bincount(tokens(replace(CONCAT, zipf=True, corpus=50_000)))
    assert counts[0] / counts[9] == pytest.approx(10, rel=0.1)


def test_selected_workloads_keep_their_order():
    assert names(select_workloads(["mini-1", "tiny-1"])) == ["tiny-1", "mini-1"]
    with pytest.raises(ConfigError, match=r"'maxi'; choose one of tiny-1, .*33k-1024"):
        select_workloads(["mini-1", "maxi"])


def test_batches_are_windows_of_the_tokens():
    ids = tokens(CONCAT)
    windows = {tuple(ids[start : start + 4].tolist()) for start in range(ids.size - 3)}
    contexts, targets = batches(CONCAT, 5)
    assert (contexts.shape, targets.shape) == ((5, 8, 3), (5, 8))
    rows = np.concatenate([contexts, targets[..., None]], axis=2).reshape(-1, 4)
    assert {tuple(row) for row in rows.tolist()} <= windows


def test_an_epoch_takes_every_example_once():
    workload = replace(CONCAT, corpus=43)  # 40 examples: 5 batches
    targets = batches(workload, 5)[1]
    assert sorted(targets.ravel().tolist()) == sorted(tokens(workload)[3:].tolist())


def test_weights_are_a_new_copy():
    first = initial_params(CONCAT)
    first += 1
    assert not np.array_equal(first, initial_params(CONCAT))
