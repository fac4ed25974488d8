"""A penalty for what would repeat, and a ban: what they count, and that loops end."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import fastlm
from fastlm.errors import ConfigError
from fastlm.inference.repetition import Repeats
from tests.inference.mixtures import KINDS, make_mixture
from tests.inference.models import make_model


def naive_counts(ids, vocab):
    """The longest end of ids + [v] that stands in ids, for each v."""

    def stands(run):
        return any(ids[at : at + len(run)] == run for at in range(len(ids) - len(run) + 1))

    found = []
    for id in range(vocab):
        text = [*ids, id]
        sizes = range(len(text), 0, -1)
        found.append(next((size for size in sizes if stands(text[-size:])), 0))
    return found


@given(ids=st.lists(st.integers(0, 3), max_size=80))
def test_the_tokens_that_would_repeat(ids):
    repeats = Repeats(ids[: len(ids) // 2])
    for id in ids[len(ids) // 2 :]:
        repeats.append(id)
    assert repeats.counts(5).tolist() == naive_counts(ids, 5)


@pytest.mark.parametrize("how", [{}, {"temperature": 0.4, "top_k": 5}, {"top_p": 0.8}])
@pytest.mark.parametrize("documents", ["file", "lines"])
def test_a_ban_that_is_never_met_changes_nothing(how, documents):
    lm = make_model(documents=documents)
    how = {"seed": 5, "length": 60, **how}
    assert lm.sample(4, "the", no_repeat=99, **how) == lm.sample(4, "the", **how)
    assert lm.generate("the", no_repeat=99, **how) == lm.generate("the", **how)
    assert "".join(lm.stream("the", no_repeat=99, **how)) == "".join(lm.stream("the", **how))
    how["stop_at_end"] = False
    assert lm.sample(2, no_repeat=99, **how) == lm.sample(2, **how)


@pytest.mark.parametrize("kind", KINDS)
def test_mixtures_and_counts_have_it_too(kind):
    lm = make_mixture(kind)
    how = {"seed": 2, "length": 30, "stop_at_end": False}
    same = sum(
        one == other
        for one, other in zip(lm.sample(9, no_repeat=99, **how), lm.sample(9, **how), strict=True)
    )
    assert same >= 8  # float32 rounds otherwise, once in a long while
    assert lm.sample(3, repetition_penalty=2, **how) != lm.sample(3, **how)


def runs(ids, size):
    return [tuple(ids[at : at + size]) for at in range(len(ids) - size + 1)]


@pytest.mark.parametrize("size", [2, 3])
def test_no_run_comes_twice(size):
    lm = make_model("word")
    text = lm.generate("the cat", length=60, no_repeat=size, greedy=True)
    found = runs(lm.tokenizer.encode(text).tolist(), size)
    assert len(found) == len(set(found))
    looping = runs(
        lm.tokenizer.encode(lm.generate("the cat", length=60, greedy=True)).tolist(), size
    )
    assert len(looping) > len(set(looping))


def test_a_text_ends_where_nothing_else_is_left():
    lm = make_model()
    text = lm.generate(length=500, no_repeat=1, seed=1)
    assert len(text) == len(set(text)) > 10


def test_a_penalty_ends_loops():
    lm = make_model()
    plain = lm.generate("the", length=400, greedy=True)
    found = lm.generate("the", length=400, greedy=True, repetition_penalty=1.5)
    assert len(set(runs(found, 8))) > 2 * len(set(runs(plain, 8)))


def test_the_penalty_divides_probabilities():
    lm = make_model(documents="file")
    z = lm.next_token_logits("tha")
    first = {"seed": 1, "length": 1}
    drawn = "".join(text[-1] for text in lm.sample(3000, "tha", repetition_penalty=4, **first))
    p = np.exp(z.astype(np.float64))
    for character in "tha":
        p[lm.tokenizer.id_of(character)] /= 4
    for special in ("<unk>", "<end>"):
        p[lm.tokenizer.id_of(special)] = 0
    share = [drawn.count(lm.tokenizer.token(id)) / 3000 for id in range(p.size)]
    assert share == pytest.approx(p / p.sum(), abs=0.035)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"repetition_penalty": 0.9}, "repetition_penalty is 0.9; give a number of at least 1"),
        ({"repetition_penalty": "2"}, "repetition_penalty is '2'"),
        ({"repetition_penalty": float("inf")}, "repetition_penalty is inf"),
        ({"no_repeat": 0}, "no_repeat is 0; give a whole number of at least 1"),
        ({"no_repeat": 1.5}, "no_repeat is 1.5"),
        ({"repeat_penalty": 2}, "did you mean 'repetition_penalty'"),
    ],
)
def test_settings_out_of_range_are_refused(given, message):
    with pytest.raises(ConfigError, match=message):
        make_model().generate("a", **given)


def test_a_sampler_takes_them(tmp_path):
    lm = make_model()
    lm.save(tmp_path / "m.safetensors")
    sampler = fastlm.Sampler(tmp_path / "m.safetensors", no_repeat=2, length=9, seed=1)
    (row,) = sampler([{"prompt": "the"}])
    assert row["generated"] == lm.generate("the", no_repeat=2, length=9, seed=1)
