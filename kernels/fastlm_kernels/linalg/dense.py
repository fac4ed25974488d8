"""The matrix product C = alpha * A @ op(B) + beta * C, in blocks that stay in registers.

``fastlm_kernels.linalg.sparse`` calls it where no zeros are to be left out;
``fastlm_kernels.linalg.simd`` has the inside.
"""

from __future__ import annotations

import numpy as np

from fastlm_kernels.linalg.simd import (
    BLOCK_ROWS,
    LANES,
    LINE,
    LINES,
    PANEL,
    block_four,
    block_full,
    block_one,
    copy_row,
    half_full,
    half_one,
    narrow_full,
    narrow_one,
)
from fastlm_kernels.linalg.transpose import transpose_here
from fastlm_kernels.runtime.jit import apart_kernel, inner_kernel, stay_apart

F = np.float32


# Rows of B in a panel.
PANEL_ROWS = 256


# Columns and rows of results that are worked on together, so that the part of B (a second-level
# cache's share) and the part of A (a first-level cache's) are read from there.
GROUP = 2 * PANEL


TILE_ROWS = 64


# The scratch: the packed panels of a group, then a tile of results one panel wide.
_NARROW = PANEL_ROWS * GROUP


# Or a panel of A^T, and results the other way round: one panel wide, so many rows.
TURNED = PANEL_ROWS * PANEL


_TURNED_ROWS = 1024


# Of a matrix with so many elements B comes from beyond the second-level cache.
_TURNED_SIZE = 1 << 20


# For so many rows of results panels of B are copied together, unless its rows are near each other:
# in place, rows far apart cost more than their copy (Cascade Lake: V = 10,000, H = 512, 128 rows 84
# GFLOP/s in place, 97 packed; V = 1,000, H = 128, 64 rows 86 and 107).
_PACKED_ROWS = 16


_NEAR = 256


PACK_SIZE = max(_NARROW + TILE_ROWS * PANEL, TURNED + _TURNED_ROWS * PANEL)


@apart_kernel
def pack_transposed(panel, p0, b, b0, ldb, rows, columns):
    """panel[p0 + r * PANEL + j] = b[b0 + j * ldb + r] for r < rows, j < columns."""
    stay_apart()
    transpose_here(panel, p0, np.int64(PANEL), b, b0, ldb, columns, rows)


@apart_kernel
def pack_panel(panel, p0, b, b0, ldb, rows, columns):
    """panel[p0 + r * PANEL + j] = b[b0 + r * ldb + j] for j < columns."""
    if columns == PANEL:
        for r in range(rows):
            copy_row(panel, p0 + r * PANEL, b, b0 + r * ldb)
    else:
        for r in range(rows):
            source = b[b0 + r * ldb : b0 + r * ldb + columns]
            row = panel[p0 + r * PANEL : p0 + r * PANEL + columns]
            for j in range(columns):
                row[j] = source[j]


@inner_kernel
def pack_group(pack, b, b0, ldb, rows):
    """All panels of a group at once: where rows of B are long, each is a page of its own."""
    for r in range(rows):
        for j in range(0, GROUP, PANEL):
            copy_row(pack, j * PANEL_ROWS + r * PANEL, b, b0 + r * ldb + j)


@inner_kernel
def computed(columns):
    """How many columns of a panel are computed where so many are needed: all, half, or a vector."""
    if columns <= LANES:
        return LANES
    return PANEL // 2 if columns <= PANEL // 2 else PANEL


@apart_kernel
def clear(panel, p0, rows, columns):
    """Zero what is computed beyond the first ``columns`` of a panel."""
    stay_apart()
    end = computed(columns)
    if columns < end:
        for r in range(rows):
            for j in range(p0 + r * PANEL + columns, p0 + r * PANEL + end):
                panel[j] = F(0)


@apart_kernel
def sum_rows(c, c0, ldc, a, a0, a_row, a_column, b, b0, ldb, m, k, alpha, beta, columns, ahead):
    """One panel: m rows of results, of which ``columns`` are needed (see ``computed``).

    ahead : to the panel that comes next, 0 if that is near anyway
    """
    stay_apart()
    i = 0
    if computed(columns) == LANES:
        while i + BLOCK_ROWS <= m:
            narrow_full(
                c, c0 + i * ldc, ldc, a, a0 + i * a_row, a_row, a_column, b, b0, ldb,
                k, alpha, beta, ahead,
            )  # fmt: skip
            i += BLOCK_ROWS
        while i < m:
            narrow_one(
                c, c0 + i * ldc, ldc, a, a0 + i * a_row, a_row, a_column, b, b0, ldb,
                k, alpha, beta, ahead,
            )  # fmt: skip
            i += 1
        return
    if computed(columns) < PANEL:
        while i + BLOCK_ROWS <= m:
            half_full(
                c, c0 + i * ldc, ldc, a, a0 + i * a_row, a_row, a_column, b, b0, ldb,
                k, alpha, beta, ahead,
            )  # fmt: skip
            i += BLOCK_ROWS
        while i < m:
            half_one(
                c, c0 + i * ldc, ldc, a, a0 + i * a_row, a_row, a_column, b, b0, ldb,
                k, alpha, beta, ahead,
            )  # fmt: skip
            i += 1
        return
    line = ahead
    while i + BLOCK_ROWS <= m:
        block_full(
            c, c0 + i * ldc, ldc, a, a0 + i * a_row, a_row, a_column, b, b0, ldb,
            k, alpha, beta, line,
        )  # fmt: skip
        i += BLOCK_ROWS
        if ahead > 0:  # each block of rows fetches another line of the next panel's rows
            line = ahead + i // BLOCK_ROWS % LINES * LINE
    while i + 4 <= m:
        block_four(
            c, c0 + i * ldc, ldc, a, a0 + i * a_row, a_row, a_column, b, b0, ldb,
            k, alpha, beta, line,
        )  # fmt: skip
        i += 4
    while i < m:
        block_one(
            c, c0 + i * ldc, ldc, a, a0 + i * a_row, a_row, a_column, b, b0, ldb,
            k, alpha, beta, line,
        )  # fmt: skip
        i += 1


