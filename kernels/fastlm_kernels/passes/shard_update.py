"""The update from the summed gradient of all shards (``passes.shards``)."""

from __future__ import annotations

import numpy as np

from fastlm_kernels.layers.embedding import SETTLE_EVERY, fill_decays, settle_row_tabulated
from fastlm_kernels.runtime.jit import inner_kernel, kernel
from fastlm_kernels.runtime.scheduler import next_tile, tile_done

F = np.float32


@kernel
def settle_rows(decays, state, ids, count, network, plan, step):
    """Bring the first ``count`` of ``ids`` up to date for the batch of ``step``."""
    fill_decays(decays, state.rates, step, plan.beta)
    for slot in range(count):
        settle_row_tabulated(
            decays, state.params, state.momentum, state.row_steps, np.int64(ids[slot]),
            network.embed, step, plan.beta, plan.embed_scale,
        )  # fmt: skip


@kernel
def apply_sum(
    total, decays, state, worker, slots, count, next_count, network, plan, buckets, phases, step,
    rate,
):  # fmt: skip
    """Update momentum and parameters from the gradient of a batch, and prepare the next step.

    Every thread makes this same call.

    total : float32[n], see ``shard_gradients``
    decays : of ``fill_decays`` for the next step
    slots : int32[2, B * span], the numbered ids of even and odd steps; ``count`` of this step,
        ``next_count`` of the next
    buckets : tiles of the embeddings, a power of two
    phases : int64[2], 0 and the number of tiles; those after the buckets have equal shares of the
        other parameters
    """
    embed = network.embed
    first = network.vocab * embed
    decay = F(plan.beta)
    share_of = F(1.0 - plan.beta)
    tiles = phases[1]
    while True:
        tile = next_tile(worker, tiles, phases)
        if tile < 0:
            return
        if tile >= buckets:
            rest = state.params.size - first
            low = first + rest * (tile - buckets) // (tiles - buckets)
            high = first + rest * (tile - buckets + 1) // (tiles - buckets)
            momentum_range(
                state.params[low:high], state.momentum[low:high], total[low:high], decay, share_of,
                F(rate),
            )  # fmt: skip
        else:
            ids = slots[step % 2]
            for slot in range(count):
                row = np.int64(ids[slot])
                if row % buckets == tile:
                    momentum_range(
                        state.params[row * embed : (row + 1) * embed],
                        state.momentum[row * embed : (row + 1) * embed],
                        total[slot * embed : (slot + 1) * embed], decay, share_of,
                        F(rate * plan.embed_scale),
                    )  # fmt: skip
                    state.row_steps[row] = step + 1
            if (step + 1) % SETTLE_EVERY == 0:
                for row in range(tile, network.vocab, buckets):
                    settle_row_tabulated(
                        decays, state.params, state.momentum, state.row_steps, row, embed,
                        step + 1, plan.beta, plan.embed_scale,
                    )  # fmt: skip
            else:
                ids = slots[(step + 1) % 2]
                for slot in range(next_count):
                    row = np.int64(ids[slot])
                    if row % buckets == tile:
                        settle_row_tabulated(
                            decays, state.params, state.momentum, state.row_steps, row, embed,
                            step + 1, plan.beta, plan.embed_scale,
                        )  # fmt: skip
        tile_done(worker)


@inner_kernel
def momentum_range(w, m, g, decay, share_of, rate):
    """Apply m = beta m + (1 - beta) g, w -= rate m to float32[any] each."""
    for j in range(w.size):
        m[j] = decay * m[j] + share_of * g[j]
        w[j] -= rate * m[j]
