"""Sharing tiles among threads: a ticket counter instead of a barrier.

The tiles of a call are numbered in the order in which a single thread would run them, and grouped
in phases; a phase may start when all tiles before it are done. A thread takes the next ticket only
once its phase is open, so that a thread which the operating system has put aside holds at most the
one tile it was working on, and others take the rest. Which thread runs a tile changes nothing in
the result: tiles do not depend on the number of threads.

The others still wait for that one tile. A thread that was put aside while they waited therefore
sleeps for a while once it is done, and leaves the work to those that have a processor: the longer,
the more often it happens.

Threads are Python threads in the same nogil kernel. No OpenMP or TBB is needed, a process that
trained can fork, several calls can run at once, and nothing has to compile with ``parallel=True``.
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

# sync : int64[SYNC_SIZE], zeros at the start of a call, shared by its threads
# own : int64[OWN_SIZE], zeros at first, each thread's own; kept from call to call
Team = namedtuple("Team", ("sync", "own"))


# Places in sync, one cache line (8 of 8 bytes) or more apart.
NEXT = 0


DONE = 16


STOP = 32


MISSED = 48  # 1: a thread has waited long for another


SYNC_SIZE = 64


# Places in own.
AWAY = 0  # nanoseconds that the thread had not run when it was last looked at; 0: not yet


RESTS = 1  # 1: it is to sleep before its next tile


UNTIL = 2  # when its sleep ends or ended, by the clock of ``nanoseconds``


LENGTH = 3  # of that sleep, in nanoseconds


PATIENCE = 4  # how many times as long as it was put aside that is


OWN_SIZE = 16  # two cache lines, so that two threads' rows do not share one


# After so many looks the processor is offered to others instead of being kept from them.
_SPINS = 4000


# Nanoseconds. Tiles take some 100,000; what is put aside waits for others' 3,000,000 and more.
_LONG_WAIT = 200_000


_PUT_ASIDE = 500_000


_LONGEST_SLEEP = 250_000_000


_MOST_PATIENCE = 64


_NAP = 500  # microseconds


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

    def nap():
        pass

    def nanoseconds():
        return 0

    def nanoseconds_away():
        return 0

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

    def _external(name, function):
        binding.add_symbol(name, ctypes.cast(function, ctypes.c_void_p).value)

    def _clock(name, number):
        """An intrinsic that reads a POSIX clock in nanoseconds."""

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
        give_way = types.ExternalFunction("fastlm_yield", types.int32())

        # There a thread's own time is known to 16 ms only: none is ever found late.
        @inner_kernel
        def nap():
            give_way()

        @shared_kernel
        def nanoseconds():
            return np.int64(0)

        @shared_kernel
        def nanoseconds_away():
            return np.int64(0)

    else:
        _libc = ctypes.CDLL(None)
        _external("fastlm_yield", _libc.sched_yield)
        _external("fastlm_sleep", _libc.usleep)
        _external("fastlm_clock", _libc.clock_gettime)
        give_way = types.ExternalFunction("fastlm_yield", types.int32())
        _sleep = types.ExternalFunction("fastlm_sleep", types.int32(types.uint32))
        _nanoseconds = _clock("fastlm_clock", time.CLOCK_MONOTONIC)
        _own_nanoseconds = _clock("fastlm_clock", time.CLOCK_THREAD_CPUTIME_ID)

        @inner_kernel
        def nap():
            _sleep(np.uint32(_NAP))

        @shared_kernel
        def nanoseconds():
            return _nanoseconds()

        @shared_kernel
        def nanoseconds_away():
            """For how long the calling thread has not run, since some moment in the past."""
            return _nanoseconds() - _own_nanoseconds()


@shared_kernel
def phase_of(phases, nth):
    """The phase of the nth ticket of a cycle; see ``claim``."""
    phase = 0
    while nth >= phases[phase + 1]:
        phase += 1
    return phase


@shared_kernel
def claim(team, total, phases):
    """The next ticket that may run now, or -1 when none is left or the team was stopped.

    phases : int64[any], where in a cycle (a training step) each phase begins, which may hold no
        ticket, and last how many tickets a cycle has
    """
    per_cycle = phases[len(phases) - 1]
    sync = team.sync
    own = team.own
    if own[RESTS] != 0:
        rest(team, total)
    elif own[AWAY] == 0:
        own[AWAY] = nanoseconds_away()
    looks = 0
    since = np.int64(0)
    while True:
        ticket = load(sync, NEXT)
        if ticket >= total or load(sync, STOP) != 0:
            return -1
        nth = ticket % per_cycle
        start = ticket - nth + phases[phase_of(phases, nth)]
        if load(sync, DONE) >= start:
            if replace(sync, NEXT, ticket, ticket + 1):
                if looks > _SPINS:
                    # While it waited nobody waited for it.
                    own[AWAY] = nanoseconds_away()
                    replace(sync, MISSED, np.int64(1), np.int64(0))
                return ticket
        else:
            looks += 1
            if looks == _SPINS:
                since = nanoseconds()
            elif looks > _SPINS:
                give_way()
                if nanoseconds() - since > _LONG_WAIT:
                    replace(sync, MISSED, np.int64(0), np.int64(1))


@shared_kernel
def finish(team):
    """The tile of a claimed ticket is done."""
    if load(team.sync, MISSED) != 0:
        look_for_own_absence(team.own)
    add(team.sync, DONE, 1)


@inner_kernel
def look_for_own_absence(own):
    """Somebody waits: a thread that was put aside since its last look is to sleep.

    As long as it was away, and twice as long each time that this happens again soon. With another
    process busy on its processor it is away for half of its time, and the others wait for it.
    """
    away = nanoseconds_away()
    late = away - own[AWAY]
    own[AWAY] = away
    if late < _PUT_ASIDE:
        return
    now = nanoseconds()
    if now - own[UNTIL] < 4 * own[LENGTH]:
        own[PATIENCE] = min(2 * own[PATIENCE], _MOST_PATIENCE)
    else:
        own[PATIENCE] = 1
    own[LENGTH] = min(own[PATIENCE] * late, _LONGEST_SLEEP)
    own[UNTIL] = now + own[LENGTH]
    own[RESTS] = 1


@inner_kernel
def rest(team, total):
    """Leave the tickets to others until the thread's time has come, or none is left."""
    while nanoseconds() < team.own[UNTIL]:
        if load(team.sync, NEXT) >= total or load(team.sync, STOP) != 0:
            return  # goes on in the next call
        nap()
    team.own[RESTS] = 0
    team.own[AWAY] = nanoseconds_away()
