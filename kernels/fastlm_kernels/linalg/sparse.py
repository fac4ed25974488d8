"""The matrix product where most elements of one matrix are zero: behind ReLU and dropout.

In a trained model 85 to 90 % of the hidden activations are zero. The others are listed, row by row,
and only their terms are summed: in the same order as in ``fastlm_kernels.linalg.dense``, whose
result this is, bit for bit.
"""

from __future__ import annotations

import numpy as np
from numba import carray

from fastlm_kernels.linalg.dense import (
    PACK_SIZE,
    PANEL_ROWS,
    TURNED,
    add_tile,
    clear,
    pack_panel,
    pack_transposed,
    product,
    turn_back,
)
from fastlm_kernels.linalg.simd import LANES, PANEL
from fastlm_kernels.linalg.sparse_simd import (
    DOTS,
    add_dots,
    append_nonzeros,
    sum_listed,
    sum_listed_narrow,
)
from fastlm_kernels.runtime.jit import apart_kernel, inner_kernel, stay_apart

F = np.float32


# Rows that are listed at a time.
LISTED_ROWS = 256


# Room for their lists: all elements of PANEL_ROWS columns, and what is written beyond the end.
LISTS = LISTED_ROWS * (PANEL_ROWS + DOTS) + LANES


# Skipping pays where at most so many hundredths of the elements are not zero.
_FEW = 40


# Rows that are looked at to find out.
_LOOKS = 8


# From so many rows on, rows of B are copied together first, and transposing B pays.
_PACKED_ROWS = 32


# What is asked of ``any_product``.
MULTIPLY, GRADIENT, BEHIND_RELU, DENSE = range(4)


# The scratch: a panel of B, or before it the lists' transposed rows; then a tile of results.
assert TURNED + LISTED_ROWS * PANEL <= PACK_SIZE


@apart_kernel
def few_nonzeros(a, a0, lda, rows, columns):
    """Whether few elements of a [rows, columns] matrix are not zero, to judge by some rows."""
    stay_apart()
    looks = min(rows, np.int64(_LOOKS))
    count = np.int64(0)
    for look in range(looks):
        start = a0 + look * rows // looks * lda
        row = a[start : start + columns]
        found = np.int32(0)
        for j in range(columns):
            found += np.int32(row[j] != F(0))
        count += found
    return count * 100 <= looks * columns * _FEW


@apart_kernel
def list_rows(values, numbers, starts, a, a0, a_row, a_column, rows, columns, multiple, pack):
    """List what is not zero in each row of A [rows, columns], one of whose strides is 1.

    values, numbers : float32 and int32 lists, of row r from starts[r] to starts[r + 1]
    multiple : the lists are filled up to a multiple of this with their last number, and 0
    """
    stay_apart()
    end = np.int64(0)
    for block in range(0, rows, LANES):
        height = min(np.int64(LANES), rows - block)
        if a_column != 1:
            for s in range(0, columns, PANEL):
                pack_transposed(
                    pack, s * LANES, a, a0 + block + s * a_column, a_column,
                    height, min(np.int64(PANEL), columns - s),
                )  # fmt: skip
        for r in range(height):
            starts[block + r] = end
            first = end
            for s in range(0, columns, PANEL):
                width = min(np.int64(PANEL), columns - s)
                source, start = a, a0 + (block + r) * a_row + s
                if a_column != 1:
                    source, start = pack, s * LANES + r * PANEL
                end = list_span(values, numbers, end, source, start, s, width)
            if end > first:
                last = numbers[end - 1]
                while (end - first) % multiple != 0:
                    values[end] = F(0)
                    numbers[end] = last
                    end += 1
    starts[rows] = end


@inner_kernel
def list_span(values, numbers, end, source, start, first, count):
    whole = count // LANES * LANES
    for j in range(0, whole, LANES):
        end += append_nonzeros(values, numbers, end, source, start + j, first + j)
    for j in range(whole, count):
        value = source[start + j]
        values[end] = value
        numbers[end] = first + j
        end += np.int64(value != F(0))
    return end


@inner_kernel
def multiply(
    c, c0, ldc, a, a0, a_row, a_column, b, b0, ldb, transpose_b, m, n, k, alpha, beta, turned,
    pack, values, numbers, starts,
):  # fmt: skip
    """C = alpha * A @ op(B) + beta * C, or its transpose if ``turned``, by the elements of A."""
    for first in range(0, m, LISTED_ROWS):
        rows = min(np.int64(LISTED_ROWS), m - first)
        for s in range(0, k, PANEL_ROWS):
            depth = min(np.int64(PANEL_ROWS), k - s)
            keep = beta if s == 0 else F(1)
            list_rows(
                values, numbers, starts, a, a0 + first * a_row + s * a_column, a_row, a_column,
                rows, depth, np.int64(1), pack,
            )  # fmt: skip
            for j in range(0, n, PANEL):
                columns = min(np.int64(PANEL), n - j)
                narrow = columns <= PANEL // 2
                right, right0, step = pack, np.int64(0), np.int64(PANEL)
                if transpose_b:
                    pack_transposed(pack, np.int64(0), b, b0 + j * ldb + s, ldb, depth, columns)
                elif columns < PANEL or rows >= _PACKED_ROWS:
                    pack_panel(pack, np.int64(0), b, b0 + s * ldb + j, ldb, depth, columns)
                else:
                    right, right0, step = b, b0 + s * ldb + j, ldb
                if columns < PANEL:
                    clear(pack, np.int64(0), depth, columns)
                tile = turned or columns < PANEL
                for r in range(rows):
                    out, start, factor = c, c0 + (first + r) * ldc + j, keep
                    if tile:
                        out, start, factor = pack, TURNED + r * PANEL, F(0)
                    if narrow:
                        for lane in range(0, columns, LANES):
                            sum_listed_narrow(
                                out, start + lane, values, numbers, starts[r], starts[r + 1],
                                right, right0 + lane, step, alpha, factor,
                            )  # fmt: skip
                    else:
                        sum_listed(
                            out, start, values, numbers, starts[r], starts[r + 1],
                            right, right0, step, alpha, factor,
                        )  # fmt: skip
                if turned:
                    turn_back(c, c0 + j * ldc + first, ldc, pack, rows, columns, keep)
                elif tile:
                    add_tile(
                        c, c0 + first * ldc + j, ldc, pack, np.int64(TURNED), rows, columns, keep
                    )  # fmt: skip


