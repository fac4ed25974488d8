"""The layout of the flat parameter array: the one table of tensor names, shapes and offsets.

Python and the kernels take every size and offset from it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm.config import ModelConfig

__all__ = ["Layout", "Tensor"]


@dataclass(frozen=True)
class Tensor:
    """A named part of the flat array: row-major, of this shape, from ``offset`` on."""

    name: str
    shape: tuple[int, ...]
    offset: int

    @property
    def size(self) -> int:
        """The number of its elements."""
        return prod(self.shape)


class Layout:
    """The table for one model configuration.

    In this order:

    - ``embeddings`` [V, E];
    - for each pool k of far context ``far.k.weight`` [F_k, E], oldest token first;
    - for each hidden layer l ``hidden.l.weight`` [fan_in, H_l], ``hidden.l.bias`` [H_l];
    - ``output.weight`` [fan_in, V], ``output.bias`` [V];
    - with an adaptive softmax, for each cluster k ``tail.k.projection`` [fan_in, P_k],
      ``tail.k.weight`` [P_k, ids of the cluster] and ``tail.k.bias``. The output then has
      ``config.head`` columns, the clusters' last.

    A layer is ``x @ weight + bias``; without ``config.bias`` there are no biases.
    """

    def __init__(self, config: ModelConfig) -> None:
        self.config = config
        self.tensors: dict[str, Tensor] = {}
        self._end = 0
        self._add("embeddings", (config.vocab, config.embed))
        for number, size in enumerate(config.far, start=1):
            self._add(f"far.{number}.weight", (size, config.embed))
        fan_in = config.input_width
        for number, width in enumerate(config.hidden, start=1):
            self._add_layer(f"hidden.{number}", fan_in, width)
            fan_in = width
        self._add_layer("output", fan_in, config.head)
        for number, (start, stop, width) in enumerate(config.clusters, start=1):
            self._add(f"tail.{number}.projection", (fan_in, width))
            self._add_layer(f"tail.{number}", width, stop - start)

    def _add(self, name: str, shape: tuple[int, ...]) -> None:
        self.tensors[name] = Tensor(name, shape, self._end)
        self._end += prod(shape)

    def _add_layer(self, name: str, fan_in: int, fan_out: int) -> None:
        self._add(f"{name}.weight", (fan_in, fan_out))
        if self.config.bias:
            self._add(f"{name}.bias", (fan_out,))

    @property
    def size(self) -> int:
        """The number of parameters, n."""
        return self._end

    @property
    def layer_names(self) -> list[str]:
        """The layers from the embeddings to the output (the head of an adaptive softmax)."""
        return [f"hidden.{n}" for n in range(1, len(self.config.hidden) + 1)] + ["output"]

    def views(self, flat: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Return the tensors by name, as views of ``flat`` [n]."""
        return {
            t.name: flat[t.offset : t.offset + t.size].reshape(t.shape)
            for t in self.tensors.values()
        }

    @cached_property
    def kernel_table(self) -> NDArray[np.int64]:
        """The affine layers as kernels read them, ``Network.layers``: int64[layers, 5]."""
        rows = []
        width_before = 0
        for name in self.layer_names:
            rows.append(self._kernel_row(f"{name}.weight", f"{name}.bias", width_before))
            width_before += rows[-1][0]
        output_before = rows[-1][-1]
        for number in range(1, len(self.config.cutoffs) + 1):
            name = f"tail.{number}"
            rows.append(self._kernel_row(f"{name}.projection", None, output_before))
            rows.append(self._kernel_row(f"{name}.weight", f"{name}.bias", width_before))
            width_before += rows[-1][0]
        return np.array(rows, dtype=np.int64)

    def _kernel_row(
        self, weight_name: str, bias_name: str | None, width_before: int
    ) -> tuple[int, int, int, int, int]:
        weight = self.tensors[weight_name]
        bias = self.tensors.get(bias_name) if bias_name else None
        fan_in, fan_out = weight.shape
        return fan_in, fan_out, weight.offset, bias.offset if bias else -1, width_before

    @property
    def widths(self) -> int:
        """Activations per row of a batch, in floats.

        The inputs of all affine layers, and a number for each cluster of an adaptive softmax.
        """
        last = self.kernel_table[-1]
        end = int(last[4] + last[0])
        return end + len(self.config.cutoffs)
