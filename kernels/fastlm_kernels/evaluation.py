"""Forward only: losses of positions of a token array, and logits of given contexts."""

import numpy as np

from fastlm_kernels.contexts import gather_context, token_at
from fastlm_kernels.jit import kernel
from fastlm_kernels.rows import forward_rows
from fastlm_kernels.softmax import log_sum_exp
from fastlm_kernels.team import claim, finish


@kernel
def position_losses(
    losses, inputs, logits, contexts, workspace, sync, tokens, params, network, first, rows
):
    """-log p(token at first + i | its context), in nats, for every element i of ``losses``.

    losses : float64[n], written
    inputs : float32[rows * sum of fan-ins], logits : float32[rows * V], contexts : int32[rows * C],
        workspace : Workspace, each thread's own
    sync : int64[SYNC_SIZE], zeros, shared by the threads of the call
    """
    context = network.context
    vocab = network.vocab
    tiles = (losses.size + rows - 1) // rows
    while True:
        tile = claim(sync, tiles, tiles, tiles)
        if tile < 0:
            return
        start = tile * rows
        count = min(rows, losses.size - start)
        for row in range(count):
            gather_context(
                contexts[row * context : (row + 1) * context],
                tokens.ids,
                tokens.width,
                first + start + row,
                network.boundary,
            )
        forward_rows(logits, inputs, workspace, contexts, params, network, rows, np.int64(0), count)
        for row in range(count):
            z = logits[row * vocab : (row + 1) * vocab]
            target = token_at(tokens.ids, tokens.width, first + start + row)
            losses[start + row] = log_sum_exp(z) - z[target]
        finish(sync)


@kernel
def context_logits(logits, inputs, workspace, contexts, params, network, batch):
    """Logits of B contexts.

    logits : float32[B * V], inputs : float32[B * sum of fan-ins], both written
    workspace : Workspace
    contexts : int32[B * C]
    """
    forward_rows(logits, inputs, workspace, contexts, params, network, batch, np.int64(0), batch)
