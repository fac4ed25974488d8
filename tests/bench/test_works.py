"""The works: their sizes, and the batches that stand for the engine's own."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from fastlm.bench.works import TRAINED, WORKS, batches, initial_params, tokens, works_named
from fastlm.errors import ConfigError
from fastlm.model.layout import Layout

from .conftest import CONCAT


def test_names_are_unique():
    assert len({work.name for work in WORKS}) == len(WORKS) == 17


@pytest.mark.parametrize("work", [work for work in WORKS if work.as_trained], ids=lambda w: w.name)
def test_as_trained_most_hidden_units_are_zero(work):
    first = works_named([work.name.removesuffix(TRAINED)])[0]
    assert (
        dataclasses.replace(
            work, name=first.name, title=first.title, as_trained=False, in_quick=first.in_quick
        )
        == first
    )
    layers = Layout(work.model).views(initial_params(work))
    contexts = batches(work, 1)[0][0]
    x = layers["embeddings"][contexts].reshape(work.batch, -1)
    for number in range(1, len(work.hidden) + 1):
        x = np.maximum(0, x @ layers[f"hidden.{number}.weight"] + layers[f"hidden.{number}.bias"])
        assert 0.75 < (x == 0).mean() < 0.9


def test_the_reference_systems_fit_where_they_should():
    assert [work.name for work in WORKS if work.is_tiny] == ["tiny-1"]
    assert [work.name for work in WORKS if not work.is_mini] == [
        "tiny-1",
        "tiny-256",
        "30k-512-adaptive",
        "30k-512-adaptive-trained",
    ]


def test_tiny_has_the_parameters_of_tiny():
    assert Layout(works_named(["tiny-1"])[0].model).size == 1_728


def test_flops_are_six_per_weight_in_a_product():
    assert CONCAT.flops_per_token == 6 * (12 * 8 + 8 * 6 + 6 * 20)


def test_flops_of_a_cluster_count_by_how_often_it_is_used():
    work = dataclasses.replace(CONCAT, cutoffs=(5, 12), zipf=True)
    shares = 1 / np.arange(1, 21) / sum(1 / k for k in range(1, 21))
    tails = shares[5:12].sum() * 3 * (6 + 7) + shares[12:].sum() * 1 * (6 + 8)
    assert work.flops_per_token == pytest.approx(6 * (12 * 8 + 8 * 6 + 6 * 7 + tails))


def test_tokens_of_zipf():
    counts = np.bincount(tokens(dataclasses.replace(CONCAT, zipf=True, corpus=50_000)))
    assert counts[0] / counts[9] == pytest.approx(10, rel=0.1)


def test_works_come_in_their_order():
    assert [work.name for work in works_named(["mini-1", "tiny-1"])] == ["tiny-1", "mini-1"]


def test_unknown_work():
    with pytest.raises(ConfigError, match=r"'maxi'; choose one of tiny-1, .*33k-1024"):
        works_named(["mini-1", "maxi"])


def test_batches_are_windows_of_the_tokens():
    ids = tokens(CONCAT)
    windows = {tuple(ids[start : start + 4].tolist()) for start in range(ids.size - 3)}
    contexts, targets = batches(CONCAT, 5)
    assert contexts.shape == (5, 8, 3)
    assert targets.shape == (5, 8)
    rows = np.concatenate([contexts, targets[..., None]], axis=2).reshape(-1, 4)
    assert {tuple(row) for row in rows.tolist()} <= windows


def test_an_epoch_takes_every_example_once():
    work = dataclasses.replace(CONCAT, corpus=43)  # 40 examples: 5 batches
    _, targets = batches(work, 5)
    assert sorted(targets.ravel().tolist()) == sorted(tokens(work)[3:].tolist())


def test_weights_are_a_new_copy():
    first = initial_params(CONCAT)
    first += 1
    assert not np.array_equal(first, initial_params(CONCAT))
