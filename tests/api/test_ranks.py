"""``fastlm.train`` on ranks: rank 0 reads, all train; an error of one is an error of all."""

from __future__ import annotations

from functools import partial

import pytest

from fastlm.api.ranks import train_on_ranks
from fastlm.api.run import Request
from fastlm.api.start import RunStart
from fastlm.distributed.agreement import is_agreed
from fastlm.errors import ConfigError, StoreError
from tests.distributed.threads import on_ranks

TEXT = "the cat sat on the mat and saw the rat\n" * 200


def request(**settings):
    corpus = settings.pop("corpus", None)
    return Request(
        corpus=corpus,
        texts=None if corpus else TEXT,
        valid=None,
        valid_texts=None,
        tokenizer=None,
        vocab=None,
        min_count=None,
        max_vocab=None,
        documents=None,
        reading={},
        cache=True,
        softmax=None,
        preset=None,
        settings={"steps": 20, "batch": 16, "hidden": (8,), "embed": 4} | settings,
        keywords=frozenset(),
        callbacks=(),
    )


def train(communicator, path=None, resume=False, **settings):
    start = partial(RunStart, checkpoint=path, checkpoint_every="5 steps", resume=resume)
    if path is None:
        start = RunStart
    return train_on_ranks(communicator, request(**settings), start, path, ())


@pytest.mark.thorough
def test_ranks_train_one_model_and_another_number_resumes_it(tmp_path):
    path = tmp_path / "run.safetensors"
    (alone,) = on_ranks(1, lambda each: train(each, steps=20))
    models = on_ranks(2, lambda each: train(each, path, steps=20))
    assert [lm.params.tobytes() for lm in models] == [alone.params.tobytes()] * 2
    longer = on_ranks(3, lambda each: train(each, path, resume=True, steps=30))
    assert [lm.result.step for lm in longer] == [30] * 3
    assert len({lm.params.tobytes() for lm in longer}) == 1


def errors(kind, **settings):
    def work(communicator):
        with pytest.raises(kind) as caught:
            train(communicator, **settings)
        assert is_agreed(caught.value)
        return str(caught.value)

    first, second = on_ranks(2, work)
    assert first == second
    return first


def test_a_batch_that_shards_do_not_divide():
    assert errors(ConfigError, batch=20) == (
        "batch is 20, which the 8 shards of a distributed step do not divide; give batch 16 or 24"
    )


def test_a_setting_that_is_refused():
    assert "lr" in errors(ConfigError, lr=-1.0)


def test_another_store_on_one_rank(tmp_path, monkeypatch):
    import fastlm
    from fastlm.api import ranks
    from fastlm.data.handover import taken_over

    path = tmp_path / "text.tokens"
    fastlm.prepare(None, path, texts=TEXT, progress=False)
    calls = []

    def taken(data):
        calls.append(data)
        if len(calls) == 2:
            raise StoreError("another store")
        return taken_over(data)

    monkeypatch.setattr(ranks, "taken_over", taken)
    said = errors(StoreError, corpus=path)
    assert said.startswith("rank ")
    assert said.endswith(": another store")
