"""The JIT decorators: every Numba flag of the project is set here.

Numba gives a literal argument a type of its own and compiles the called kernel once more for it.
Inside kernels a constant argument is therefore written ``np.int64(0)``, or is a variable.
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
# _nrt=False: kernels allocate nothing and need no reference counts, which would cost an atomic
# operation per slice, on one cache line that all threads share.
_EXACT_FLAGS = {"nogil": True, "error_model": "numpy", "_nrt": False}
_FLAGS = {**_EXACT_FLAGS, "fastmath": FAST_MATH}

_skip_optimizer = [False]


def _decorator(**flags):
    """Return ``njit`` with these flags, and with the cache of ``runtime.cache``."""
    jit = njit(**flags)

    def decorate(function):
        dispatcher = jit(function)
        if not JIT_DISABLED:
            dispatcher._cache = KernelCache(function)
            _set_optimizer(dispatcher, enabled=not flags.get("no_cpython_wrapper"))
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


def _set_optimizer(dispatcher, enabled):
    """Choose whether LLVM optimises a kernel alone, or only where it is inlined into another.

    Otherwise each kernel would be optimised alone, again in its caller, and again in the caller's
    caller: 14.3 s in place of 9.3 s for ``train_steps``.
    """
    compile_signature = dispatcher.compile

    def compile_with_flag(signature):
        # Numba's own lock, so that code which another thread compiles meanwhile is not affected.
        with global_compiler_lock:
            before = _skip_optimizer[0]
            _skip_optimizer[0] = not enabled
            try:
                return compile_signature(signature)
            finally:
                _skip_optimizer[0] = before

    dispatcher.compile = compile_with_flag


def _patch_numba():
    """Let ``_skip_optimizer`` switch Numba's last optimisation of a library.

    A version of Numba without that method is left alone; compiling then takes longer.
    """
    from numba.core import codegen

    optimize = getattr(codegen.CPUCodeLibrary, "_optimize_final_module", None)
    if optimize is None:
        return

    def optimize_unless_skipped(library):
        if not _skip_optimizer[0]:
            optimize(library)

    codegen.CPUCodeLibrary._optimize_final_module = optimize_unless_skipped


_patch_numba()


# A kernel that Python calls.
kernel = _decorator(**_FLAGS)

# A kernel that other kernels call. It is always inlined, for equal bits: LLVM may optimise a
# function alone and its copy inside a caller differently; a process that compiles would run the
# one, a process that finds the caller in the cache the other.
shared_kernel = _decorator(**_FLAGS, forceinline=True)

# A shared kernel that Python cannot call: unpacking named tuples took a quarter of the time to
# compile everything (11.4 s with it, 8.4 s without).
inner_kernel = _decorator(
    **_FLAGS, forceinline=True, no_cpython_wrapper=True, no_cfunc_wrapper=True
)

# An inner kernel that is not inlined if it calls ``never_inline``.
noinline_kernel = _decorator(**_FLAGS, no_cpython_wrapper=True, no_cfunc_wrapper=True)

# A kernel without fast math: for finding bad numbers, and for bits that must not depend on
# rewritten arithmetic.
exact_kernel = _decorator(**_EXACT_FLAGS)


if JIT_DISABLED:

    def never_inline():
        pass

else:

    @intrinsic
    def never_inline(typing_context):
        """Keep the calling function from being inlined.

        For functions that are called from several places: each copy would have to be compiled.
        """

        def codegen(context, builder, signature, arguments):
            # Numba hands the caller's attributes down to it.
            builder.function.attributes.discard("alwaysinline")
            builder.function.attributes.add("noinline")
            return context.get_dummy_value()

        return types.void(), codegen