@inner_kernel
def add_tile(c, c0, ldc, pack, tile, rows, columns, beta):
    """C = beta * C + the tile that starts at ``tile`` in the scratch, with rows PANEL apart."""
    for r in range(rows):
        out = c[c0 + r * ldc : c0 + r * ldc + columns]
        new = pack[tile + r * PANEL : tile + r * PANEL + columns]
        if beta != F(0):
            for j in range(columns):
                out[j] = beta * out[j] + new[j]
        else:
            for j in range(columns):
                out[j] = new[j]


@inner_kernel
def turned_product(
    c, c0, ldc, a, a0, a_row, b, b0, ldb, m, n, k, alpha, beta, pack
):  # fmt: skip
    """C = alpha * A @ B^T + beta * C as C^T = alpha * B @ A^T + ...: A is transposed into
    panels in place of B, which is less work where A has fewer rows, and B is read along its
    rows. The sums are the same."""
    for first in range(0, n, _TURNED_ROWS):
        height = min(np.int64(_TURNED_ROWS), n - first)
        for i in range(0, m, PANEL):
            columns = min(np.int64(PANEL), m - i)
            if columns < PANEL:
                clear(pack, np.int64(0), min(PANEL_ROWS, k), columns)
            for s in range(0, k, PANEL_ROWS):
                depth = min(PANEL_ROWS, k - s)
                pack_transposed(pack, np.int64(0), a, a0 + i * a_row + s, a_row, depth, columns)
                sum_rows(
                    pack, np.int64(TURNED), np.int64(PANEL), b, b0 + first * ldb + s, ldb,
                    np.int64(1), pack, np.int64(0), np.int64(PANEL), height, depth,
                    alpha, F(0) if s == 0 else F(1), columns, np.int64(0),
                )  # fmt: skip
            turn_back(c, c0 + i * ldc + first, ldc, pack, height, columns, beta)


@inner_kernel
def turn_back(c, c0, ldc, pack, rows, columns, beta):
    """C [columns, rows] = beta * C + the transpose of the tile [rows, PANEL] at TURNED.

    In squares, which take the place of the panel before the tile.
    """
    square = np.int64(0)
    for i in range(0, rows, PANEL):
        height = min(np.int64(PANEL), rows - i)
        pack_transposed(pack, square, pack, TURNED + i * PANEL, np.int64(PANEL), columns, height)
        add_tile(c, c0 + i, ldc, pack, square, columns, height, beta)


@inner_kernel
def product(
    c, c0, ldc, a, a0, a_row, a_column, b, b0, ldb, transpose_b, m, n, k, alpha, beta, pack
):
    """C = alpha * A @ op(B) + beta * C; the arguments are those of ``gemm``."""
    # W of 256 rows, 10,000 long: 64 rows at 105 GFLOP/s in place of 87, 32 at 83 instead of 72.
    # What is near runs faster the other way, and so do 48 rows, which leave a panel part empty.
    large = n * ldb >= _TURNED_SIZE and m < n
    if transpose_b and a_column == 1 and large and m % (PANEL // 2) == 0:
        turned_product(c, c0, ldc, a, a0, a_row, b, b0, ldb, m, n, k, alpha, beta, pack)
        return
    for s in range(0, k, PANEL_ROWS):
        depth = min(PANEL_ROWS, k - s)
        keep = beta if s == 0 else F(1)
        a_start = a0 + s * a_column
        for group in range(0, n, GROUP):
            width = min(GROUP, n - group)
            in_place = np.int64(0)
            if not transpose_b and (m < _PACKED_ROWS or ldb <= _NEAR):
                in_place = width // PANEL * PANEL
            if in_place == 0 and width == GROUP and not transpose_b:
                pack_group(pack, b, b0 + s * ldb + group, ldb, depth)
            else:
                for j in range(in_place, width, PANEL):
                    columns = min(PANEL, width - j)
                    if transpose_b:
                        start = b0 + (group + j) * ldb + s
                        pack_transposed(pack, j * PANEL_ROWS, b, start, ldb, depth, columns)
                    else:
                        start = b0 + s * ldb + group + j
                        pack_panel(pack, j * PANEL_ROWS, b, start, ldb, depth, columns)
                    if columns < PANEL:
                        clear(pack, j * PANEL_ROWS, depth, columns)
            for i in range(0, m, TILE_ROWS):
                rows = min(TILE_ROWS, m - i)
                for j in range(0, width, PANEL):
                    columns = min(PANEL, width - j)
                    right, right0, right_step, ahead = pack, j * PANEL_ROWS, PANEL, 0
                    if j < in_place:
                        if i == 0:
                            ahead = 4 * PANEL
                        right, right0, right_step = b, b0 + s * ldb + group + j, ldb
                    out0 = c0 + i * ldc + group + j
                    out, start, step, factor = c, out0, ldc, keep
                    if columns < PANEL:
                        out, start, step, factor = pack, _NARROW, PANEL, F(0)
                    sum_rows(
                        out, start, step, a, a_start + i * a_row, a_row, a_column,
                        right, right0, right_step, rows, depth, alpha, factor, columns, ahead,
                    )  # fmt: skip
                    if columns < PANEL:
                        add_tile(c, out0, ldc, pack, np.int64(_NARROW), rows, columns, keep)
