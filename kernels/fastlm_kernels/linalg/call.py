"""Calling the matrix product through its address: it is compiled once, not into each caller.

Compiled into each of them it took six seconds more to compile.
"""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

_POINTER = types.CPointer(types.float32)


_INT = types.int64


# c, c0, ldc, a, a0, a_row, a_column, b, b0, ldb, transpose_b, m, n, k, alpha, beta, as of ``gemm``;
# then h, h0, the task, and the scratch and the lists of the Workspace.
PRODUCT = types.void(
    _POINTER, _INT, _INT,
    _POINTER, _INT, _INT, _INT,
    _POINTER, _INT, _INT, _INT,
    _INT, _INT, _INT, types.float32, types.float32,
    _POINTER, _INT, _INT, _POINTER, types.CPointer(types.int32),
)  # fmt: skip


@intrinsic
def call_product(typing_context, address, arguments):
    """Call the product at ``address`` with a tuple of arguments: arrays as pointers."""

    def codegen(context, builder, signature, values):
        address, packed = values
        arguments = []
        for n, kind in enumerate(signature.args[1]):
            value = builder.extract_value(packed, n)
            if isinstance(kind, types.Array):
                value = context.make_array(kind)(context, builder, value).data
            arguments.append(value)
        function = ir.FunctionType(ir.VoidType(), [value.type for value in arguments])
        builder.call(builder.inttoptr(address, function.as_pointer()), arguments)
        return context.get_dummy_value()

    return types.void(address, arguments), codegen
