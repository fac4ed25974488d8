"""A model for lm-evaluation-harness: its three requests, and the real harness where installed."""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from types import SimpleNamespace

import pytest

from fastlm.errors import MissingLibraryError
from fastlm.pipelines.harness import harness_class, harness_model
from tests.inference.mixtures import make_mixture
from tests.inference.models import make_model


class Base(ABC):
    """The abstract methods of lm_eval.api.model.LM, version 0.4.13."""

    def __init__(self):
        self.cache_hook = SimpleNamespace(add_partial=lambda *each: self.kept.append(each))
        self.kept = []

    @abstractmethod
    def loglikelihood(self, requests): ...

    @abstractmethod
    def loglikelihood_rolling(self, requests): ...

    @abstractmethod
    def generate_until(self, requests): ...


def asked(*arguments):
    return SimpleNamespace(args=arguments)


@pytest.fixture(params=["network", "mixture"])
def lm(request):
    return make_model(documents="lines") if request.param == "network" else make_mixture()


@pytest.fixture
def model(lm):
    return harness_class(Base)(lm)


def test_the_likelihood_of_continuations(lm, model):
    pairs = [("the", " cat"), ("", "the"), ("the cat", ""), ("no line\nthe c", "at")]
    found = model.loglikelihood([asked(*pair) for pair in pairs])
    for (context, continuation), (log_prob, greedy) in zip(pairs, found, strict=True):
        (score,) = lm.score([continuation], prefixes=context, count_end=False)
        assert log_prob == score.log_prob
        assert isinstance(greedy, bool)
    assert found[2] == (0.0, True)
    assert model.kept[0] == ("loglikelihood", pairs[0], found[0])


def test_the_likeliest_continuation_is_greedy(lm, model):
    context, state, likeliest = "the", lm.start("the"), ""
    for _ in range(5):
        p = lm.next_token_distributions([state])[0]
        p[[lm.tokenizer.boundary_id, lm.tokenizer.unk_id]] = 0
        id = int(p.argmax())
        _, state = lm.step(state, id)
        likeliest += lm.tokenizer.token(id)
    special = {lm.tokenizer.boundary_id, lm.tokenizer.unk_id}
    state, expected = lm.start("the"), True
    for character in likeliest:
        expected &= int(lm.next_token_distributions([state])[0].argmax()) not in special
        _, state = lm.step(state, character)
    other = "q" if likeliest[0] != "q" else "t"
    found = model.loglikelihood([asked(context, likeliest), asked(context, other + likeliest)])
    assert [greedy for _, greedy in found] == [expected, False]


def test_the_likelihood_of_whole_texts(lm, model):
    texts = ["the cat sat", "", "a mat"]
    found = model.loglikelihood_rolling([asked(text) for text in texts])
    assert found == [score.log_prob for score in lm.score(texts, count_end=False)]


def test_texts_up_to_a_stop(lm, model):
    requests = [
        asked("the", {"until": ["a", "e"], "max_gen_toks": 30}),
        asked("the", {"until": "a"}),
        asked("the", {}),
        asked("the", {"do_sample": True, "temperature": 2.0, "top_k": 5, "max_gen_toks": 7}),
    ]
    found = model.generate_until(requests)
    expected = [
        lm.generate("the", length=30, greedy=True, stop=["a", "e"]),
        lm.generate("the", length=256, greedy=True, stop="a"),
        lm.generate("the", length=256, greedy=True),
        lm.generate("the", length=7, seed=0, temperature=2.0, top_k=5),
    ]
    assert ["the" + text for text in found] == expected


def test_without_lm_eval_it_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "lm_eval.api.model", None)
    with pytest.raises(MissingLibraryError, match="pip install lm-eval"):
        harness_model(make_model())


def test_the_harness_itself_takes_it(tmp_path, monkeypatch):
    pytest.importorskip("lm_eval")
    from lm_eval.api.instance import Instance
    from lm_eval.api.model import LM

    assert LM.__abstractmethods__ == Base.__abstractmethods__
    path = tmp_path / "m.safetensors"
    make_model().save(path)
    model = harness_model(path, max_gen_toks=9)
    assert isinstance(model, LM)

    def requests(kind, *arguments):
        return [Instance(kind, {}, each, 0) for each in arguments]

    ((log_prob, greedy),) = model.loglikelihood(requests("loglikelihood", ("the", " cat")))
    assert log_prob < 0
    assert greedy in (True, False)
    (rolling,) = model.loglikelihood_rolling(requests("loglikelihood_rolling", ("the cat",)))
    assert rolling < log_prob
    (text,) = model.generate_until(requests("generate_until", ("the", {"until": ["a"]})))
    assert "a" not in text
