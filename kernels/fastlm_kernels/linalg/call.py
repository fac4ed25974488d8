"""Calling the matrix product through its address, so that it is compiled once.

Compiled into each caller it took six seconds longer.
"""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

_POINTER = types.CPointer(types.float32)
_INT = types.int64

# The arguments of ``sparse.any_product``, in its order.
PRODUCT = types.void(
    _POINTER, _INT, _INT,
    _POINTER, _INT, _INT, _INT,
    _POINTER, _INT, _INT, _INT,
    _INT, _INT, _INT, types.float32, types.float32,
    _POINTER, _INT, _INT, _POINTER, types.CPointer(types.int32),
)  # fmt: skip


@intrinsic
def call_product(typing_context, address, arguments):
    """Call the product at ``address`` with a tuple of arguments; arrays go as pointers."""

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
