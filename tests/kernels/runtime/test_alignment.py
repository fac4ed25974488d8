"""Arrays that start with a cache line."""

from __future__ import annotations

import numpy as np
import pytest

from fastlm.config import ModelConfig, TrainingConfig
from fastlm.engine.training import TrainingEngine
from fastlm.model.layout import Layout
from fastlm_kernels.runtime.alignment import aligned_copy, aligned_empty, aligned_zeros


@pytest.mark.parametrize("shape", [0, 1, 5, 1000, (3, 7), (2, 0)])
@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.uint8])
def test_they_are_as_numpys_and_start_with_a_line(shape, dtype):
    for array in (aligned_empty(shape, dtype), aligned_zeros(shape, dtype)):
        assert array.shape == np.empty(shape).shape
        assert array.dtype == dtype
        assert array.flags.c_contiguous
        assert array.flags.writeable
        assert array.size == 0 or array.ctypes.data % 64 == 0
    assert not aligned_zeros(shape, dtype).any()
    odd = np.arange(np.prod(shape) + 1).astype(dtype)[1:].reshape(shape)
    np.testing.assert_array_equal(aligned_copy(odd), odd)


def test_what_training_works_on_starts_with_a_line_and_the_callers_weights_stay():
    model = ModelConfig(vocab=50, context=2, embed=3, hidden=(5,))
    params = np.full(Layout(model).size + 1, 0.1, dtype=np.float32)[1:]
    engine = TrainingEngine(model, TrainingConfig(batch=4), np.arange(40) % 50, params)
    engine.run(np.full(3, 0.5))
    assert (params == np.float32(0.1)).all()
    scratch, state = engine.scratch, engine.state
    for array in (state.params, state.momentum, scratch.inputs, scratch.d_inputs, scratch.logits):
        assert array.ctypes.data % 64 == 0
