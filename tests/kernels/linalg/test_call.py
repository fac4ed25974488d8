"""The product is compiled once, with the arguments that its callers pass."""

from __future__ import annotations

import inspect

import pytest

from fastlm_kernels.linalg import gemm
from fastlm_kernels.linalg.call import PRODUCT
from fastlm_kernels.linalg.sparse import any_product
from fastlm_kernels.runtime.cache import KernelCache
from fastlm_kernels.runtime.jit import JIT_DISABLED


def test_its_signature_has_an_argument_for_each_parameter():
    assert len(PRODUCT.args) == len(inspect.signature(any_product).parameters)


@pytest.mark.skipif(JIT_DISABLED, reason="nothing is compiled")
def test_all_threads_call_the_same_code():
    first, second = gemm.new_workspace(), gemm.new_workspace()
    assert first.address == second.address != 0
    assert first.pack.ctypes.data != second.pack.ctypes.data
    assert gemm.NO_WORKSPACE.address == 0


@pytest.mark.skipif(JIT_DISABLED, reason="nothing is compiled")
def test_it_is_cached_like_every_kernel():
    """By the sources of all kernels: what is compiled into it stands in other files."""
    assert isinstance(gemm._compiled()._cache, KernelCache)
