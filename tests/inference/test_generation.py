"""The settings of a request: seeds, and sampling as the kernel takes it."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from fastlm.errors import ConfigError
from fastlm.inference import generation
from fastlm.inference.generation import Request, kernel_rules, resolve_seed
from fastlm.inference.sampling import Sampling
from fastlm.model.seen import Seen
from tests.api.models import make_model


@pytest.mark.parametrize("seed", [-1, 1.5, "1", True, 2**63])
def test_a_bad_seed_is_refused(seed):
    with pytest.raises(ConfigError, match=f"seed is {seed!r}; give a whole number of at least 0"):
        resolve_seed(seed)


def test_without_a_seed_each_is_new():
    assert resolve_seed(None) != resolve_seed(None)
    assert resolve_seed(0) == 0


def test_kernel_rules_of_settings_left_open_keep_everything():
    assert kernel_rules(Sampling(), 30) == (1.0, 0, 30, 1.0)
    assert kernel_rules(Sampling(temperature=0.5, top_k=40, top_p=0.9), 30) == (2.0, 0, 30, 0.9)
    assert kernel_rules(Sampling(temperature=0), 30).greedy == 1


# ---------------------------------------------------------------------------- requests


def request(lm, prompt="to", **settings):
    return Request.make(lm.text_model, prompt, settings)


def test_a_request_has_the_defaults_and_what_is_given():
    lm = make_model()
    found = request(lm, seed=3, top_k=5)
    assert (found.length, found.seed, found.stops) == (200, 3, ())
    assert found.sampling == Sampling(top_k=5)
    assert found.prompt_ids == lm.tokenizer.encode("to").tolist()
    assert request(lm).seed != request(lm).seed


@pytest.mark.parametrize(
    ("documents", "settings", "excluded", "end"),
    [
        ("file", {}, ["<end>", "<unk>"], None),
        ("lines", {}, ["<unk>", "\n"], "<end>"),
        ("lines", {"stop_at_end": False}, ["<unk>", "\n"], None),
        ("paragraphs", {"stop_at_end": True}, ["<unk>"], "<end>"),
    ],
)
def test_what_is_never_chosen_and_what_ends_a_text(documents, settings, excluded, end):
    lm = make_model(documents=documents)
    found = request(lm, **settings)
    assert found.excluded == sorted(lm.tokenizer.id_of(token) for token in excluded)
    assert found.end == (None if end is None else lm.tokenizer.id_of(end))


@pytest.mark.parametrize("documents", ["file", "lines", "paragraphs"])
def test_what_did_not_occur_in_training_is_never_chosen(documents):
    lm = make_model("byte", documents)
    occurred = np.zeros(257, dtype=bool)
    occurred[lm.tokenizer.encode("name\r")] = True
    lm.seen = Seen(occurred)
    found = request(lm)
    names = {lm.tokenizer.token(id) for id in range(257)} - {"<end>"}
    expected = names - {"n", "a", "m", "e", "<0x0D>"} | (
        {"<end>"} if documents == "file" else set()
    )
    assert {lm.tokenizer.token(id) for id in found.excluded} == expected
    assert set("".join(lm.sample(20, length=9, seed=1))) <= set("name\r")


def test_a_model_that_knows_nothing_of_its_text_still_writes():
    lm = make_model("word", "lines")
    occurred = np.zeros(lm.config.vocab, dtype=bool)
    occurred[[lm.tokenizer.boundary_id, lm.tokenizer.unk_id]] = True
    lm.seen = Seen(occurred)
    assert request(lm).excluded == [lm.tokenizer.unk_id]


def test_texts_in_memory_end_where_the_model_ends_them():
    lm = make_model()
    end, unk = lm.tokenizer.boundary_id, lm.tokenizer.unk_id
    with pytest.raises(ConfigError, match="this model knows no end of a"):
        request(lm, stop_at_end=True)
    lm.seen = Seen(ends=True)
    for settings in ({}, {"stop_at_end": True}):
        found = request(lm, **settings)
        assert (found.excluded, found.end) == ([unk], end)
    found = request(lm, stop_at_end=False)
    assert (found.excluded, found.end) == (sorted([unk, end]), None)


@pytest.mark.parametrize("first_batch", [None, 1, 3])
def test_batches_of_any_size_give_the_same_texts(monkeypatch, first_batch):
    found = request(make_model(), seed=1, length=5)
    expected = list(found.texts(9))
    assert len(set(expected)) > 1
    assert list(found.texts(9, threads=2, first_batch=first_batch)) == expected
    assert list(itertools.islice(found.texts(None, first_batch=first_batch), 9)) == expected
    monkeypatch.setattr(generation, "_MOST_TOKENS", 10)  # two texts of five tokens at once
    assert list(found.texts(9)) == expected
    assert "to" + "".join(found.stream()) == expected[0]
