"""Register blocks of the matrix product, written as LLVM instructions.

A block of results, sized for the processor's vector registers, stays in them while it is summed.
LLVM does not find this form from loops.
"""

from __future__ import annotations

from llvmlite import binding, ir
from numba import config, types
from numba.core import cgutils
from numba.extending import intrinsic


def _features():
    """Return the features of the processor that Numba compiles for: {name: bool}."""
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
    """Return (lanes of a vector, rows of a block, vectors of a row, has AVX-512 compress).

    The sums of a block fill most vector registers.
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
    """Return an int64 constant."""
    return ir.Constant(INT, value)


def splat(builder, scalar):
    """Return a vector with ``scalar`` in every lane."""
    undefined = ir.Constant(VECTOR, ir.Undefined)
    lane = ir.IntType(32)
    single = builder.insert_element(undefined, scalar, ir.Constant(lane, 0))
    everywhere = ir.Constant(ir.VectorType(lane, LANES), [0] * LANES)
    return builder.shuffle_vector(single, undefined, everywhere)


def vector_at(builder, pointer, index):
    """Return a pointer to the ``index``-th vector after ``pointer``."""
    address = builder.gep(pointer, [integer(index * LANES)])
    return builder.bitcast(address, VECTOR.as_pointer())


def store_scaled(builder, fma, totals, targets, alpha, beta):
    """Compute target = alpha * total + beta * target, from vectors in registers to pointers.

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


def fold_groups(builder, vector, width):
    """Sum each group of ``width`` lanes into its first lane, by halves, quarters, and so on."""
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
    """Prefetch the cache line of a pointer into the first (locality 3) or second level (2)."""
    byte, flag = ir.IntType(8).as_pointer(), ir.IntType(32)
    function = cgutils.get_or_insert_function(
        builder.module, ir.FunctionType(ir.VoidType(), [byte, flag, flag, flag]),
        "llvm.prefetch.p0",
    )  # fmt: skip
    builder.call(function, [builder.bitcast(pointer, byte), flag(write), flag(locality), flag(1)])


def _make_block(rows, vectors):
    """Return the intrinsic that computes a block of ``rows`` rows, ``vectors`` vectors wide.

    ``ahead`` is the distance from each row of B to a line that is needed soon. Rows lie on pages of
    their own, which the processor does not foresee: 73 GFLOP/s without, 100 with it.
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


block_full = _make_block(BLOCK_ROWS, VECTORS)
block_four = _make_block(4, VECTORS)
block_one = _make_block(1, VECTORS)
# For the last columns of a matrix, where a full block would mostly multiply zeros.
half_full = _make_block(BLOCK_ROWS, VECTORS // 2)
half_one = _make_block(1, VECTORS // 2)
narrow_full = _make_block(BLOCK_ROWS, 1)
narrow_one = _make_block(1, 1)


@intrinsic
def dot_and_update_row(typing_context, params, start, width, delta, amount):
    """Return w . delta, and then w -= amount * delta, for w = params[start : start + width].

    delta : float32[width], width at least LANES. It goes in whole vectors: the last one is moved
        back to end with the row, and lanes shared with the one before count once
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
        dot = fold_groups(builder, dot, LANES)
        return builder.extract_element(dot, ir.Constant(ir.IntType(32), 0))

    return signature, codegen


@intrinsic
def copy_row(typing_context, target, t0, source, s0):
    """target[t0 : t0 + PANEL] = source[s0 : s0 + PANEL].

    LLVM unrolls so short a loop before it could vectorise it: 57 cycles for 64 numbers.
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