# Columns of W that are multiplied before the next come: 256 rows of them stay in half a
# second-level cache, and summing up the lanes at their end hardly counts.
_DOT_COLUMNS = 512


@inner_kernel
def backward_behind_relu(
    c, c0, ldc, h, h0, a, a0, a_row, b, b0, ldb, m, n, k, beta, pack, values, numbers, starts
):  # fmt: skip
    """C = A @ B^T + beta * C where h, which lies like C from h0 on, is not zero; elsewhere C is not
    needed."""
    for first in range(0, m, LISTED_ROWS):
        rows = min(np.int64(LISTED_ROWS), m - first)
        for s in range(0, n, PANEL_ROWS):
            width = min(np.int64(PANEL_ROWS), n - s)
            list_rows(
                values, numbers, starts, h, h0 + first * ldc + s, ldc, np.int64(1), rows, width,
                np.int64(DOTS), pack,
            )  # fmt: skip
            if beta == F(0):
                for r in range(rows):
                    out = c[c0 + (first + r) * ldc + s : c0 + (first + r) * ldc + s + width]
                    for j in range(width):
                        out[j] = F(0)
            for column in range(0, k, _DOT_COLUMNS):
                size = min(np.int64(_DOT_COLUMNS), k - column)
                for r in range(rows):
                    for t in range(starts[r], starts[r + 1], DOTS):
                        add_dots(
                            c, c0 + (first + r) * ldc + s, numbers, t,
                            a, a0 + (first + r) * a_row + column,
                            b, b0 + s * ldb + column, ldb, size,
                        )  # fmt: skip


def any_product(
    c, c0, ldc, a, a0, a_row, a_column, b, b0, ldb, transpose_b, m, n, k, alpha, beta,
    h, h0, task, pack, lists,
):  # fmt: skip
    """C = alpha * A @ op(B) + beta * C, by lists where few elements of a matrix are not zero.

    The arguments are those of ``gemm``, and:
    task : MULTIPLY: zeros are looked for in A, and in GRADIENT, where B is not transposed, in both;
        in DENSE in neither. Or BEHIND_RELU: then B is transposed and alpha 1,
        and only those elements of C are needed where h, which lies like C from h0 on, is not zero
    pack, lists : of the Workspace
    """
    everything = 1 << 60  # the callers know their bounds
    out = carray(c, everything)
    left = carray(a, everything)
    right = carray(b, everything)
    mask = carray(h, everything)
    scratch = carray(pack, PACK_SIZE + LISTS)
    values = scratch[PACK_SIZE:]
    numbers = carray(lists, LISTS + LISTED_ROWS + 1)
    starts = numbers[LISTS:]
    if task == BEHIND_RELU and few_nonzeros(mask, h0, ldc, m, n):
        backward_behind_relu(
            out, c0, ldc, mask, h0, left, a0, a_row, right, b0, ldb, m, n, k, beta,
            scratch, values, numbers, starts,
        )  # fmt: skip
        return
    line, lines, length = a_row, m, k  # A in the order in which it lies
    if a_column != 1:
        line, lines, length = a_column, k, m
    turned = np.int64(0)
    few = task != DENSE and few_nonzeros(left, a0, line, lines, length)
    few = few and not (transpose_b and m < _PACKED_ROWS)
    if task == GRADIENT and not few and n >= _PACKED_ROWS:
        few = few_nonzeros(right, b0, ldb, k, n)
        if few:  # C^T = B^T @ A^T
            turned = np.int64(1)
            left, right = right, left
            a0, b0 = b0, a0
            transpose_b = np.int64(a_column == 1)
            a_row, a_column, ldb = np.int64(1), ldb, a_row if a_column == 1 else a_column
            m, n = n, m
    if not few:
        product(
            out, c0, ldc, left, a0, a_row, a_column, right, b0, ldb, transpose_b, m, n, k,
            alpha, beta, scratch,
        )  # fmt: skip
        return
    multiply(
        out, c0, ldc, left, a0, a_row, a_column, right, b0, ldb, transpose_b, m, n, k, alpha, beta,
        turned, scratch, values, numbers, starts,
    )  # fmt: skip
