"""Training steps by PyTorch, eager or compiled, with its fused optimiser."""

from __future__ import annotations

import importlib.util
import os
import shutil
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm.bench.implementations import Implementation, ready_batches
from fastlm.bench.workloads import Workload, initial_params
from fastlm.model.layout import Layout

__all__ = ["INSTALL_TORCH", "Torch", "adaptive_softmax", "can_compile", "torch_is_installed"]

# What to type where PyTorch is missing.
INSTALL_TORCH = 'pip install "fastlm[bench]"'


def torch_is_installed() -> bool:
    """Return whether PyTorch can be imported."""
    return importlib.util.find_spec("torch") is not None


def can_compile() -> bool:
    """Return whether there is a C++ compiler, which ``torch.compile`` needs."""
    names = [os.environ.get("CXX", ""), "c++", "g++", "clang++", "cl"]
    return any(shutil.which(name) for name in names if name)


class Torch(Implementation):
    """PyTorch in eager mode, or through ``torch.compile``.

    The batches are index tensors made ahead of time. ``SGD(momentum=b, dampening=b)`` is fastlm's
    update m = b m + (1 - b) g, except that PyTorch's first m is the bare gradient: a momentum of
    zero, set before the first step, makes the two equal.
    ``module`` maps contexts int64[B, C] to logits float32[B, V], unless the softmax is adaptive.
    """

    def __init__(self, workload: Workload, threads: int, *, compiled: bool = False) -> None:
        how = "torch.compile" if compiled else "PyTorch"
        self.kind = "torch-compile" if compiled else "torch"
        self.name = f"{how}, {threads} thread{'s' if threads > 1 else ''}"
        self.threads = threads
        self._workload = workload
        self._compiled = compiled
        self._batches = _batches(workload)
        self._build()

    def restart(self) -> None:
        if not self._compiled:  # which would compile again, for half a minute
            self._build()

    def _build(self) -> None:
        import torch

        workload = self._workload
        self._tensors = {
            name: torch.nn.Parameter(torch.from_numpy(_transposed(name, values).copy()))
            for name, values in Layout(workload.model).views(initial_params(workload)).items()
        }
        model = (
            _adaptive(workload, self._tensors)
            if workload.cutoffs
            else _module(workload, self._tensors)
        )
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
        self._next = 0

    def run(self, steps: int) -> list[float]:
        import torch

        torch.set_num_threads(self.threads)
        model, optimizer, batches = self.module, self._optimizer, self._batches
        cross_entropy = torch.nn.functional.cross_entropy
        losses = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for step in range(self._next, self._next + steps):
                contexts, targets = batches[step % len(batches)]
                loss: Any = (
                    model(contexts, targets).loss
                    if self._workload.cutoffs
                    else cross_entropy(model(contexts), targets)
                )
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
                losses.append(loss.detach())
        self._next += steps
        return [float(loss) for loss in losses]

    def params(self) -> NDArray[np.float32]:
        layout = Layout(self._workload.model)
        params = np.empty(layout.size, dtype=np.float32)
        for name, view in layout.views(params).items():
            view[...] = _transposed(name, self._tensors[name].detach().numpy())
        return params


def _batches(workload: Workload) -> list[tuple[Any, Any]]:
    """Contexts and targets of each batch, as tensors."""
    import torch

    contexts, targets = (torch.from_numpy(array).unbind() for array in ready_batches(workload))
    return list(zip(contexts, targets, strict=True))


def _transposed(name: str, values: NDArray[np.float32]) -> NDArray[np.float32]:
    """A matrix from fastlm's [fan_in, fan_out] to PyTorch's [fan_out, fan_in] or back."""
    return values.T if name.endswith((".weight", ".projection")) else values


def _module(workload: Workload, tensors: dict[str, Any]) -> Any:
    """nn.Embedding and nn.Linear layers around these parameters."""
    from torch import nn

    class _Combine(nn.Module):
        def forward(self, embedded: Any) -> Any:
            return embedded.mean(1) if workload.combine == "mean" else embedded.flatten(1)

    embedding = nn.Embedding(workload.vocab, workload.embed)
    embedding.weight = tensors["embeddings"]
    layers: list[Any] = [embedding, _Combine()]
    for name in Layout(workload.model).layer_names:
        layers += [_linear(tensors, f"{name}.weight", f"{name}.bias"), nn.ReLU()]
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
    layer.head = _linear(tensors, "output.weight", "output.bias")
    for number in range(1, len(cutoffs) + 1):
        layer.tail[number - 1] = nn.Sequential(
            _linear(tensors, f"tail.{number}.projection", ""),
            _linear(tensors, f"tail.{number}.weight", f"tail.{number}.bias"),
        )
    return layer


def _adaptive(workload: Workload, tensors: dict[str, Any]) -> Any:
    """A function from contexts and targets to an object with their ``loss``."""
    hidden = _module(workload, tensors)[:-1]
    softmax = adaptive_softmax(tensors, workload.hidden[-1], workload.vocab, workload.cutoffs)
    return lambda contexts, targets: softmax(hidden(contexts), targets)


def _linear(tensors: dict[str, Any], weight_name: str, bias_name: str) -> Any:
    from torch import nn

    weight = tensors[weight_name]
    linear = nn.Linear(weight.shape[1], weight.shape[0], bias=bias_name in tensors)
    linear.weight = weight
    if bias_name in tensors:
        linear.bias = tensors[bias_name]
    return linear
