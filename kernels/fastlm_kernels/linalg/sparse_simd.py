"""Vector arithmetic over the nonzeros of a compressed row, written as LLVM instructions."""

from __future__ import annotations

from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from fastlm_kernels.linalg.simd import (
    HAS_COMPRESS,
    INT,
    LANES,
    VECTOR,
    VECTORS,
    fold_groups,
    integer,
    prefetch,
    splat,
    store_scaled,
    vector_at,
)

_INT32 = ir.IntType(32)
_INTS = ir.VectorType(_INT32, LANES)
_MASK = ir.VectorType(ir.IntType(1), LANES)
_ZERO = ir.Constant(VECTOR, [0.0] * LANES)
_LANES = ir.Constant(_INTS, list(range(LANES)))

DOTS = min(8, LANES)  # rows of W that ``add_dots`` takes at a time


def _pointers(context, builder, signature, arguments):
    """Return address(n, offset): of an element of the array that is the n-th argument."""

    def address(position, offset):
        array = context.make_array(signature.args[position])
        return builder.gep(array(context, builder, arguments[position]).data, [offset])

    return address


def _fma(builder):
    kind = ir.FunctionType(VECTOR, [VECTOR] * 3)
    return cgutils.get_or_insert_function(builder.module, kind, f"llvm.fmuladd.v{LANES}f32")


@intrinsic
def append_nonzeros(typing_context, values, indices, end, source, start, first):
    """Append the nonzeros of source[start : start + LANES] to a compressed row; return their count.

    values, indices : float32 and int32 arrays that end at ``end``; LANES elements of each are
        written. Elements go to values, their columns (first, first + 1, ...) to indices
    NaN is not zero.
    """
    i = types.int64
    signature = types.int64(values, indices, i, source, i, i)

    def codegen(context, builder, signature, arguments):
        _, _, end, _, start, first = arguments
        address = _pointers(context, builder, signature, arguments)
        elements = builder.load(vector_at(builder, address(3, start), 0), align=4)
        counted = builder.fcmp_unordered("!=", elements, _ZERO)
        first = builder.trunc(first, _INT32)
        if HAS_COMPRESS:
            undefined = ir.Constant(_INTS, ir.Undefined)
            single = builder.insert_element(undefined, first, ir.Constant(_INT32, 0))
            everywhere = ir.Constant(_INTS, [0] * LANES)
            indices = builder.add(builder.shuffle_vector(single, undefined, everywhere), _LANES)
            for position, vector, kind in ((0, elements, VECTOR), (1, indices, _INTS)):
                name = f"llvm.x86.avx512.mask.compress.v{LANES}{'f' if position == 0 else 'i'}32"
                compress = cgutils.get_or_insert_function(
                    builder.module, ir.FunctionType(kind, [kind, kind, _MASK]), name
                )
                packed = builder.call(compress, [vector, vector, counted])
                target = builder.bitcast(address(position, end), kind.as_pointer())
                builder.store(packed, target, align=4)
            bits = builder.bitcast(counted, ir.IntType(LANES))
            return builder.zext(builder.ctpop(bits), INT)
        count = integer(0)
        for lane in range(LANES):
            at = ir.Constant(_INT32, lane)
            to = builder.add(end, count)
            builder.store(builder.extract_element(elements, at), address(0, to))
            builder.store(builder.add(first, at), address(1, to))
            count = builder.add(count, builder.zext(builder.extract_element(counted, at), INT))
        return count

    return signature, codegen


def _make_sparse_sum(vectors):
    """Return the intrinsic that sums weighted rows of B, ``vectors`` vectors of each."""

    @intrinsic
    def sum_sparse(
        typing_context, c, c0, values, indices, first, last, b, b0, ldb, alpha, beta
    ):  # fmt: skip
        """Compute C = alpha * sum over first <= t < last of values[t] * B[indices[t]] + beta * C.

        It sums in the order of the row, as ``simd`` does over all rows of B: leaving out terms of
        zero changes no bit.
        """
        i, f = types.int64, types.float32
        signature = types.void(c, i, values, indices, i, i, b, i, i, f, f)

        def codegen(context, builder, signature, arguments):
            _, c0, _, _, first, last, _, b0, ldb, alpha, beta = arguments
            address = _pointers(context, builder, signature, arguments)
            fma = _fma(builder)
            out = address(0, c0)
            right = address(6, b0)
            for v in range(vectors):  # rows of results may lie on pages of their own
                prefetch(builder, vector_at(builder, out, v), 1, 3)
            before = builder.block
            loop = builder.append_basic_block("sparse")
            after = builder.append_basic_block("sparse_end")
            builder.cbranch(builder.icmp_signed("<", first, last), loop, after)
            builder.position_at_end(loop)
            at = builder.phi(INT)
            at.add_incoming(first, before)
            sums = [builder.phi(VECTOR) for _ in range(vectors)]
            number = builder.zext(builder.load(address(3, at)), INT)
            row = builder.gep(right, [builder.mul(number, ldb)])
            left = splat(builder, builder.load(address(2, at)))
            new = [
                builder.call(
                    fma, [left, builder.load(vector_at(builder, row, v), align=4), sums[v]]
                )
                for v in range(vectors)
            ]
            following = builder.add(at, integer(1))
            at.add_incoming(following, loop)
            for v in range(vectors):
                sums[v].add_incoming(_ZERO, before)
                sums[v].add_incoming(new[v], loop)
            builder.cbranch(builder.icmp_signed("<", following, last), loop, after)

            builder.position_at_end(after)
            totals = [builder.phi(VECTOR) for _ in range(vectors)]
            for v in range(vectors):
                totals[v].add_incoming(_ZERO, before)
                totals[v].add_incoming(new[v], loop)
            targets = [vector_at(builder, out, v) for v in range(vectors)]
            store_scaled(builder, fma, totals, targets, alpha, beta)
            return context.get_dummy_value()

        return signature, codegen

    return sum_sparse


