"""Generation depends on the seed and a text's number only: not on batches, threads or bursts."""

from __future__ import annotations

import multiprocessing
import os
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastlm.config import ModelConfig
from fastlm.engine.generation import Generation, context_logits, start_context
from fastlm.errors import TrainingError
from fastlm.inference.generation import kernel_rules
from fastlm.inference.sampling import Sampling
from fastlm.model.layout import Layout
from fastlm_kernels.passes.sampling import sampling_uniform
from fastlm_kernels.runtime.jit import JIT_DISABLED
from tests import naive

SHAPES = [
    {"combine": "mean"},
    {"hidden": (9, 7), "bias": False},
    {"far": (2, 3)},
    {"cutoffs": (2, 4)},
    {"far": (4,), "cutoffs": (3,), "hidden": ()},
]


def model(boundary=0, seed=1, **changes):
    config = ModelConfig(
        **{"vocab": 6, "context": 3, "embed": 4, "hidden": (5,), "boundary": boundary, **changes}
    )
    rng = np.random.default_rng(seed)
    return config, (0.5 * rng.standard_normal(Layout(config).size)).astype(np.float32)


def oracle_logits(config, params, ids):
    shape = naive.NaiveConfig(
        vocab=config.vocab, context=config.context, embed=config.embed, hidden=config.hidden,
        combine=config.combine, bias=config.bias,
    )  # fmt: skip
    tensors = naive.split(params.astype(np.float64), shape)
    boundary = -1 if config.boundary is None else config.boundary
    context = naive.context_before(ids, len(ids), config.context, boundary)
    return naive.forward(tensors, shape, [context]).logits[0]


def write(config, params, sampling=None, *, seed=0, ids=(), length=12, **how):
    """The new ids of each text, in bursts as they come."""
    generation = Generation(
        params, config, kernel_rules(sampling or Sampling(), config.vocab), seed, list(ids), **how
    )
    texts = [[] for _ in range(how.get("count", 1))]
    for burst in generation.bursts(length, 0.01):
        for text, new in zip(texts, burst, strict=True):
            text += new.tolist()
    return texts


@pytest.mark.parametrize("boundary", [0, 4, None])
@pytest.mark.parametrize("combine", ["concat", "mean"])
@pytest.mark.parametrize("hidden", [(), (5,), (5, 3)])
def test_the_context_after_a_prompt_gives_the_oracles_logits(boundary, combine, hidden):
    config, params = model(boundary, combine=combine, hidden=hidden)
    text = [1, 2, 5, 4, 3, 4, 1, 0, 2]
    for length in range(len(text) + 1):
        context = start_context(config, text[:length])
        assert (context.dtype, context.shape) == (np.int32, (config.context,))
        found = context_logits(params, config, context[None])[0]
        expected = oracle_logits(config, params, text[:length])
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


@settings(deadline=None, max_examples=40)
@given(
    seed=st.integers(0, 2**63 - 1),
    count=st.integers(1, 20),
    threads=st.integers(1, 3),
    length=st.integers(1, 30),
    end=st.sampled_from([None, 0, 3]),
    hidden=st.sampled_from([(), (5,), (70, 9)]),
    data=st.data(),
)
def test_a_text_depends_on_seed_and_number_only(seed, count, threads, length, end, hidden, data):
    config, params = model(hidden=hidden)
    together = write(
        config, params, seed=seed, ids=[1], count=count, length=length, end=end, threads=threads
    )
    number = data.draw(st.integers(0, count - 1))
    alone = Generation(
        params, config, kernel_rules(Sampling(), config.vocab), seed, [1], first=number, end=end
    )
    ids = []
    while len(ids) < length:
        steps = data.draw(st.integers(1, length - len(ids)))
        (new,) = alone.run(steps)
        ids += new.tolist()
        if new.size < steps:
            break
    assert ids == together[number]


