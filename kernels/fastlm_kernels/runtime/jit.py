"""The JIT decorators: every Numba flag of the project is set here.

Numba gives a literal argument a type of its own and compiles the called kernel once more for it.
Inside kernels a constant argument is therefore written ``np.int64(0)``, or is a variable.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from numba import config, njit, typeof, types
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
# no_cfunc_wrapper: nothing calls a kernel through the C interface, whose wrapper takes long.
_EXACT_FLAGS = {
    "nogil": True, "error_model": "numpy", "_nrt": False, "no_cfunc_wrapper": True
}  # fmt: skip
_FLAGS = {**_EXACT_FLAGS, "fastmath": FAST_MATH}

# The names of the kernels being compiled that become machine code, the innermost last; None for one
# that becomes part of its callers only.
_compiling: list[str | None] = []


def _decorator(inner=False, **flags):
    """Return ``njit`` with these flags, and with the cache of ``runtime.cache``."""
    jit = njit(**flags)

    def decorate(function):
        dispatcher = jit(function)
        if not JIT_DISABLED:
            dispatcher._cache = KernelCache(function)
            _leave_to_callers(dispatcher, inner)
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


def compile_for(dispatcher: Any, arguments: Iterable[Any]) -> None:
    """Compile a kernel for the types of ``arguments``, or load it from the cache."""
    if not JIT_DISABLED:
        dispatcher.compile(tuple(map(typeof, arguments)))


def _leave_to_callers(dispatcher, inner):
    """Choose whether a kernel becomes machine code, or only part of the kernels that call it.

    Otherwise each inner kernel would be linked, optimised and emitted alone, again in its caller,
    and again in the caller's caller: 14.9 s in place of 18.1 s for all of a
    training step.
    """
    compile_signature = dispatcher.compile

    def compile_named(signature):
        # Numba's own lock, so that code which another thread compiles meanwhile is not affected.
        with global_compiler_lock:
            _compiling.append(None if inner else dispatcher.py_func.__qualname__)
            try:
                return compile_signature(signature)
            finally:
                _compiling.pop()

    dispatcher.compile = compile_named


def _patch_numba():
    """Let Numba leave the library of an inner kernel as it is: neither linked nor emitted.

    A library that is emitted links the libraries of all inner kernels that it calls, directly or
    not. Without the methods that this replaces, in some version of Numba, kernels compile as usual,
    which takes longer.
    """
    from numba.core.codegen import CPUCodeLibrary
    from numba.core.cpu import CPUContext, _dynfunc

    finalize = CPUCodeLibrary.finalize
    get_executable = CPUContext.get_executable

    def finalize_unless_inner(library):
        if _compiling and library.name != _compiling[-1]:
            library._finalize_dynamic_globals()
            library._finalized = True
            library.is_inner = True
        else:
            library._linking_libraries = _with_called(library._linking_libraries)
            finalize(library)

    def get_executable_unless_inner(context, library, fndesc, env):
        library._ensure_finalized()
        if not is_inner(library):
            return get_executable(context, library, fndesc, env)
        # Only a key under which callers find the kernel.
        name = fndesc.qualname.split(".")[-1]
        return _dynfunc.make_function(fndesc.lookup_module(), name, "", 0, env, (library,))

    CPUCodeLibrary.finalize = finalize_unless_inner
    CPUContext.get_executable = get_executable_unless_inner


def is_inner(library):
    """Return whether a library is that of an inner kernel, and no machine code."""
    return getattr(library, "is_inner", False)


def _with_called(libraries):
    """Return libraries with those that the inner ones of them call, each after all its callers.

    LLVM links a function only if something that is linked already calls it.
    """
    found = {}

    def add(library):
        if library not in found:
            if is_inner(library):
                for called in reversed(library._linking_libraries):
                    add(called)
            found[library] = None

    for library in reversed(libraries):
        add(library)
    return list(reversed(found))


_patch_numba()


# A kernel that Python calls.
kernel = _decorator(**_FLAGS)

# A kernel that other kernels call. It is always inlined, for equal bits: LLVM may optimise a
# function alone and its copy inside a caller differently; a process that compiles would run the
# one, a process that finds the caller in the cache the other.
shared_kernel = _decorator(**_FLAGS, forceinline=True)

# A shared kernel that Python cannot call: unpacking named tuples took a quarter of the time to
# compile everything (11.4 s with it, 8.4 s without).
inner_kernel = _decorator(inner=True, **_FLAGS, forceinline=True, no_cpython_wrapper=True)

# An inner kernel that is not inlined if it calls ``never_inline``.
noinline_kernel = _decorator(inner=True, **_FLAGS, no_cpython_wrapper=True)

# A kernel that other kernels call through its address (``runtime.units``).
unit_kernel = _decorator(**_FLAGS, no_cpython_wrapper=True)

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
