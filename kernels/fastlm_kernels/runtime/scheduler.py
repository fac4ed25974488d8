"""The tile scheduler: threads share the tiles of a call by a ticket counter, without a barrier.

The tiles of a call are numbered in the order in which a single thread would run them, and grouped
in phases. A phase may start when all tiles before it are done. A thread takes the next ticket only
once its phase is open, so a thread that the operating system has descheduled holds at most the
tile that it was working on; the others take the rest. Tiles do not depend on the number of threads,
so the result does not depend on which thread runs a tile.

The others still wait for that one tile. A thread that was descheduled while they waited therefore
backs off: it sleeps before its next tile, and longer each time this happens again soon.

Threads are Python threads inside the same nogil kernel. That needs no OpenMP or TBB and no
``parallel=True``; a process that trained can fork, and several calls can run at once.
"""

from __future__ import annotations

import ctypes
import sys
import time
from collections import namedtuple

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from fastlm_kernels.runtime.jit import JIT_DISABLED, inner_kernel, shared_kernel

# shared : int64[SHARED_SIZE], zeros at the start of a call, shared by its threads
# private : int64[PRIVATE_SIZE], zeros at first, one row per thread; kept from call to call
Worker = namedtuple("Worker", ("shared", "private"))

# Indices into ``shared``, each on cache lines of its own (8 elements of 8 bytes).
NEXT = 0  # the next ticket
DONE = 16  # tiles that are done
STOP = 32  # not 0: take no more tickets
WAITED_FOR = 48  # 1: a thread has waited long for another
SHARED_SIZE = 64

# Indices into ``private``. Times are in nanoseconds.
OFF_CPU = 0  # time without a processor up to the last check; 0: not checked yet
BACKS_OFF = 1  # 1: sleep before the next tile
WAKE_TIME = 2  # end of the last sleep, by the clock of ``nanoseconds``
SLEEP_TIME = 3  # length of the last sleep
BACKOFF_FACTOR = 4  # that length, in times the absence that caused it
PRIVATE_SIZE = 16  # two cache lines, so that rows of two threads share none


def no_worker() -> Worker:
    """Return a Worker for calls that are only compiled."""
    return Worker(np.zeros(SHARED_SIZE, dtype=np.int64), np.zeros(PRIVATE_SIZE, dtype=np.int64))


_SPINS = 4000  # polls before a waiting thread yields its processor at each further one

# Nanoseconds. A tile takes about 100,000; a descheduled thread is away for 3,000,000 or more.
_LONG_WAIT = 200_000
_LONG_ABSENCE = 500_000
_MAX_SLEEP = 250_000_000
_MAX_BACKOFF_FACTOR = 64
_SHORT_SLEEP = 500  # microseconds


if JIT_DISABLED:  # one thread only, so plain reads and writes are atomic enough

    def atomic_load(array, index):
        return array[index]

    def atomic_add(array, index, amount):
        array[index] += amount

    def compare_and_swap(array, index, old, new):
        if array[index] != old:
            return False
        array[index] = new
        return True

    def yield_cpu():
        pass

    def short_sleep():
        pass

    def nanoseconds():
        return 0

    def off_cpu_nanoseconds():
        return 0

else:
    from llvmlite import binding

    def _element(context, builder, signature, arguments):
        data = context.make_array(signature.args[0])(context, builder, arguments[0]).data
        return builder.gep(data, [arguments[1]])

    @intrinsic
    def atomic_load(typing_context, array, index):
        """Atomic read of int64 array[index] (acquire)."""

        def codegen(context, builder, signature, arguments):
            pointer = _element(context, builder, signature, arguments)
            return builder.load_atomic(pointer, "acquire", 8)

        return types.int64(array, types.intp), codegen

    @intrinsic
    def atomic_add(typing_context, array, index, amount):
        """Atomic array[index] += amount; publishes earlier writes of this thread."""

        def codegen(context, builder, signature, arguments):
            pointer = _element(context, builder, signature, arguments)
            builder.atomic_rmw("add", pointer, arguments[2], "seq_cst")

        return types.void(array, types.intp, types.int64), codegen

    @intrinsic
    def compare_and_swap(typing_context, array, index, old, new):
        """Atomic compare-and-swap; returns whether array[index] was ``old`` and is now ``new``."""

        def codegen(context, builder, signature, arguments):
            pointer = _element(context, builder, signature, arguments)
            result = builder.cmpxchg(pointer, arguments[2], arguments[3], "seq_cst", "seq_cst")
            return builder.extract_value(result, 1)

        return types.boolean(array, types.intp, types.int64, types.int64), codegen

    def _external(name, function):
        binding.add_symbol(name, ctypes.cast(function, ctypes.c_void_p).value)

    def _clock(name, number):
        """Return an intrinsic that reads a POSIX clock in nanoseconds."""

        @intrinsic
        def read(typing_context):
            def codegen(context, builder, signature, arguments):
                int32, int64 = ir.IntType(32), ir.IntType(64)
                time_spec = cgutils.alloca_once(builder, ir.ArrayType(int64, 2))
                function = cgutils.get_or_insert_function(
                    builder.module, ir.FunctionType(int32, [int32, time_spec.type]), name
                )
                builder.call(function, [int32(number), time_spec])
                seconds, rest = (
                    builder.extract_value(builder.load(time_spec), index) for index in range(2)
                )
                return builder.add(builder.mul(seconds, int64(10**9)), rest)

            return types.int64(), codegen

        return read

    if sys.platform == "win32":
        _kernel32 = ctypes.WinDLL("kernel32")
        _external("fastlm_yield", _kernel32.SwitchToThread)
        yield_cpu = types.ExternalFunction("fastlm_yield", types.int32())

        # Windows counts a thread's time in steps of 16 ms: no absence is ever found.
        @inner_kernel
        def short_sleep():
            yield_cpu()

        @shared_kernel
        def nanoseconds():
            return np.int64(0)

        @shared_kernel
        def off_cpu_nanoseconds():
            return np.int64(0)

    else:
        _libc = ctypes.CDLL(None)
        _external("fastlm_yield", _libc.sched_yield)
        _external("fastlm_sleep", _libc.usleep)
        _external("fastlm_clock", _libc.clock_gettime)
        yield_cpu = types.ExternalFunction("fastlm_yield", types.int32())
        _sleep = types.ExternalFunction("fastlm_sleep", types.int32(types.uint32))
        _nanoseconds = _clock("fastlm_clock", time.CLOCK_MONOTONIC)
        _own_nanoseconds = _clock("fastlm_clock", time.CLOCK_THREAD_CPUTIME_ID)

        @inner_kernel
        def short_sleep():
            _sleep(np.uint32(_SHORT_SLEEP))

        @shared_kernel
        def nanoseconds():
            return _nanoseconds()

        @shared_kernel
        def off_cpu_nanoseconds():
            """Return how long the calling thread has not run, from a fixed moment on."""
            return _nanoseconds() - _own_nanoseconds()


