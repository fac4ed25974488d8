"""Blocks of vector arithmetic, written as LLVM instructions: the inside of the matrix product.

A block of results stays in registers while it is summed, sized for the registers of the processor.
LLVM does not find this form from loops.
"""

from __future__ import annotations

from llvmlite import binding, ir
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic


def _features():
    """What the processor can do that Numba compiles for: {name: whether}."""
    if config.CPU_FEATURES is not None:  # NUMBA_CPU_FEATURES=+avx,-avx512f
        named = (feature.strip() for feature in config.CPU_FEATURES.split(","))
        return {feature[1:]: feature[0] == "+" for feature in named if feature}
    if config.CPU_NAME not in (None, "", "host"):
        return {}
    try:
        return binding.get_host_cpu_features()
    except RuntimeError:  # LLVM does not know them on this platform
        return {}


def _vector_shape():
    """(lanes of a vector, rows and vectors of a block, whether lanes can be packed together).

    The sums fill most vector registers.
    """
    features = _features()
    if features.get("avx512f"):
        return 16, 6, 4, True  # 32 registers
    if features.get("avx"):
        return 8, 6, 2, False  # 16 registers
    return 4, 8, 2, False  # NEON: 32 registers


LANES, BLOCK_ROWS, VECTORS, HAS_COMPRESS = _vector_shape()


PANEL = LANES * VECTORS  # columns of a block


LINE = 16  # floats in a cache line of 64 bytes


LINES = -(-PANEL // LINE)


FLOAT = ir.FloatType()


INT = ir.IntType(64)


VECTOR = ir.VectorType(FLOAT, LANES)


def integer(value):
    return ir.Constant(INT, value)


def splat(builder, scalar):
    undefined = ir.Constant(VECTOR, ir.Undefined)
    lane = ir.IntType(32)
    single = builder.insert_element(undefined, scalar, ir.Constant(lane, 0))
    everywhere = ir.Constant(ir.VectorType(lane, LANES), [0] * LANES)
    return builder.shuffle_vector(single, undefined, everywhere)


def vector_at(builder, pointer, index):
    place = builder.gep(pointer, [integer(index * LANES)])
    return builder.bitcast(place, VECTOR.as_pointer())


def store_scaled(builder, fma, totals, targets, alpha, beta):
    """target = alpha * total + beta * target, for vectors in registers and where they go.

    As in BLAS, beta = 0 does not read the targets: they may hold anything, NaN included.
    """
    scale = splat(builder, alpha)
    keep = splat(builder, beta)
    scaled = [builder.fmul(scale, total) for total in totals]
    reads = builder.fcmp_unordered("!=", beta, ir.Constant(FLOAT, 0.0))
    with builder.if_else(reads) as (then, otherwise):
        with then:
            for value, target in zip(scaled, targets, strict=True):
                old = builder.load(target, align=4)
                builder.store(builder.call(fma, [keep, old, value]), target, align=4)
        with otherwise:
            for value, target in zip(scaled, targets, strict=True):
                builder.store(value, target, align=4)


def folded(builder, vector, width):
    """In the first lane of each group of ``width`` lanes the sum of the group, in a fixed order:
    halves, quarters, ..."""
    lanes_type = ir.VectorType(ir.IntType(32), LANES)
    while width > 1:
        width //= 2
        lanes = [(lane + width) % LANES for lane in range(LANES)]
        moved = builder.shuffle_vector(
            vector, ir.Constant(VECTOR, ir.Undefined), ir.Constant(lanes_type, lanes)
        )
        vector = builder.fadd(vector, moved)
    return vector


def prefetch(builder, pointer, write, locality):
    """Bring the cache line of a pointer near; locality 3 is the first level, 2 the second."""
    byte, flag = ir.IntType(8).as_pointer(), ir.IntType(32)
    function = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(ir.VoidType(), [byte, flag, flag, flag]),
        "llvm.prefetch.p0",
    )  # fmt: skip
    builder.call(function, [builder.bitcast(pointer, byte), flag(write), flag(locality), flag(1)])


