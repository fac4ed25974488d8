"""PyTorch: the same model, the same sums, its fused optimiser."""

from __future__ import annotations

import importlib.util
import os
import shutil
import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastlm.bench.implementations import Implementation, ready_batches
from fastlm.bench.works import Work, initial_params
from fastlm.model.layout import Layout

__all__ = ["INSTALL_TORCH", "Torch", "adaptive_softmax", "can_compile", "torch_is_installed"]

INSTALL_TORCH = 'pip install "fastlm[bench]"'


def torch_is_installed() -> bool:
    return importlib.util.find_spec("torch") is not None


def can_compile() -> bool:
    """Whether there is a C++ compiler, which ``torch.compile`` needs."""
    names = [os.environ.get("CXX", ""), "c++", "g++", "clang++", "cl"]
    return any(shutil.which(name) for name in names if name)


class Torch(Implementation):
    """Eager, or through ``torch.compile``.

    The batches are index tensors made ahead of time. ``SGD(momentum=b, dampening=b)`` is our
    update m = b m + (1 - b) g, with one exception: PyTorch's first m is the bare gradient. A
    momentum of zero, put there before the first step, makes it the same from the start.

    module : from contexts int64[B, C] to logits float32[B, V] (where the softmax is not adaptive)
    """

    def __init__(self, work: Work, threads: int, *, compiled: bool = False) -> None:
        how = "torch.compile" if compiled else "PyTorch"
        self.kind = "torch-compile" if compiled else "torch"
        self.name = f"{how}, {threads} thread{'s' if threads > 1 else ''}"
        self.threads = threads
        self._work = work
        self._compiled = compiled
        self._batches = _batches(work)
        self._begin()

    def renew(self) -> bool:
        if not self._compiled:  # that would compile everything once more
            self._begin()
        return not self._compiled

    def rest(self) -> None:
        if not self._compiled:
            del self.module, self._tensors, self._optimizer

    def _begin(self) -> None:
        import torch

        work = self._work
        self._tensors = {
            name: torch.nn.Parameter(torch.from_numpy(values.copy()))
            for name, values in _torch_shapes(work, initial_params(work)).items()
        }
        model = _adaptive(work, self._tensors) if work.cutoffs else _module(work, self._tensors)
        with warnings.catch_warnings():
            # Of what torch.compile's own imports use though it is deprecated.
            warnings.simplefilter("ignore")
            self.module = torch.compile(model) if self._compiled else model
        parameters = list(self._tensors.values())
        beta = work.momentum
        self._optimizer = torch.optim.SGD(
            parameters, lr=work.lr, momentum=beta, dampening=beta, fused=True
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
                    if self._work.cutoffs
                    else cross_entropy(model(contexts), targets)
                )
                optimizer.zero_grad(set_to_none=True)
                loss.backward()
                optimizer.step()
                losses.append(loss.detach())
        self._next += steps
        return [float(loss) for loss in losses]

    def params(self) -> NDArray[np.float32]:
        layout = Layout(self._work.model)
        params = np.empty(layout.size, dtype=np.float32)
        for name, view in layout.views(params).items():
            values = self._tensors[name].detach().numpy()
            view[...] = values.T if _is_matrix(name) else values
        return params


def _batches(work: Work) -> list[tuple[Any, Any]]:
    """(contexts, targets) as tensors; made once, since those of a batch of one are thousands."""
    import torch

    contexts, targets = ready_batches(work)
    return [
        (torch.from_numpy(c.copy()), torch.from_numpy(t.copy()))
        for c, t in zip(contexts, targets, strict=True)
    ]


def _torch_shapes(work: Work, params: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
    """Our tensors, weights as [fan_out, fan_in], as nn.Linear stores them."""
    return {
        name: values.T if _is_matrix(name) else values
        for name, values in Layout(work.model).views(params).items()
    }


def _is_matrix(name: str) -> bool:
    return name.endswith((".weight", ".projection"))


def _module(work: Work, tensors: dict[str, Any]) -> Any:
    """nn.Embedding and nn.Linear layers around these parameters."""
    from torch import nn

    class _Combine(nn.Module):
        def forward(self, embedded: Any) -> Any:
            return embedded.mean(1) if work.combine == "mean" else embedded.flatten(1)

    embedding = nn.Embedding(work.vocab, work.embed)
    embedding.weight = tensors["embeddings"]
    layers: list[Any] = [embedding, _Combine()]
    for name in Layout(work.model).layer_names:
        layers += [_linear(tensors, f"{name}.weight", f"{name}.bias"), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


def adaptive_softmax(
    tensors: dict[str, Any], width: int, vocab: int, cutoffs: tuple[int, ...]
) -> Any:
    """PyTorch's adaptive softmax around these parameters, its tails with the biases that ours have.

    tensors : nn.Parameter by our names, matrices as [fan_out, fan_in]
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


def _adaptive(work: Work, tensors: dict[str, Any]) -> Any:
    from torch import nn

    class _Adaptive(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            hidden = _module(work, tensors)[:-1]
            self.hidden = hidden
            self.softmax = adaptive_softmax(tensors, work.hidden[-1], work.vocab, work.cutoffs)

        def forward(self, contexts: Any, targets: Any) -> Any:
            return self.softmax(self.hidden(contexts), targets)

    return _Adaptive()


def _linear(tensors: dict[str, Any], weight_name: str, bias_name: str) -> Any:
    from torch import nn

    weight = tensors[weight_name]
    linear = nn.Linear(weight.shape[1], weight.shape[0], bias=bias_name in tensors)
    linear.weight = weight
    if bias_name in tensors:
        linear.bias = tensors[bias_name]
    return linear
