"""The one decorator: every JIT flag of the project is set here.

Numba gives a literal argument a type of its own, and compiles the called kernel once more for it:
inside kernels a constant argument is written ``np.int64(0)``, or is a variable.
"""

from numba import config, njit

# Without nnan and ninf: LLVM may reorder and contract sums, but isnan keeps its meaning.
FAST_MATH = {"nsz", "arcp", "contract", "afn", "reassoc"}

JIT_DISABLED = bool(config.DISABLE_JIT)

# error_model="numpy": a division does not branch to raise, so loops with one still vectorise.
# _nrt=False: kernels allocate nothing, so they need not count references to arrays. Counting is an
# atomic operation for every slice, on one cache line that all threads share.
_EXACT_FLAGS = {"cache": True, "nogil": True, "error_model": "numpy", "_nrt": False}
_FLAGS = {**_EXACT_FLAGS, "fastmath": FAST_MATH}

# A kernel that Python calls.
kernel = njit(**_FLAGS)

# A kernel that other kernels call. It is always inlined, for the sake of equal bits: LLVM may
# optimise a function on its own and its copy inside a caller differently, and a process that
# compiles would run the one, a process that finds the caller in the cache the other.
shared_kernel = njit(**_FLAGS, forceinline=True)

# The same without a way in from Python: unpacking named tuples there took a quarter of the time
# to compile everything (11.4 s with it, 8.4 s without).
inner_kernel = njit(**_FLAGS, forceinline=True, no_cpython_wrapper=True, no_cfunc_wrapper=True)

# For code that looks for bad numbers or takes part in comparing bits: no rewriting of arithmetic.
exact_kernel = njit(**_EXACT_FLAGS)