def _block_of(rows, vectors):
    """The intrinsic that computes a block of ``rows`` rows, ``vectors`` vectors wide.

    ``ahead`` : how far behind each row of B a line lies that will be needed soon. Rows lie on pages
    of their own, so the processor does not foresee it: 73 GFLOP/s without, in place of 100.
    """

    @intrinsic
    def block(
        typing_context, c, c0, ldc, a, a0, a_row, a_column, b, b0, ldb, k, alpha, beta, ahead
    ):
        i, f = types.int64, types.float32
        signature = types.void(c, i, i, a, i, i, i, b, i, i, i, f, f, i)

        def codegen(context, builder, signature, arguments):
            _, c0, ldc, _, a0, a_row, a_column, _, b0, ldb, k, alpha, beta, ahead = arguments

            def data(position, offset):
                array = context.make_array(signature.args[position])
                return builder.gep(array(context, builder, arguments[position]).data, [offset])

            fma_type = ir.FunctionType(VECTOR, [VECTOR] * 3)
            fma = cgutils.get_or_insert_function(
                builder.module, fma_type, f"llvm.fmuladd.v{LANES}f32"
            )
            zero = ir.Constant(VECTOR, [0.0] * LANES)
            places = [(m, v) for m in range(rows) for v in range(vectors)]
            a_rows = [
                builder.gep(data(3, a0), [builder.mul(a_row, integer(m))]) for m in range(rows)
            ]
            b_start = data(7, b0)
            c_rows = [builder.gep(data(0, c0), [builder.mul(ldc, integer(m))]) for m in range(rows)]
            if rows > 1:
                for m, v in places:
                    prefetch(builder, vector_at(builder, c_rows[m], v), 1, 3)

            # for step in range(k): sums[m, v] += A[m, step] * B[step, v], all in registers.
            before = builder.block
            loop = builder.append_basic_block("sum")
            after = builder.append_basic_block("summed")
            builder.cbranch(builder.icmp_signed(">", k, integer(0)), loop, after)
            builder.position_at_end(loop)
            step = builder.phi(INT)
            step.add_incoming(integer(0), before)
            sums = {place: builder.phi(VECTOR) for place in places}
            b_row = builder.gep(b_start, [builder.mul(step, ldb)])
            right = [builder.load(vector_at(builder, b_row, v), align=4) for v in range(vectors)]
            if rows > 1:
                prefetch(builder, builder.gep(b_row, [ahead]), 0, 2)
            a_step = builder.mul(step, a_column)
            new = {}
            for m in range(rows):
                left = splat(builder, builder.load(builder.gep(a_rows[m], [a_step])))
                for v in range(vectors):
                    new[m, v] = builder.call(fma, [left, right[v], sums[m, v]])
            next_step = builder.add(step, integer(1))
            step.add_incoming(next_step, loop)
            for place in places:
                sums[place].add_incoming(zero, before)
                sums[place].add_incoming(new[place], loop)
            builder.cbranch(builder.icmp_signed("<", next_step, k), loop, after)

            builder.position_at_end(after)
            totals = {place: builder.phi(VECTOR) for place in places}
            for place in places:
                totals[place].add_incoming(zero, before)
                totals[place].add_incoming(new[place], loop)
            store_scaled(
                builder, fma, [totals[place] for place in places],
                [vector_at(builder, c_rows[m], v) for m, v in places], alpha, beta,
            )  # fmt: skip
            return context.get_dummy_value()

        return signature, codegen

    return block


block_full = _block_of(BLOCK_ROWS, VECTORS)


block_four = _block_of(4, VECTORS)


block_one = _block_of(1, VECTORS)


