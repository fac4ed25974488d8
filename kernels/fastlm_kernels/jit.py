"""The one decorator: every JIT flag of the project is set here.

Numba gives a literal argument a type of its own, and compiles the called kernel once more for it:
inside kernels a constant argument is written ``np.int64(0)``, or is a variable.
"""

from numba import config, njit

# Without nnan and ninf: LLVM may reorder and contract sums, but isnan keeps its meaning.
FAST_MATH = {"nsz", "arcp", "contract", "afn", "reassoc"}

JIT_DISABLED = bool(config.DISABLE_JIT)

# error_model="numpy": a division does not branch to raise, so loops with one still vectorise.
kernel = njit(cache=True, nogil=True, error_model="numpy", fastmath=FAST_MATH)

# For kernels that only kernels call: no way in from Python. Unpacking the named tuples there took a
# quarter of the time to compile everything (11.4 s with it, 8.4 s without).
inner_kernel = njit(
    cache=True,
    nogil=True,
    error_model="numpy",
    fastmath=FAST_MATH,
    no_cpython_wrapper=True,
    no_cfunc_wrapper=True,
)

# For code that looks for bad numbers or takes part in comparing bits: no rewriting of arithmetic.
exact_kernel = njit(cache=True, nogil=True, error_model="numpy")
