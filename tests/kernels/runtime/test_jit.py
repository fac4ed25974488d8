"""The one decorator: what it does to every kernel."""

from __future__ import annotations

import importlib
import pkgutil

import numpy as np
import pytest
from numba.core.dispatcher import Dispatcher

import fastlm_kernels
from fastlm_kernels.passes.training import count_nonfinite, mean_loss
from fastlm_kernels.runtime.cache import KernelCache
from fastlm_kernels.runtime.jit import FAST_MATH, JIT_DISABLED, is_cached

compiled_only = pytest.mark.skipif(JIT_DISABLED, reason="nothing is compiled")


def kernels() -> dict[str, Dispatcher]:
    found = {}
    for module in pkgutil.walk_packages(fastlm_kernels.__path__, "fastlm_kernels."):
        for item in vars(importlib.import_module(module.name)).values():
            if isinstance(item, Dispatcher):
                found[f"{item.py_func.__module__}.{item.py_func.__name__}"] = item
    return found


@compiled_only
def test_every_kernel_has_the_cache_and_runs_without_the_gil():
    assert len(kernels()) > 100
    for name, kernel in kernels().items():
        assert isinstance(kernel._cache, KernelCache), name
        assert kernel.targetoptions["nogil"], name
        assert kernel.targetoptions["error_model"] == "numpy", name


@compiled_only
def test_fast_math_leaves_isnan_alone():
    for name, kernel in kernels().items():
        assert not {"nnan", "ninf"} & set(kernel.targetoptions.get("fastmath") or ()), name
    assert not {"nnan", "ninf"} & FAST_MATH
    assert count_nonfinite(np.array([1.0, np.nan, np.inf], dtype=np.float32)) == 2


def test_a_kernel_that_ran_is_not_compiled_again():
    mean_loss(np.ones(2), 2)
    assert is_cached(mean_loss)
