"""Sharing tiles among threads: a ticket counter instead of a barrier.

The tiles of a call are numbered in the order in which a single thread would run them, and grouped
in phases; a phase may start when all tiles before it are done. A thread takes the next ticket only
once its phase is open, so that a thread which the operating system has put aside holds at most the
one tile it was working on, and others take the rest. Which thread runs a tile changes nothing in
the result: tiles do not depend on the number of threads.

Threads are Python threads in the same nogil kernel. No OpenMP or TBB is needed, a process that
trained can fork, several calls can run at once, and nothing has to compile with ``parallel=True``.
"""

import ctypes
import sys

from numba import types
from numba.extending import intrinsic

from fastlm_kernels.jit import JIT_DISABLED, shared_kernel

# Places in the shared int64 array, one cache line (8 of 8 bytes) or more apart.
NEXT = 0
DONE = 16
STOP = 32
SYNC_SIZE = 48

# After so many looks the processor is offered to others instead of being kept from them. With
# another process busy on one of two cores, two threads reach 0.85 to 0.94 of one on the free core.
_SPINS = 4000

if JIT_DISABLED:  # one thread only, so plain reads and writes are atomic enough

    def load(array, index):
        return array[index]

    def add(array, index, amount):
        array[index] += amount

    def replace(array, index, old, new):
        if array[index] != old:
            return False
        array[index] = new
        return True

    def give_way():
        pass

else:
    from llvmlite import binding

    def _element(context, builder, signature, arguments):
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.gep(data, [arguments[1]])

    @intrinsic
    def load(typing_context, array, index):
        """Atomic read of int64 array[index]; what was written before its writing is seen."""

        def codegen(context, builder, signature, arguments):
            pointer = _element(context, builder, signature, arguments)
            return builder.load_atomic(pointer, "acquire", 8)

        return types.int64(array, types.intp), codegen

    @intrinsic
    def add(typing_context, array, index, amount):
        """Atomic array[index] += amount; publishes what this thread wrote before."""

        def codegen(context, builder, signature, arguments):
            pointer = _element(context, builder, signature, arguments)
            builder.atomic_rmw("add", pointer, arguments[2], "seq_cst")

        return types.void(array, types.intp, types.int64), codegen

    @intrinsic
    def replace(typing_context, array, index, old, new):
        """Atomic: if array[index] is old, make it new; whether it was."""

        def codegen(context, builder, signature, arguments):
            pointer = _element(context, builder, signature, arguments)
            result = builder.cmpxchg(pointer, arguments[2], arguments[3], "seq_cst", "seq_cst")
            return builder.extract_value(result, 1)

        return types.boolean(array, types.intp, types.int64, types.int64), codegen

    if sys.platform == "win32":
        _yield_function = ctypes.WinDLL("kernel32").SwitchToThread
    else:
        _yield_function = ctypes.CDLL(None).sched_yield
    binding.add_symbol("fastlm_yield", ctypes.cast(_yield_function, ctypes.c_void_p).value)
    give_way = types.ExternalFunction("fastlm_yield", types.int32())


@shared_kernel
def claim(sync, total, per_cycle, split):
    """The next ticket that may run now, or -1 when none is left or the team was stopped.

    sync : int64[SYNC_SIZE], zeros at the start of a call
    A cycle (a training step) has two phases: its first ``split`` tickets, then the rest of its
    ``per_cycle`` tickets.
    """
    spins = 0
    while True:
        ticket = load(sync, NEXT)
        if ticket >= total or load(sync, STOP) != 0:
            return -1
        start = ticket - ticket % per_cycle
        if ticket - start >= split:
            start += split
        if load(sync, DONE) >= start:
            if replace(sync, NEXT, ticket, ticket + 1):
                return ticket
        else:
            spins += 1
            if spins >= _SPINS:
                give_way()


@shared_kernel
def finish(sync):
    """The tile of a claimed ticket is done."""
    add(sync, DONE, 1)
