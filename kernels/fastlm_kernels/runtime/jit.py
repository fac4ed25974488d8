"""The one decorator: every JIT flag of the project is set here.

Numba gives a literal argument a type of its own, and compiles the called kernel once more for it:
inside kernels a constant argument is written ``np.int64(0)``, or is a variable.
"""

from __future__ import annotations

from typing import Any

from numba import config, njit, types
from numba.core import sigutils
from numba.core.ccallback import CFunc
from numba.core.compiler_lock import global_compiler_lock
from numba.extending import intrinsic

from fastlm_kernels.runtime.cache import KernelCache

# Without nnan and ninf: LLVM may reorder and contract sums, but isnan keeps its meaning.
FAST_MATH = {"nsz", "arcp", "contract", "afn", "reassoc"}


JIT_DISABLED = bool(config.DISABLE_JIT)


# error_model="numpy": a division does not branch to raise, so loops with one still vectorise.
# _nrt=False: kernels allocate nothing, so they need not count references to arrays. Counting is an
# atomic operation for every slice, on one cache line that all threads share.
_EXACT_FLAGS = {"nogil": True, "error_model": "numpy", "_nrt": False}


_FLAGS = {**_EXACT_FLAGS, "fastmath": FAST_MATH}


def _decorator(**flags):
    """``njit`` with these flags, and with the cache of ``fastlm_kernels.runtime.cache``."""
    jit = njit(**flags)

    def decorate(function):
        dispatcher = jit(function)
        if not JIT_DISABLED:
            dispatcher._cache = KernelCache(function)
            _optimise(dispatcher, by_itself=not flags.get("no_cpython_wrapper"))
        return dispatcher

    return decorate


def callback(function, signature):
    """Compile ``function`` for calls through its address, with the flags and cache of a kernel."""
    flags = {"error_model": "numpy", "fastmath": FAST_MATH}
    compiled = CFunc(function, sigutils.normalize_signature(signature), {}, flags)
    compiled._cache = KernelCache(function)
    compiled.compile()
    return compiled


def is_cached(dispatcher: Any) -> bool:
    """Return whether a kernel was compiled in this process, or lies in the cache."""
    return JIT_DISABLED or bool(dispatcher.signatures) or dispatcher._cache.holds_any()


def _optimise(dispatcher, by_itself):
    """Whether LLVM optimises a kernel by itself, or only where it has been inlined into another.

    Otherwise each would be optimised once alone, once in the kernel that calls it, and once more in
    the one that calls that: 14.3 s in place of 9.3 for ``train_steps``.
    """
    compile_one = dispatcher.compile

    def compile_so(signature):
        # Numba's own lock, so that what another thread compiles meanwhile is not affected.
        with global_compiler_lock:
            before = _left_to_callers[0]
            _left_to_callers[0] = not by_itself
            try:
                return compile_one(signature)
            finally:
                _left_to_callers[0] = before

    dispatcher.compile = compile_so


_left_to_callers = [False]


def _skip_where_left_to_callers():
    """Without effect where a version of Numba has no such method: compiling takes longer then."""
    from numba.core import codegen

    optimise = getattr(codegen.CPUCodeLibrary, "_optimize_final_module", None)
    if optimise is None:
        return

    def optimise_unless_left(library):
        if not _left_to_callers[0]:
            optimise(library)

    codegen.CPUCodeLibrary._optimize_final_module = optimise_unless_left


_skip_where_left_to_callers()


# A kernel that Python calls.
kernel = _decorator(**_FLAGS)


# A kernel that other kernels call. It is always inlined, for the sake of equal bits: LLVM may
# optimise a function on its own and its copy inside a caller differently, and a process that
# compiles would run the one, a process that finds the caller in the cache the other.
shared_kernel = _decorator(**_FLAGS, forceinline=True)


# The same without a way in from Python: unpacking named tuples there took a quarter of the time
# to compile everything (11.4 s with it, 8.4 s without).
inner_kernel = _decorator(
    **_FLAGS, forceinline=True, no_cpython_wrapper=True, no_cfunc_wrapper=True
)


# The same for what may ``stay_apart``.
apart_kernel = _decorator(**_FLAGS, no_cpython_wrapper=True, no_cfunc_wrapper=True)


# For code that looks for bad numbers or takes part in comparing bits: no rewriting of arithmetic.
exact_kernel = _decorator(**_EXACT_FLAGS)


if JIT_DISABLED:

    def stay_apart():
        pass

else:

    @intrinsic
    def stay_apart(typing_context):
        """The function that says so is not inlined: it is called from several places, and each
        copy of it would have to be compiled."""

        def codegen(context, builder, signature, arguments):
            # Numba hands on to it what its caller says of itself.
            builder.function.attributes.discard("alwaysinline")
            builder.function.attributes.add("noinline")
            return context.get_dummy_value()

        return types.void(), codegen