@shared_kernel
def phase_of(phases, nth):
    """Return the phase of the nth ticket of a cycle; see ``next_tile``."""
    phase = 0
    while nth >= phases[phase + 1]:
        phase += 1
    return phase


@shared_kernel
def next_tile(worker, total, phases):
    """Return the next ticket once its phase is open; -1 if none is left or the call was stopped.

    worker : Worker of this thread
    total : tickets of the call
    phases : int64[P + 1], the first ticket of each phase within a cycle (a training step), then
        the number of tickets of a cycle; a phase may be empty
    """
    per_cycle = phases[len(phases) - 1]
    shared = worker.shared
    private = worker.private
    if private[BACKS_OFF] != 0:
        back_off(worker, total)
    elif private[OFF_CPU] == 0:
        private[OFF_CPU] = off_cpu_nanoseconds()
    polls = 0
    since = np.int64(0)
    while True:
        ticket = atomic_load(shared, NEXT)
        if ticket >= total or atomic_load(shared, STOP) != 0:
            return -1
        nth = ticket % per_cycle
        start = ticket - nth + phases[phase_of(phases, nth)]
        if atomic_load(shared, DONE) >= start:
            if compare_and_swap(shared, NEXT, ticket, ticket + 1):
                if polls > _SPINS:
                    # It was idle, so its own absence delayed no other thread.
                    private[OFF_CPU] = off_cpu_nanoseconds()
                    compare_and_swap(shared, WAITED_FOR, np.int64(1), np.int64(0))
                return ticket
        else:
            polls += 1
            if polls == _SPINS:
                since = nanoseconds()
            elif polls > _SPINS:
                yield_cpu()
                if nanoseconds() - since > _LONG_WAIT:
                    compare_and_swap(shared, WAITED_FOR, np.int64(0), np.int64(1))


@shared_kernel
def tile_done(worker):
    """Report the tile of the last ticket as done."""
    if atomic_load(worker.shared, WAITED_FOR) != 0:
        check_off_cpu_time(worker.private)
    atomic_add(worker.shared, DONE, 1)


@inner_kernel
def check_off_cpu_time(private):
    """Make this thread back off if it was descheduled since the last check, while others waited.

    The sleep is as long as the absence, and twice as long each time this happens again soon: beside
    another busy process the thread would be away half of the time, and the others wait for it.
    """
    away = off_cpu_nanoseconds()
    absence = away - private[OFF_CPU]
    private[OFF_CPU] = away
    if absence < _LONG_ABSENCE:
        return
    now = nanoseconds()
    if now - private[WAKE_TIME] < 4 * private[SLEEP_TIME]:
        private[BACKOFF_FACTOR] = min(2 * private[BACKOFF_FACTOR], _MAX_BACKOFF_FACTOR)
    else:
        private[BACKOFF_FACTOR] = 1
    private[SLEEP_TIME] = min(private[BACKOFF_FACTOR] * absence, _MAX_SLEEP)
    private[WAKE_TIME] = now + private[SLEEP_TIME]
    private[BACKS_OFF] = 1


@inner_kernel
def back_off(worker, total):
    """Sleep until the thread's wake time, or until no ticket is left."""
    while nanoseconds() < worker.private[WAKE_TIME]:
        if atomic_load(worker.shared, NEXT) >= total or atomic_load(worker.shared, STOP) != 0:
            return  # the sleep goes on in the next call
        short_sleep()
    worker.private[BACKS_OFF] = 0
    worker.private[OFF_CPU] = off_cpu_nanoseconds()
