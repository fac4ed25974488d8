"""Pools of far context in vector registers: weighted sums of embeddings, and their gradients.

    out[e] = sum over k of weights[k, e] * embeddings[ids[k], e]

A pool reads one embedding for each of its tokens, from anywhere in the table. As plain loops the
three passes of a training step took 240 ns a token with E = 64. With JIT off NumPy twins do the
same. ``layers.embedding`` calls them, for all pools of an example or for a row of the table.
"""

from __future__ import annotations

import numpy as np

from fastlm_kernels.linalg.simd import LANES, VECTORS, splat
from fastlm_kernels.runtime.jit import JIT_DISABLED, inner_kernel

F = np.float32


if JIT_DISABLED:

    def pool_sum(out, out0, params, ids, first, count, weights, embed):  # see the compiled twin
        rows = params.reshape(-1)[_row_index(ids, first, count, embed)]
        w = params[weights : weights + count * embed].reshape(count, embed)
        out[out0 : out0 + embed] = (w * rows).sum(axis=0)

    def pool_gradient(total, total0, params, ids, first, count, d, d0, embed):
        rows = params.reshape(-1)[_row_index(ids, first, count, embed)]
        part = total[total0 : total0 + count * embed].reshape(count, embed)
        part += rows * d[d0 : d0 + embed]

    def add_product(out, out0, weights, w0, d, d0, embed, share):
        product = share * weights[w0 : w0 + embed] * d[d0 : d0 + embed]
        out[out0 : out0 + embed] += product

    def _row_index(ids, first, count, embed):
        return ids[first : first + count, None].astype(np.int64) * embed + np.arange(embed)