# For the last columns of a matrix, where a whole block would mostly multiply zeros.
half_full = _block_of(BLOCK_ROWS, VECTORS // 2)


half_one = _block_of(1, VECTORS // 2)


narrow_full = _block_of(BLOCK_ROWS, 1)


narrow_one = _block_of(1, 1)


@intrinsic
def descend_row(typing_context, params, start, width, delta, amount):
    """w . delta, and then w -= amount * delta, for w = params[start : start + width].

    delta : float32[width]; width is LANES or more. In whole vectors: the last one is moved back to
    end with the row, and what it shares with the one before counts once.
    """
    signature = types.float32(params, types.int64, types.int64, delta, types.float32)

    def codegen(context, builder, signature, arguments):
        _, start, width, _, amount = arguments

        def data(position):
            array = context.make_array(signature.args[position])
            return array(context, builder, arguments[position]).data

        def vector(pointer, offset):
            return builder.bitcast(builder.gep(pointer, [offset]), VECTOR.as_pointer())

        fma_type = ir.FunctionType(VECTOR, [VECTOR] * 3)
        fma = cgutils.get_or_insert_function(builder.module, fma_type, f"llvm.fmuladd.v{LANES}f32")
        zero = ir.Constant(VECTOR, [0.0] * LANES)
        row = builder.gep(data(0), [start])
        gradient = data(3)
        minus = splat(builder, builder.fneg(amount))
        last = builder.sub(width, integer(LANES))
        # Read before anything is written: its first lanes are also the last ones of the vector
        # before, and are written twice, the same numbers.
        w_last = builder.load(vector(row, last), align=4)
        d_last = builder.load(vector(gradient, last), align=4)
        # Lane k of it stands for column last + k, which is new from the last whole vector on.
        whole = builder.mul(
            builder.sdiv(builder.sub(width, integer(1)), integer(LANES)), integer(LANES)
        )
        shared = builder.trunc(builder.sub(whole, last), ir.IntType(32))
        lanes_type = ir.VectorType(ir.IntType(32), LANES)
        undefined = ir.Constant(lanes_type, ir.Undefined)
        first = builder.insert_element(undefined, shared, ir.Constant(ir.IntType(32), 0))
        limit = builder.shuffle_vector(first, undefined, ir.Constant(lanes_type, [0] * LANES))
        is_new = builder.icmp_signed(">=", ir.Constant(lanes_type, list(range(LANES))), limit)
        products = builder.fmul(w_last, d_last)
        sum_start = builder.select(is_new, products, zero)

        before = builder.block
        loop = builder.append_basic_block("row")
        after = builder.append_basic_block("row_end")
        builder.cbranch(builder.icmp_signed(">", whole, integer(0)), loop, after)
        builder.position_at_end(loop)
        column = builder.phi(INT)
        total = builder.phi(VECTOR)
        column.add_incoming(integer(0), before)
        total.add_incoming(sum_start, before)
        place = vector(row, column)
        w = builder.load(place, align=4)
        d = builder.load(vector(gradient, column), align=4)
        new_total = builder.call(fma, [w, d, total])
        builder.store(builder.call(fma, [minus, d, w]), place, align=4)
        next_column = builder.add(column, integer(LANES))
        column.add_incoming(next_column, loop)
        total.add_incoming(new_total, loop)
        builder.cbranch(builder.icmp_signed("<", next_column, whole), loop, after)
        builder.position_at_end(after)
        dot = builder.phi(VECTOR)
        dot.add_incoming(sum_start, before)
        dot.add_incoming(new_total, loop)
        builder.store(builder.call(fma, [minus, d_last, w_last]), vector(row, last), align=4)
        dot = folded(builder, dot, LANES)
        return builder.extract_element(dot, ir.Constant(ir.IntType(32), 0))

    return signature, codegen


@intrinsic
def copy_row(typing_context, target, t0, source, s0):
    """target[t0 : t0 + PANEL] = source[s0 : s0 + PANEL].

    LLVM unrolls a loop of so few steps before it could make vectors of it: 57 cycles for 64
    numbers.
    """
    i = types.int64
    signature = types.void(target, i, source, i)

    def codegen(context, builder, signature, arguments):
        _, t0, _, s0 = arguments

        def data(position, offset):
            array = context.make_array(signature.args[position])
            return builder.gep(array(context, builder, arguments[position]).data, [offset])

        places = [
            (vector_at(builder, data(0, t0), v), vector_at(builder, data(2, s0), v))
            for v in range(VECTORS)
        ]
        values = [builder.load(start, align=4) for _, start in places]
        for value, (end, _) in zip(values, places, strict=True):
            builder.store(value, end, align=4)
        return context.get_dummy_value()

    return signature, codegen


@intrinsic
def transpose_square(typing_context, out, out0, ldo, x, x0, ldx):
    """out[out0 + j * ldo + i] = x[x0 + i * ldx + j] for i, j < LANES."""
    i = types.int64
    signature = types.void(out, i, i, x, i, i)

    def codegen(context, builder, signature, arguments):
        _, out0, ldo, _, x0, ldx = arguments

        def data(position, offset):
            array = context.make_array(signature.args[position])
            return builder.gep(array(context, builder, arguments[position]).data, [offset])

        source = data(3, x0)
        rows = []
        for i in range(LANES):
            row = builder.gep(source, [builder.mul(ldx, integer(i))])
            rows.append(builder.load(vector_at(builder, row, 0), align=4))
        # Swap off-diagonal halves, quarters, ...: log2(LANES) rounds of two-source shuffles.
        lanes = range(LANES)
        mask_type = ir.VectorType(ir.IntType(32), LANES)
        step = LANES // 2
        while step:
            for low in lanes:
                if low & step:
                    continue
                pair = rows[low], rows[low + step]
                first = [lane - step + LANES if lane & step else lane for lane in lanes]
                second = [lane + LANES if lane & step else lane + step for lane in lanes]
                rows[low] = builder.shuffle_vector(*pair, ir.Constant(mask_type, first))
                rows[low + step] = builder.shuffle_vector(*pair, ir.Constant(mask_type, second))
            step //= 2
        target = data(0, out0)
        for j in range(LANES):
            row = builder.gep(target, [builder.mul(ldo, integer(j))])
            builder.store(rows[j], vector_at(builder, row, 0), align=4)
        return context.get_dummy_value()

    return signature, codegen
