"""The dense matrix product behind ``linalg.gemm``, blocked for registers and caches.

``linalg.sparse`` calls it where no zeros are left out; ``linalg.simd`` has the register blocks.
Figures behind the constants: bench/CHOICES.md, "Kernels".
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
from fastlm_kernels.runtime.jit import inner_kernel, never_inline, noinline_kernel

F = np.float32

PANEL_ROWS = 256  # rows of B in a panel

# Columns and rows of results that are worked on together, so that their part of B is read from the
# second-level cache and their part of A from the first.
GROUP = 2 * PANEL
TILE_ROWS = 64

# Offsets in the scratch: the packed panels of a group, then a tile of results one panel wide. Or a
# panel of A^T, then a tile of transposed results, one panel wide and _TRANSPOSED_ROWS high.
_TILE = PANEL_ROWS * GROUP
TRANSPOSED_TILE = PANEL_ROWS * PANEL
_TRANSPOSED_ROWS = 1024
PACK_SIZE = max(_TILE + TILE_ROWS * PANEL, TRANSPOSED_TILE + _TRANSPOSED_ROWS * PANEL)

_TRANSPOSED_SIZE = 1 << 20  # elements of B from which on it exceeds the second-level cache

# From this many rows of results on panels of B are packed, unless rows of B are at most _NEAR
# elements apart: in place, distant rows cost more than their copy (84 and 97 GFLOP/s).
_PACKED_ROWS = 16
_NEAR = 256


@noinline_kernel
def pack_transposed(panel, p0, b, b0, ldb, rows, columns):
    """Pack a panel of B^T: panel[p0 + r * PANEL + j] = b[b0 + j * ldb + r]."""
    never_inline()
    transpose_here(panel, p0, np.int64(PANEL), b, b0, ldb, columns, rows)


@noinline_kernel
def pack_panel(panel, p0, b, b0, ldb, rows, columns):
    """Pack a panel of B: panel[p0 + r * PANEL + j] = b[b0 + r * ldb + j]."""
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
    """Pack all panels of a group, row by row: each long row of B is a page of its own."""
    for r in range(rows):
        for j in range(0, GROUP, PANEL):
            copy_row(pack, j * PANEL_ROWS + r * PANEL, b, b0 + r * ldb + j)


@inner_kernel
def computed_columns(columns):
    """Round the needed columns of a panel up to what is computed: a vector, half, or all."""
    if columns <= LANES:
        return LANES
    return PANEL // 2 if columns <= PANEL // 2 else PANEL


@noinline_kernel
def clear_padding(panel, p0, rows, columns):
    """Zero the computed columns of a panel beyond the first ``columns``."""
    never_inline()
    end = computed_columns(columns)
    if columns < end:
        for r in range(rows):
            for j in range(p0 + r * PANEL + columns, p0 + r * PANEL + end):
                panel[j] = F(0)


@noinline_kernel
def multiply_panel(
    c, c0, ldc, a, a0, a_row, a_column, b, b0, ldb, m, k, alpha, beta, columns, ahead
):  # fmt: skip
    """Compute one panel: m rows of results, of which ``columns`` are needed.

    ahead : distance to the next panel, for prefetching; 0 if that panel is near
    """
    never_inline()
    i = 0
    if computed_columns(columns) == LANES:
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
    if computed_columns(columns) < PANEL:
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
        if ahead > 0:  # each block of rows prefetches another line of the next panel's rows
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
    """Compute C = beta * C + the tile at offset ``tile`` in the scratch, its rows PANEL apart."""
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
def transposed_product(
    c, c0, ldc, a, a0, a_row, b, b0, ldb, m, n, k, alpha, beta, pack
):  # fmt: skip
    """Compute C = alpha * A @ B^T + beta * C, computed as C^T = alpha * B @ A^T + beta * C^T.

    A is transposed into panels in place of B, less work where A has fewer rows, and B is read along
    its rows. The sums are the same.
    """
    for first in range(0, n, _TRANSPOSED_ROWS):
        height = min(np.int64(_TRANSPOSED_ROWS), n - first)
        for i in range(0, m, PANEL):
            columns = min(np.int64(PANEL), m - i)
            if columns < PANEL:
                clear_padding(pack, np.int64(0), min(PANEL_ROWS, k), columns)
            for s in range(0, k, PANEL_ROWS):
                depth = min(PANEL_ROWS, k - s)
                pack_transposed(pack, np.int64(0), a, a0 + i * a_row + s, a_row, depth, columns)
                multiply_panel(
                    pack, np.int64(TRANSPOSED_TILE), np.int64(PANEL), b, b0 + first * ldb + s, ldb,
                    np.int64(1), pack, np.int64(0), np.int64(PANEL), height, depth,
                    alpha, F(0) if s == 0 else F(1), columns, np.int64(0),
                )  # fmt: skip
            transpose_back(c, c0 + i * ldc + first, ldc, pack, height, columns, beta)


@inner_kernel
def transpose_back(c, c0, ldc, pack, rows, columns, beta):
    """Compute C[columns, rows] = beta * C + the transpose of the tile [rows, PANEL] in the scratch.

    It goes in squares, which overwrite the panel before the tile.
    """
    square = np.int64(0)
    for i in range(0, rows, PANEL):
        height = min(np.int64(PANEL), rows - i)
        pack_transposed(
            pack, square, pack, TRANSPOSED_TILE + i * PANEL, np.int64(PANEL), columns, height
        )
        add_tile(c, c0 + i, ldc, pack, square, columns, height, beta)


@inner_kernel
def dense_product(
    c, c0, ldc, a, a0, a_row, a_column, b, b0, ldb, transpose_b, m, n, k, alpha, beta, pack
):
    """Compute C = alpha * A @ op(B) + beta * C; arguments as in ``gemm``."""
    # W of 256 rows of 10,000: 64 rows run at 105 GFLOP/s, 87 without. A matrix in the cache runs
    # faster the other way, and so do 48 rows, which leave a panel partly empty.
    large = n * ldb >= _TRANSPOSED_SIZE and m < n
    if transpose_b and a_column == 1 and large and m % (PANEL // 2) == 0:
        transposed_product(c, c0, ldc, a, a0, a_row, b, b0, ldb, m, n, k, alpha, beta, pack)
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
                        clear_padding(pack, j * PANEL_ROWS, depth, columns)
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
                        out, start, step, factor = pack, _TILE, PANEL, F(0)
                    multiply_panel(
                        out, start, step, a, a_start + i * a_row, a_row, a_column,
                        right, right0, right_step, rows, depth, alpha, factor, columns, ahead,
                    )  # fmt: skip
                    if columns < PANEL:
                        add_tile(c, out0, ldc, pack, np.int64(_TILE), rows, columns, keep)
