"""The matrix product where most elements of one matrix are zero, as after ReLU and dropout.

In a trained model 85 to 90 % of the hidden activations are zero. The rows are compressed (like the
CSR format: values, column indices, row starts), a block of columns at a time, and only nonzero
terms are summed, in the order of ``linalg.dense``: the result is the same, bit for bit.
"""

from __future__ import annotations

import numpy as np
from numba import carray

from fastlm_kernels.linalg.dense import (
    PACK_SIZE,
    PANEL_ROWS,
    TRANSPOSED_TILE,
    add_tile,
    clear_padding,
    dense_product,
    pack_panel,
    pack_transposed,
    transpose_back,
)
from fastlm_kernels.linalg.simd import LANES, PANEL
from fastlm_kernels.linalg.sparse_simd import (
    DOTS,
    add_dots,
    append_nonzeros,
    sum_sparse,
    sum_sparse_narrow,
)
from fastlm_kernels.runtime.jit import inner_kernel, never_inline, noinline_kernel

F = np.float32

SPARSE_ROWS = 256  # rows that are compressed at a time
# Their elements: all of PANEL_ROWS columns, padding to DOTS, and what is written beyond the end.
SPARSE_SIZE = SPARSE_ROWS * (PANEL_ROWS + DOTS) + LANES

_SPARSE_PERCENT = 40  # skipping zeros pays with at most this many percent of nonzero elements
_SAMPLED_ROWS = 8  # rows that are counted to find out
_PACKED_ROWS = 32  # from this many rows on, rows of B are packed, and transposing B pays

# Columns of W multiplied before the next: 256 rows of them stay in half a second-level cache, and
# the horizontal sum at their end hardly counts.
_DOT_COLUMNS = 512

# Tasks of ``any_product``.
MULTIPLY, GRADIENT, MASKED, DENSE = range(4)

# The scratch: a panel of B, or the transposed rows to compress; then a tile of results.
assert TRANSPOSED_TILE + SPARSE_ROWS * PANEL <= PACK_SIZE


@noinline_kernel
def is_sparse(a, a0, lda, rows, columns):
    """Return whether few elements of a matrix [rows, columns] are nonzero, judging by some rows."""
    never_inline()
    sampled = min(rows, np.int64(_SAMPLED_ROWS))
    count = np.int64(0)
    for sample in range(sampled):
        start = a0 + sample * rows // sampled * lda
        row = a[start : start + columns]
        found = np.int32(0)
        for j in range(columns):
            found += np.int32(row[j] != F(0))
        count += found
    return count * 100 <= sampled * columns * _SPARSE_PERCENT


@noinline_kernel
def compress_rows(
    values, indices, row_starts, a, a0, a_row, a_column, rows, columns, multiple, pack
):
    """Compress the rows of A [rows, columns], one of whose strides is 1.

    values, indices : float32[SPARSE_SIZE] and int32[SPARSE_SIZE], written; row r takes
        row_starts[r] to row_starts[r + 1]
    multiple : each row is padded to a multiple of this with its last index and value 0
    """
    never_inline()
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
            row_starts[block + r] = end
            first = end
            for s in range(0, columns, PANEL):
                width = min(np.int64(PANEL), columns - s)
                source, start = a, a0 + (block + r) * a_row + s
                if a_column != 1:
                    source, start = pack, s * LANES + r * PANEL
                end = compress_span(values, indices, end, source, start, s, width)
            if end > first:
                last = indices[end - 1]
                while (end - first) % multiple != 0:
                    values[end] = F(0)
                    indices[end] = last
                    end += 1
    row_starts[rows] = end


@inner_kernel
def compress_span(values, indices, end, source, start, first, count):
    """Append the nonzeros of a stretch of a row to the compressed row; returns its new end."""
    whole = count // LANES * LANES
    for j in range(0, whole, LANES):
        end += append_nonzeros(values, indices, end, source, start + j, first + j)
    for j in range(whole, count):
        value = source[start + j]
        values[end] = value
        indices[end] = first + j
        end += np.int64(value != F(0))
    return end


