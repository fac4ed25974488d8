"""Training steps by JAX: one compiled loop over all steps of a call, with donated buffers."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm.bench.implementations import Implementation, flat_params, ready_batches, threads_text
from fastlm.bench.workloads import Workload, initial_params
from fastlm.model.layout import Layout

__all__ = ["Jax", "threads_environment"]

# Most steps of one call of the compiled loop.
_MOST_STEPS = 1 << 16


def threads_environment(threads: int) -> dict[str, str]:
    """Return the environment in which JAX computes with this many threads.

    XLA reads it once, when a process uses JAX for the first time. Measured by the processor time
    of each thread: with 1 a single one computes, with 2 both do half.
    """
    return {"NPROC": str(threads)}


class Jax(Implementation):
    """JAX with weights, momentum and batches on its device, in a process for its threads.

    The loop is ``lax.fori_loop`` with the number of steps as an argument. ``lax.scan`` was as fast
    (0.97 to 1.05 of it, five workloads), and compiles again for each number of steps.
    """

    kind = "jax"

    def __init__(self, workload: Workload, threads: int) -> None:
        import jax

        self.name = f"JAX, {threads_text(threads)}"
        self.threads = threads
        self._workload = workload
        contexts, targets = ready_batches(workload)
        self._batches = jax.device_put((contexts.astype(np.int32), targets.astype(np.int32)))
        self._train = jax.jit(_training(workload, targets), donate_argnums=0)
        self.restart()

    def restart(self) -> None:
        """Start again at the initial weights and the first batch, in new arrays."""
        from jax import numpy as jnp

        start = Layout(self._workload.model).views(initial_params(self._workload)).items()
        params = {name: jnp.array(values) for name, values in start}
        self._state = params, {name: jnp.zeros_like(values) for name, values in params.items()}
        self._next = 0

    def run(self, steps: int) -> NDArray[np.float32]:
        """Do the next ``steps`` training steps; return the mean loss of each batch, nats."""
        losses = []
        for done in range(0, steps, _MOST_STEPS):
            count = min(_MOST_STEPS, steps - done)
            self._state, found = self._train(self._state, self._batches, self._next, count)
            self._next = (self._next + count) % len(self._batches[1])
            losses.append(np.asarray(found)[:count])
        return np.concatenate(losses)

    def params(self) -> NDArray[np.float32]:
        """Return the current weights, float32[n]."""
        return flat_params(self._workload, self._state[0])


def _training(workload: Workload, targets: NDArray[np.int64]) -> Any:
    """Return a function of weights and momentum, batches, first batch and number of steps."""
    import jax
    from jax import lax
    from jax import numpy as jnp

    beta = workload.momentum
    loss_and_gradient = jax.value_and_grad(_loss(workload, targets))

    def train(state: Any, batches: Any, first: int, steps: int) -> Any:
        def step(i: Any, carried: Any) -> Any:
            (params, momentum), losses = carried
            contexts, targets = (part[(first + i) % len(part)] for part in batches)
            loss, gradient = loss_and_gradient(params, contexts, targets)
            momentum = jax.tree.map(lambda m, g: beta * m + (1 - beta) * g, momentum, gradient)
            params = jax.tree.map(lambda w, m: w - workload.lr * m, params, momentum)
            return (params, momentum), losses.at[i].set(loss)

        return lax.fori_loop(0, steps, step, (state, jnp.zeros(_MOST_STEPS)))

    return train


def _loss(workload: Workload, targets: NDArray[np.int64]) -> Any:
    """Return the mean loss of a batch as a function of tensors by name, contexts and targets.

    Shapes are fixed when JAX compiles, so each cluster of an adaptive softmax gathers as many rows
    as the batch with the most of them needs, a quarter more than the mean; what is left over counts
    as zero.
    """
    from jax import nn
    from jax import numpy as jnp

    layer_names = Layout(workload.model).layer_names
    clusters = [
        (f"tail.{number}", start, stop, ((start <= targets) & (targets < stop)).sum(axis=1).max())
        for number, (start, stop, _) in enumerate(workload.model.clusters, start=1)
    ]

    def layer(params: Any, name: str, x: Any) -> Any:
        return x @ params[f"{name}.weight"] + params.get(f"{name}.bias", 0.0)

    def cross_entropy(scores: Any, targets: Any) -> Any:
        at_targets = jnp.take_along_axis(scores, targets[:, None], axis=1)[:, 0]
        return nn.logsumexp(scores, axis=1) - at_targets

    def loss(params: Any, contexts: Any, targets: Any) -> Any:
        embedded = params["embeddings"][contexts]  # [B, C, E]
        mean = workload.combine == "mean"
        x = embedded.mean(axis=1) if mean else embedded.reshape(workload.batch, -1)
        for name in layer_names[:-1]:
            x = nn.relu(layer(params, name, x))
        head_targets, total = targets, 0.0
        for number, (name, start, stop, most) in enumerate(clusters):
            inside = (start <= targets) & (targets < stop)
            head_targets = jnp.where(inside, clusters[0][1] + number, head_targets)
            (rows,) = jnp.nonzero(inside, size=most, fill_value=workload.batch)
            h = x.at[rows].get(mode="fill", fill_value=0.0) @ params[f"{name}.projection"]
            own = targets.at[rows].get(mode="fill", fill_value=start) - start
            found = cross_entropy(layer(params, name, h), own)
            total += jnp.where(rows < workload.batch, found, 0.0).sum()
        total += cross_entropy(layer(params, "output", x), head_targets).sum()
        return total / workload.batch

    return loss
