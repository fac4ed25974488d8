"""Models survive pickling and copying, and a trip to another process."""

from __future__ import annotations

import copy
import multiprocessing
import pickle

import numpy as np
import pytest

from tests.api.models import TOKENIZERS, make_model


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("kind", TOKENIZERS)
def test_a_model_comes_back_from_its_pickle(kind, protocol):
    model = make_model(kind, "lines")
    model.details = {"step": 3}
    again = pickle.loads(pickle.dumps(model, protocol))
    assert again.params.tobytes() == model.params.tobytes()
    assert again.params.flags.writeable
    assert not np.shares_memory(again.params, model.params)
    assert (again.config, again.tokenizer) == (model.config, model.tokenizer)
    assert (again.documents, again.details) == (model.documents, model.details)
    assert again.generate("to", length=20, seed=1) == model.generate("to", length=20, seed=1)


def test_a_pickle_is_no_larger_than_it_must_be():
    model = make_model("char")
    size = len(pickle.dumps(model))
    assert size < model.params.nbytes + 3000  # not the table of all code points


def test_weights_may_go_out_of_band():
    model = make_model(hidden=(64,))
    buffers = []
    data = pickle.dumps(model, 5, buffer_callback=buffers.append)
    assert len(data) < model.params.nbytes
    again = pickle.loads(data, buffers=[bytes(buffer) for buffer in buffers])  # read-only memory
    assert again.params.flags.writeable
    assert again.generate("to", length=20, seed=1) == model.generate("to", length=20, seed=1)


def test_a_copy_shares_the_weights_and_a_deep_copy_does_not():
    model = make_model()
    assert copy.copy(model).params is model.params
    deep = copy.deepcopy(model)
    deep.tensors["output.bias"][:] = 7
    assert not np.array_equal(deep.params, model.params)
    assert deep.params[-1] == 7


def work(model, seed):
    return model.generate("to", length=20, seed=seed)


def test_a_process_that_is_spawned_writes_the_same():
    model = make_model()
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        found = pool.starmap(work, [(model, 1), (model, 2)])
    assert found == [work(model, 1), work(model, 2)]