@pytest.mark.skipif(JIT_DISABLED, reason="NumPy's product then")
@pytest.mark.parametrize("hidden", [(), (256,), (70, 33)])
@pytest.mark.parametrize("vocab", [7, 100, 1030])
def test_logits_have_the_same_bits_for_one_row_and_for_many(vocab, hidden):
    """What makes a text alone and the same text in a batch choose alike."""
    config, params = model(vocab=vocab, hidden=hidden, context=5, embed=9)
    contexts = np.random.default_rng(0).integers(0, vocab, (77, 5)).astype(np.int32)
    whole = context_logits(params, config, contexts)
    for first, last in ((0, 1), (3, 7), (5, 18), (76, 77)):
        part = context_logits(params, config, contexts[first:last])
        np.testing.assert_array_equal(part, whole[first:last])


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_a_text_alone_is_the_text_in_a_batch_for_every_shape(shape):
    config, params = model(**shape)
    together = write(config, params, seed=3, count=70, length=15, threads=2)
    for number in (0, 1, 33, 69):
        assert write(config, params, seed=3, first=number, length=15) == [together[number]]


def test_threads_that_write_at_once_do_not_disturb_each_other():
    config, params = model()
    expected = write(config, params, seed=5, count=9, length=60)
    found = [None] * 6

    def work(index):
        found[index] = write(config, params, seed=5, count=9, length=60, threads=2)

    workers = [threading.Thread(target=work, args=(index,)) for index in range(len(found))]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert found == [expected] * len(found)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this platform")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_writes_the_same():
    config, params = model()
    expected = write(config, params, seed=5, count=9, threads=2)
    with multiprocessing.get_context("fork").Pool(1) as pool:
        found = pool.apply(write, (config, params), {"seed": 5, "count": 9, "threads": 2})
    assert found == expected


def test_the_end_ends_and_is_not_part_of_the_text():
    config, params = model()
    texts = write(config, params, count=50, length=9, end=0)
    assert all(0 not in ids for ids in texts)
    lengths = {len(ids) for ids in texts}
    assert lengths >= {1, 2, 9}
    assert 0 not in lengths


def test_a_text_that_is_ended_from_outside_gets_no_more():
    config, params = model()
    generation = Generation(params, config, kernel_rules(Sampling(), config.vocab), 1, [], count=3)
    generation.run(2)
    generation.end(1)
    assert [ids.size for ids in generation.run(4)] == [4, 0, 4]
    generation.end(0)
    generation.end(2)
    assert list(generation.bursts(10, 0.1)) == []


def test_the_first_burst_is_one_token():
    config, params = model()
    generation = Generation(params, config, kernel_rules(Sampling(), config.vocab), 1, [])
    sizes = [ids.size for (ids,) in generation.bursts(300, 1.0)]
    assert sizes[0] == 1
    assert sum(sizes) == 300


def test_logits_that_are_not_finite_are_refused():
    config, params = model()
    for bad in (3e38, np.nan, -np.nan, np.inf):
        params[:] = bad
        with (
            np.errstate(all="ignore"),
            pytest.raises(TrainingError, match="logits are not finite"),
        ):
            write(config, params, count=2)


# ---------------------------------------------------------------------------- empty documents


@pytest.mark.parametrize("sampling", [Sampling(), Sampling(greedy=True), Sampling(top_k=3)])
@pytest.mark.parametrize("ends", [True, False])
def test_no_document_is_empty_and_the_others_keep_their_bits(sampling, ends):
    config, params = model(boundary=2, hidden=())
    params[:] = 0
    bias = Layout(config).views(params)["output.bias"]
    bias[:] = [0.1, 0, 1.0, 0, 0.2, 0.3]
    end = 2 if ends else None
    found = write(config, params, sampling, seed=4, count=200, length=6, end=end)
    probabilities = sampling.probabilities(bias)
    again = bias.copy()
    again[2] = -np.inf
    for number, text in enumerate(found):
        expected = []
        for position in range(6):
            with np.errstate(over="ignore"):
                first = sampling_uniform(4, number, position)
                second = sampling_uniform(4, number, position + (1 << 62))
            token = naive.drawn_token(probabilities, first)
            if token == 2 and (not expected or expected[-1] == 2):
                token = naive.drawn_token(sampling.probabilities(again), second)
            if token == end:
                break
            expected.append(token)
        assert text == expected
        assert text
    assert any(2 in text for text in found) != ends or sampling.greedy
