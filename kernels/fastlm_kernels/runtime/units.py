"""Kernels that other kernels call through their addresses, each compiled and optimised by itself.

A unit that a run does not need is never compiled, and several processes can compile different
units at once. Compiled into one kernel, as they were, nothing could run before all was optimised.
"""

from __future__ import annotations

from typing import Any

from numba import typeof, types
from numba.core import cgutils
from numba.extending import intrinsic

from fastlm_kernels.runtime.jit import JIT_DISABLED

__all__ = ["NOT_NEEDED", "call_unit", "load_shared", "share", "unit_address"]

if JIT_DISABLED:
    NOT_NEEDED = None

    def unit_address(unit: Any, shared: Any) -> Any:
        return unit

    def share(values):
        return values

    def load_shared(shared):
        return shared

    def call_unit(unit, shared, step, a, b, c, d, rate):
        return unit(shared, step, a, b, c, d, rate)

else:
    NOT_NEEDED = 0

    def unit_address(unit: Any, shared: Any) -> Any:
        """Return the address of a unit, compiled or loaded for the types of a tuple."""
        kinds = _arguments(types.CPointer(typeof(shared)))
        unit.compile(kinds)
        compiled = unit.overloads[kinds]
        return compiled.library.get_pointer_to_function(compiled.fndesc.llvm_func_name)

    def _arguments(shared):
        return (shared, *[types.int64] * 5, types.float64)

    @intrinsic
    def share(typing_context, values):
        """Put a tuple where units read it, while the calling kernel runs; return its address.

        As arguments its two hundred numbers would have to be moved at each call, which took longer
        to compile than all units.
        """

        def codegen(context, builder, signature, arguments):
            place = cgutils.alloca_once(builder, arguments[0].type)
            builder.store(arguments[0], place)
            return builder.bitcast(place, context.get_value_type(signature.return_type))

        return types.CPointer(values)(values), codegen

    @intrinsic
    def load_shared(typing_context, shared):
        """Return the tuple that ``share`` has put at an address."""

        def codegen(context, builder, signature, arguments):
            kind = context.get_value_type(signature.return_type)
            return builder.load(builder.bitcast(arguments[0], kind.as_pointer()))

        return shared.dtype(shared), codegen

    @intrinsic
    def call_unit(typing_context, address, shared, step, a, b, c, d, rate):
        """Call the unit at ``address``; return its float64."""
        kinds = _arguments(shared)

        def codegen(context, builder, signature, values):
            convention = context.call_conv
            function = convention.get_function_type(types.float64, kinds)
            status, result = convention.call_function(
                builder, builder.inttoptr(values[0], function.as_pointer()), types.float64, kinds,
                values[1:],
            )  # fmt: skip
            with cgutils.if_unlikely(builder, status.is_error):  # with bounds checks only
                convention.return_status_propagate(builder, status)
            return result

        return types.float64(address, *kinds), codegen