@inner_kernel
def sparse_product(
    c, c0, ldc, a, a0, a_row, a_column, b, b0, ldb, transpose_b, m, n, k, alpha, beta, transposed,
    pack, values, indices, row_starts,
):  # fmt: skip
    """Compute C = alpha * A @ op(B) + beta * C by compressed rows of A; C^T if ``transposed``."""
    for first in range(0, m, SPARSE_ROWS):
        rows = min(np.int64(SPARSE_ROWS), m - first)
        for s in range(0, k, PANEL_ROWS):
            depth = min(np.int64(PANEL_ROWS), k - s)
            keep = beta if s == 0 else F(1)
            compress_rows(
                values, indices, row_starts, a, a0 + first * a_row + s * a_column, a_row, a_column,
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
                    clear_padding(pack, np.int64(0), depth, columns)
                tile = transposed or columns < PANEL
                for r in range(rows):
                    out, start, factor = c, c0 + (first + r) * ldc + j, keep
                    if tile:
                        out, start, factor = pack, TRANSPOSED_TILE + r * PANEL, F(0)
                    if narrow:
                        for lane in range(0, columns, LANES):
                            sum_sparse_narrow(
                                out, start + lane, values, indices, row_starts[r],
                                row_starts[r + 1], right, right0 + lane, step, alpha, factor,
                            )  # fmt: skip
                    else:
                        sum_sparse(
                            out, start, values, indices, row_starts[r], row_starts[r + 1],
                            right, right0, step, alpha, factor,
                        )  # fmt: skip
                if transposed:
                    transpose_back(c, c0 + j * ldc + first, ldc, pack, rows, columns, keep)
                elif tile:
                    add_tile(
                        c, c0 + first * ldc + j, ldc, pack, np.int64(TRANSPOSED_TILE),
                        rows, columns, keep,
                    )  # fmt: skip


@inner_kernel
def multiply_masked(
    c, c0, ldc, h, h0, a, a0, a_row, b, b0, ldb, m, n, k, beta, pack, values, indices, row_starts
):  # fmt: skip
    """Compute C = A @ B^T + beta * C where h, laid out like C from h0 on, is not zero."""
    for first in range(0, m, SPARSE_ROWS):
        rows = min(np.int64(SPARSE_ROWS), m - first)
        for s in range(0, n, PANEL_ROWS):
            width = min(np.int64(PANEL_ROWS), n - s)
            compress_rows(
                values, indices, row_starts, h, h0 + first * ldc + s, ldc, np.int64(1), rows, width,
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
                    for t in range(row_starts[r], row_starts[r + 1], DOTS):
                        add_dots(
                            c, c0 + (first + r) * ldc + s, indices, t,
                            a, a0 + (first + r) * a_row + column,
                            b, b0 + s * ldb + column, ldb, size,
                        )  # fmt: skip


def any_product(
    c, c0, ldc, a, a0, a_row, a_column, b, b0, ldb, transpose_b, m, n, k, alpha, beta,
    h, h0, task, pack, indices_and_starts,
):  # fmt: skip
    """Compute C = alpha * A @ op(B) + beta * C, leaving out zeros where few elements are nonzero.

    Arguments as in ``gemm``, and:
    h, h0 : float32 pointer and offset, the mask of MASKED, laid out like C
    task : MULTIPLY looks for zeros in A; GRADIENT (B not transposed) in A and B; DENSE in neither;
        MASKED (B transposed, alpha 1) needs C only where h is not zero
    pack, indices_and_starts : of the Workspace
    """
    everything = 1 << 60  # the callers know their bounds
    out = carray(c, everything)
    left = carray(a, everything)
    right = carray(b, everything)
    mask = carray(h, everything)
    scratch = carray(pack, PACK_SIZE + SPARSE_SIZE)
    values = scratch[PACK_SIZE:]
    indices = carray(indices_and_starts, SPARSE_SIZE + SPARSE_ROWS + 1)
    row_starts = indices[SPARSE_SIZE:]
    if task == MASKED and is_sparse(mask, h0, ldc, m, n):
        multiply_masked(
            out, c0, ldc, mask, h0, left, a0, a_row, right, b0, ldb, m, n, k, beta,
            scratch, values, indices, row_starts,
        )  # fmt: skip
        return
    line, lines, length = a_row, m, k  # A in the order in which it lies
    if a_column != 1:
        line, lines, length = a_column, k, m
    transposed = np.int64(0)
    sparse = task != DENSE and is_sparse(left, a0, line, lines, length)
    sparse = sparse and not (transpose_b and m < _PACKED_ROWS)
    if task == GRADIENT and not sparse and n >= _PACKED_ROWS:
        sparse = is_sparse(right, b0, ldb, k, n)
        if sparse:  # C^T = B^T @ A^T
            transposed = np.int64(1)
            left, right = right, left
            a0, b0 = b0, a0
            transpose_b = np.int64(a_column == 1)
            a_row, a_column, ldb = np.int64(1), ldb, a_row if a_column == 1 else a_column
            m, n = n, m
    if not sparse:
        dense_product(
            out, c0, ldc, left, a0, a_row, a_column, right, b0, ldb, transpose_b, m, n, k,
            alpha, beta, scratch,
        )  # fmt: skip
        return
    sparse_product(
        out, c0, ldc, left, a0, a_row, a_column, right, b0, ldb, transpose_b, m, n, k, alpha, beta,
        transposed, scratch, values, indices, row_starts,
    )  # fmt: skip
