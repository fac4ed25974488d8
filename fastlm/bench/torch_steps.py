"""Training steps by PyTorch, eager or compiled, with its fused optimiser."""

from __future__ import annotations

import os
import shutil
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm.bench.implementations import StepByStep, flat_params, ready_batches, threads_text
from fastlm.bench.workloads import Workload, initial_params
from fastlm.model.layout import Layout

__all__ = ["Torch", "adaptive_softmax", "can_compile"]


def can_compile() -> bool:
    """Return whether there is a C++ compiler, which ``torch.compile`` needs."""
    names = [os.environ.get("CXX", ""), "c++", "g++", "clang++", "cl"]
    return any(shutil.which(name) for name in names if name)


class Torch(StepByStep):
    """PyTorch in eager mode, or through ``torch.compile``.

    The batches are index tensors made ahead of time. ``SGD(momentum=b, dampening=b)`` is fastlm's
    update m = b m + (1 - b) g, except that PyTorch's first m is the bare gradient: a momentum of
    zero, set before the first step, makes the two equal.
    ``module`` maps contexts int64[B, C] to logits float32[B, V], unless the softmax is adaptive.
    """

    def __init__(self, workload: Workload, threads: int, *, compiled: bool = False) -> None:
        import torch

        self.kind = "torch-compile" if compiled else "torch"
        self.name = f"{'torch.compile' if compiled else 'PyTorch'}, {threads_text(threads)}"
        self.threads = threads
        self._compiled = compiled
        tensors = (torch.from_numpy(array).unbind() for array in ready_batches(workload))
        super().__init__(workload, list(zip(*tensors, strict=True)))

    def restart(self) -> None:
        """Start again, unless that would compile again, for half a minute."""
        if not self._compiled or not hasattr(self, "module"):
            super().restart()

    def _build(self) -> None:
        import torch

        workload = self._workload
        self._tensors = {
            name: torch.nn.Parameter(torch.from_numpy(_transposed(name, values).copy()))
            for name, values in Layout(workload.model).views(initial_params(workload)).items()
        }
        model = (_adaptive if workload.cutoffs else _module)(workload, self._tensors)
        with warnings.catch_warnings():
            # torch.compile imports modules that warn of deprecation.
            warnings.simplefilter("ignore")
            self.module = torch.compile(model) if self._compiled else model
        parameters = list(self._tensors.values())
        beta = workload.momentum
        self._optimizer = torch.optim.SGD(
            parameters, lr=workload.lr, momentum=beta, dampening=beta, fused=True
        )
        if beta > 0:
            for parameter in parameters:
                self._optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
        self._cross_entropy = torch.nn.functional.cross_entropy

    def run(self, steps: int) -> list[float]:
        """Do the next ``steps`` training steps; return the mean loss of each batch, nats."""
        import torch

        torch.set_num_threads(self.threads)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return super().run(steps)

    def _step(self, contexts: Any, targets: Any) -> float:
        loss: Any = (
            self.module(contexts, targets).loss
            if self._workload.cutoffs
            else self._cross_entropy(self.module(contexts), targets)
        )
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        self._optimizer.step()
        return float(loss.detach())

    def params(self) -> NDArray[np.float32]:
        """Return the current weights, float32[n]."""
        tensors = self._tensors.items()
        return flat_params(
            self._workload, {name: _transposed(name, t.detach().numpy()) for name, t in tensors}
        )


def _transposed(name: str, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Turn a matrix from fastlm's [fan_in, fan_out] to PyTorch's [fan_out, fan_in] or back."""
    return values.T if name.endswith((".weight", ".projection")) else values


def _module(workload: Workload, tensors: dict[str, Any]) -> Any:
    """Return nn.Embedding and nn.Linear layers around these parameters."""
    from torch import nn

    class _Combine(nn.Module):
        def forward(self, embedded: Any) -> Any:
            return embedded.mean(1) if workload.combine == "mean" else embedded.flatten(1)

    embedding = nn.Embedding(workload.vocab, workload.embed)
    embedding.weight = tensors["embeddings"]
    layers: list[Any] = [embedding, _Combine()]
    for name in Layout(workload.model).layer_names:
        layers += [_linear(tensors, name), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def adaptive_softmax(
    tensors: dict[str, Any], width: int, vocab: int, cutoffs: tuple[int, ...]
) -> Any:
    """Return PyTorch's adaptive softmax around parameters by fastlm's names, with its biases.

    Matrices are [fan_out, fan_in].
    """
    from torch import nn

    layer = nn.AdaptiveLogSoftmaxWithLoss(
        width, vocab, list(cutoffs), div_value=2.0, head_bias="output.bias" in tensors
    )
    layer.head = _linear(tensors, "output")
    for number in range(1, len(cutoffs) + 1):
        projection = _linear(tensors, f"tail.{number}.projection", "")
        layer.tail[number - 1] = nn.Sequential(projection, _linear(tensors, f"tail.{number}"))
    return layer


def _adaptive(workload: Workload, tensors: dict[str, Any]) -> Any:
    """Return a function from contexts and targets to an object with their ``loss``."""
    hidden = _module(workload, tensors)[:-1]
    softmax = adaptive_softmax(tensors, workload.hidden[-1], workload.vocab, workload.cutoffs)
    return lambda contexts, targets: softmax(hidden(contexts), targets)


def _linear(tensors: dict[str, Any], name: str, suffix: str = ".weight") -> Any:
    from torch import nn

    weight, bias = tensors[name + suffix], tensors.get(f"{name}.bias")
    linear = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    linear.weight, linear.bias = weight, bias
    return linear