else:
    from llvmlite import ir
    from numba import types
    from numba.core import cgutils
    from numba.extending import intrinsic

    _INT = ir.IntType(64)
    _VECTOR = ir.VectorType(ir.FloatType(), LANES)

    def _int(value):
        return ir.Constant(_INT, value)

    def _loop_over_tokens(builder, ids, count, body, starts):
        """Emit: for k in range(count): values = body(k, ids[k], values); return the last values."""
        before = builder.block
        loop = builder.append_basic_block("tokens")
        after = builder.append_basic_block("tokens_end")
        builder.cbranch(builder.icmp_signed(">", count, _int(0)), loop, after)
        builder.position_at_end(loop)
        k = builder.phi(_INT)
        k.add_incoming(_int(0), before)
        values = []
        for start in starts:
            value = builder.phi(start.type)
            value.add_incoming(start, before)
            values.append(value)
        token = builder.sext(builder.load(builder.gep(ids, [k])), _INT)
        new = body(k, token, values)
        following = builder.add(k, _int(1))
        end = builder.block
        k.add_incoming(following, end)
        for value, changed in zip(values, new, strict=True):
            value.add_incoming(changed, end)
        builder.cbranch(builder.icmp_signed("<", following, count), loop, after)
        builder.position_at_end(after)
        results = []
        for start, changed in zip(starts, new, strict=True):
            result = builder.phi(start.type)
            result.add_incoming(start, before)
            result.add_incoming(changed, end)
            results.append(result)
        return results

    def _vectors(builder, pointer, number):
        """Return pointers to ``number`` consecutive vectors."""
        return [
            builder.bitcast(builder.gep(pointer, [_int(v * LANES)]), _VECTOR.as_pointer())
            for v in range(number)
        ]

    def _load(builder, pointer, number):
        return [builder.load(place, align=4) for place in _vectors(builder, pointer, number)]

    def _fma(builder):
        kind = ir.FunctionType(_VECTOR, [_VECTOR] * 3)
        return cgutils.get_or_insert_function(builder.module, kind, f"llvm.fmuladd.v{LANES}f32")

    def _data(context, builder, kind, value, offset):
        data = context.make_array(kind)(context, builder, value).data
        return builder.gep(data, [offset])

    def _make_sum(vectors):
        """Return the intrinsic of ``pool_sum`` over ``vectors`` vectors of columns."""

        @intrinsic
        def part(typing_context, out, out0, params, ids, first, count, weights, embed, column):
            i = types.int64
            signature = types.void(out, i, params, ids, i, i, i, i, i)

            def codegen(context, builder, signature, arguments):
                out, out0, params, ids, first, count, weights, embed, column = arguments
                kinds = signature.args
                table = _data(context, builder, kinds[2], params, column)
                weight = _data(context, builder, kinds[2], params, builder.add(weights, column))
                tokens = _data(context, builder, kinds[3], ids, first)
                fma = _fma(builder)

                def body(k, token, sums):
                    row = builder.gep(table, [builder.mul(token, embed)])
                    w = builder.gep(weight, [builder.mul(k, embed)])
                    return [
                        builder.call(fma, [a, b, total])
                        for a, b, total in zip(
                            _load(builder, w, vectors), _load(builder, row, vectors), sums,
                            strict=True,
                        )
                    ]  # fmt: skip

                zero = ir.Constant(_VECTOR, [0.0] * LANES)
                sums = _loop_over_tokens(builder, tokens, count, body, [zero] * vectors)
                place = _data(context, builder, kinds[0], out, builder.add(out0, column))
                for total, to in zip(sums, _vectors(builder, place, vectors), strict=True):
                    builder.store(total, to, align=4)
                return context.get_dummy_value()

            return signature, codegen

        return part

    def _make_gradient(vectors):
        """Return the intrinsic of ``pool_gradient`` over ``vectors`` vectors of columns."""

        @intrinsic
        def part(typing_context, total, total0, params, ids, first, count, d, d0, embed, column):
            i = types.int64
            signature = types.void(total, i, params, ids, i, i, d, i, i, i)

            def codegen(context, builder, signature, arguments):
                total, total0, params, ids, first, count, d, d0, embed, column = arguments
                kinds = signature.args
                table = _data(context, builder, kinds[2], params, column)
                sums = _data(context, builder, kinds[0], total, builder.add(total0, column))
                tokens = _data(context, builder, kinds[3], ids, first)
                gradient = _load(
                    builder,
                    _data(context, builder, kinds[6], d, builder.add(d0, column)),
                    vectors,
                )
                fma = _fma(builder)

                def body(k, token, _):
                    row = _load(builder, builder.gep(table, [builder.mul(token, embed)]), vectors)
                    places = _vectors(builder, builder.gep(sums, [builder.mul(k, embed)]), vectors)
                    for place, a, b in zip(places, row, gradient, strict=True):
                        old = builder.load(place, align=4)
                        builder.store(builder.call(fma, [a, b, old]), place, align=4)
                    return []

                _loop_over_tokens(builder, tokens, count, body, [])
                return context.get_dummy_value()

            return signature, codegen

        return part

    def _make_product(vectors):
        """Return the intrinsic of ``add_product`` over ``vectors`` vectors of columns."""

        @intrinsic
        def part(typing_context, out, out0, weights, w0, d, d0, share):
            i = types.int64
            signature = types.void(out, i, weights, i, d, i, types.float32)

            def codegen(context, builder, signature, arguments):
                out, out0, weights, w0, d, d0, share = arguments
                kinds = signature.args
                w = _load(builder, _data(context, builder, kinds[2], weights, w0), vectors)
                g = _load(builder, _data(context, builder, kinds[4], d, d0), vectors)
                places = _vectors(builder, _data(context, builder, kinds[0], out, out0), vectors)
                factor = splat(builder, share)
                fma = _fma(builder)
                for place, a, b in zip(places, w, g, strict=True):
                    old = builder.load(place, align=4)
                    new = builder.call(fma, [builder.fmul(factor, a), b, old])
                    builder.store(new, place, align=4)
                return context.get_dummy_value()

            return signature, codegen

        return part

    _product_wide, _product_narrow = _make_product(VECTORS), _make_product(1)
    _sum_wide, _sum_narrow = _make_sum(VECTORS), _make_sum(1)
    _gradient_wide, _gradient_narrow = _make_gradient(VECTORS), _make_gradient(1)
    _WIDE = VECTORS * LANES

    @inner_kernel
    def pool_sum(out, out0, params, ids, first, count, weights, embed):
        """Compute out = sum over k of weights[k] * embedding of ids[k], component by component.

        out : float32[E] at ``out0``, written
        params : float32[n], embeddings [V, E] at 0, weights [count, E] at ``weights``
        ids : int32[count] at ``first``
        """
        column = np.int64(0)
        while column + _WIDE <= embed:
            _sum_wide(out, out0, params, ids, first, count, weights, embed, column)
            column += _WIDE
        while column + LANES <= embed:
            _sum_narrow(out, out0, params, ids, first, count, weights, embed, column)
            column += LANES
        for e in range(column, embed):
            total = F(0)
            for k in range(count):
                row = np.int64(ids[first + k]) * embed
                total += params[weights + k * embed + e] * params[row + e]
            out[out0 + e] = total

    @inner_kernel
    def pool_gradient(total, total0, params, ids, first, count, d, d0, embed):
        """Add d * embedding of ids[k] to total[k]: the gradient of the weights of ``pool_sum``.

        total : float32[count, E] at ``total0``, changed
        d : float32[E] at ``d0``, gradient of the sum
        """
        column = np.int64(0)
        while column + _WIDE <= embed:
            _gradient_wide(total, total0, params, ids, first, count, d, d0, embed, column)
            column += _WIDE
        while column + LANES <= embed:
            _gradient_narrow(total, total0, params, ids, first, count, d, d0, embed, column)
            column += LANES
        for e in range(column, embed):
            for k in range(count):
                row = np.int64(ids[first + k]) * embed
                total[total0 + k * embed + e] += d[d0 + e] * params[row + e]

    @inner_kernel
    def add_product(out, out0, weights, w0, d, d0, embed, share):
        """Add share * weights * d to out, float32[E] at their offsets: an embedding's gradient."""
        column = np.int64(0)
        while column + _WIDE <= embed:
            _product_wide(out, out0 + column, weights, w0 + column, d, d0 + column, share)
            column += _WIDE
        while column + LANES <= embed:
            _product_narrow(out, out0 + column, weights, w0 + column, d, d0 + column, share)
            column += LANES
        for e in range(column, embed):
            out[out0 + e] += share * weights[w0 + e] * d[d0 + e]