sum_sparse = _make_sparse_sum(VECTORS)
sum_sparse_narrow = _make_sparse_sum(1)


@intrinsic
def add_dots(typing_context, out, out0, indices, at, d, d0, w, w0, ldw, n):
    """out[out0 + s] += d[d0 : d0 + n] . W[s] for the DOTS indices s from indices[at] on.

    w : rows of n elements from w0 on, ldw apart
    An index that occurs twice counts once.
    """
    i = types.int64
    signature = types.void(out, i, indices, i, d, i, w, i, i, i)

    def codegen(context, builder, signature, arguments):
        _, out0, _, at, _, d0, _, w0, ldw, n = arguments
        address = _pointers(context, builder, signature, arguments)
        fma = _fma(builder)
        pointer = VECTOR.as_pointer()
        count = range(DOTS)
        indices = [
            builder.zext(builder.load(address(2, builder.add(at, integer(q)))), INT) for q in count
        ]
        left = address(4, d0)
        right = address(6, w0)
        rows = [builder.gep(right, [builder.mul(number, ldw)]) for number in indices]
        whole = builder.and_(n, integer(-LANES))

        before = builder.block
        loop = builder.append_basic_block("dots")
        after = builder.append_basic_block("dots_end")
        builder.cbranch(builder.icmp_signed(">", whole, integer(0)), loop, after)
        builder.position_at_end(loop)
        column = builder.phi(INT)
        column.add_incoming(integer(0), before)
        sums = [builder.phi(VECTOR) for _ in count]

        def load(start):
            return builder.load(builder.bitcast(builder.gep(start, [column]), pointer), align=4)

        delta = load(left)
        new = [builder.call(fma, [delta, load(rows[q]), sums[q]]) for q in count]
        following = builder.add(column, integer(LANES))
        column.add_incoming(following, loop)
        for q in count:
            sums[q].add_incoming(_ZERO, before)
            sums[q].add_incoming(new[q], loop)
        builder.cbranch(builder.icmp_signed("<", following, whole), loop, after)

        builder.position_at_end(after)
        totals = [builder.phi(VECTOR) for _ in count]
        for q in count:
            totals[q].add_incoming(_ZERO, before)
            totals[q].add_incoming(new[q], loop)
        # The last columns, fewer than a vector has lanes.
        rest = builder.trunc(builder.sub(n, whole), _INT32)
        undefined = ir.Constant(_INTS, ir.Undefined)
        single = builder.insert_element(undefined, rest, ir.Constant(_INT32, 0))
        limit = builder.shuffle_vector(single, undefined, ir.Constant(_INTS, [0] * LANES))
        inside = builder.icmp_signed("<", _LANES, limit)
        masked = cgutils.get_or_insert_function(
            builder.module, ir.FunctionType(VECTOR, [pointer, _INT32, _MASK, VECTOR]),
            f"llvm.masked.load.v{LANES}f32.p0",
        )  # fmt: skip

        def load_rest(start):
            tail = builder.bitcast(builder.gep(start, [whole]), pointer)
            return builder.call(masked, [tail, ir.Constant(_INT32, 4), inside, _ZERO])

        delta = load_rest(left)
        totals = [builder.call(fma, [delta, load_rest(rows[q]), totals[q]]) for q in count]
        while len(totals) > 1:
            pairs = range(0, len(totals), 2)
            totals = [
                _merge_halves(builder, totals[q], totals[q + 1], DOTS // len(totals)) for q in pairs
            ]
        dots = fold_groups(builder, totals[0], LANES // DOTS)
        # All are read before the first is written: an index may occur twice.
        targets = [builder.gep(address(0, out0), [number]) for number in indices]
        sums = []
        for q in count:
            dot = builder.extract_element(dots, ir.Constant(_INT32, q * (LANES // DOTS)))
            sums.append(builder.fadd(builder.load(targets[q]), dot))
        for q in count:
            builder.store(sums[q], targets[q])
        return context.get_dummy_value()

    return signature, codegen


def _merge_halves(builder, x, y, groups):
    """Sum the halves of each group of lanes of x and y; returns x's sums, then y's."""
    width = LANES // groups
    row_starts = [vector * LANES + group * width for vector in range(2) for group in range(groups)]
    halves = []
    for half in (0, width // 2):
        lanes = [start + half + lane for start in row_starts for lane in range(width // 2)]
        halves.append(builder.shuffle_vector(x, y, ir.Constant(_INTS, lanes)))
    return builder.fadd(*halves)
