"""Export for other programs: an ONNX graph, ARPA, plain safetensors, the tokenizer as JSON.

The graph computes what ``fastlm.engine.generation.context_logits`` does, from the same tensors
under the same names; of a mixture it is the first network (``left_out`` says what is missing):

- input ``contexts`` int64[batch, C], oldest token first; what lies before a text reads as the
  boundary token (metadata ``model``, ``boundary``), or as id 0 where there is none;
- outputs ``logits`` and ``log_probs`` float32[batch, V], of the token after each context.
  Ids of the metadata ``excluded_ids`` are never chosen by ``generate``: what did not occur in
  training, and what cannot be written.
"""

from __future__ import annotations

import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastlm._version import __version__
from fastlm.checks import shown
from fastlm.counts.arpa_writer import write_arpa
from fastlm.errors import ExportError, MissingLibraryError
from fastlm.inference.generation import excluded_ids
from fastlm.system.atomic_file import replace_file, unwritable
from fastlm.wording import install

if TYPE_CHECKING:
    from fastlm.api.language_model import LanguageModel

__all__ = ["FORMATS", "OPSET", "export", "left_out", "onnx_graph"]

FORMATS = ("arpa", "onnx", "safetensors", "tokenizer")

# The names of formats in messages.
_CALLED = {"onnx": "ONNX graph", "tokenizer": "tokenizer"}

# Operator set 23 of ONNX 1.18, with version 11 of the file format. onnxruntime 1.31 takes up to 26
# (tried); the operations used here are the same in all of these.
OPSET = 23
_IR_VERSION = 11

# Bytes that Protocol Buffers can hold in one file.
_MOST_BYTES = 2**31 - 1


def export(model: LanguageModel, path: str | os.PathLike[str], to: str) -> None:
    """Write a model, or its tokenizer, for another program, atomically.

    Parameters
    ----------
    model : LanguageModel
    path : path
    to : {"arpa", "onnx", "safetensors", "tokenizer"}
        ``arpa``: the counts, compressed if the name ends in .gz. ``safetensors``: the model file,
        without the state of a training run. ``tokenizer``: the JSON form, which
        ``build_tokenizer(vocab_file=...)`` reads.

    Raises
    ------
    ExportError
        For another format, for a model that ONNX (counts alone) or ARPA (no counts, or of order 1)
        cannot hold, and when the file cannot be written.
    MissingLibraryError
        Without the package ``onnx``.
    """
    if to == "onnx" and not model.has_network:
        raise ExportError(
            "this model has counts alone, which no ONNX graph holds; export it to safetensors"
        )
    if to not in FORMATS:
        raise ExportError(f"cannot export to {shown(to)}; choose one of {', '.join(FORMATS)}")
    if to == "safetensors":
        model.save(path)
        return
    if to == "arpa":
        if model.counts is None:
            raise ExportError(
                "this model has no counts, which an ARPA file holds; train one with --counts or "
                "--counts-only"
            )
        write_arpa(model.counts, path, model.tokenizer.vocabulary)
        return
    content = _tokenizer_json(model).encode("ascii") + b"\n"
    if to == "onnx":
        content = onnx_graph(model).SerializeToString(deterministic=True)
    try:
        replace_file(path, [content])
    except (OSError, ValueError) as error:
        raise ExportError(unwritable(_CALLED[to], path, error)) from None


def left_out(model: LanguageModel, to: str) -> str | None:
    """Return in a line what of a model a format does not hold, None if nothing."""
    if model.weights is None or to not in ("arpa", "onnx"):
        return None
    if to == "arpa":
        return "the ARPA file has the counts alone; left out: the network and the weights"
    networks = len(model.text_model.networks)
    parts = [] if networks == 1 else [f"{networks - 1} of {networks} networks"]
    parts += [] if model.counts is None else [f"counts of order {model.counts.order}"]
    return f"the ONNX graph has the first network alone; left out: {' and '.join(parts)}"


def _tokenizer_json(model: LanguageModel) -> str:
    return json.dumps(model.tokenizer.to_dict(), sort_keys=True)


def onnx_graph(model: LanguageModel) -> Any:
    """Return an ``onnx.ModelProto`` with the tokenizer and configuration in its metadata.

    Raises
    ------
    MissingLibraryError
        Without the package ``onnx``.
    ExportError
        For a model of more than 2 GB.
    """
    try:
        import onnx
    except ImportError:
        raise MissingLibraryError(
            f"exporting to ONNX needs the package onnx; install it with: {install('onnx')}"
        ) from None
    if model.params.nbytes > _MOST_BYTES - (1 << 24):
        raise ExportError(
            f"the model has {model.params.nbytes / 1e9:.1f} GB, and ONNX files hold 2; "
            "export it to safetensors"
        )
    graph = _Graph(onnx, dict(model.tensors))
    hidden = _hidden(graph, model, _input(graph, model))
    _output(graph, model, hidden)
    config = model.config
    proto = onnx.helper.make_model(
        onnx.helper.make_graph(
            graph.nodes,
            "fastlm",
            [_value(onnx, "contexts", "INT64", config.span)],
            [_value(onnx, name, "FLOAT", config.vocab) for name in ("logits", "log_probs")],
            graph.tensors,
        ),
        opset_imports=[onnx.helper.make_opsetid("", OPSET)],
        ir_version=_IR_VERSION,
        producer_name="fastlm",
        producer_version=__version__,
    )
    metadata = {
        "model": json.dumps(config.to_dict(), sort_keys=True),
        "tokenizer": _tokenizer_json(model),
        "documents": model.documents,
        "excluded_ids": json.dumps(excluded_ids(model.text_model)),
    }
    if (missing := left_out(model, "onnx")) is not None:
        metadata["left_out"] = missing
    onnx.helper.set_model_props(proto, metadata)
    onnx.checker.check_model(proto, full_check=True)
    return proto


def _value(onnx: Any, name: str, kind: str, width: int) -> Any:
    element = getattr(onnx.TensorProto, kind)
    return onnx.helper.make_tensor_value_info(name, element, ["batch", width])


class _Graph:
    """Nodes in the order in which they are computed, and the tensors that they use."""

    def __init__(self, onnx: Any, weights: dict[str, NDArray[np.float32]]) -> None:
        self._onnx = onnx
        self._weights = weights
        self._known: set[str] = set()
        self.nodes: list[Any] = []
        self.tensors: list[Any] = []

    def has(self, name: str) -> bool:
        """Tell whether the model has a tensor of this name."""
        return name in self._weights

    def add(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        """Add a node; return the name of its output."""
        for name in inputs:
            if name in self._weights:
                self._tensor(name, self._weights[name])
        self.nodes.append(self._onnx.helper.make_node(kind, inputs, [output], **attributes))
        return output

    def numbers(self, *values: int) -> str:
        """Add a constant int64[len(values)]; return its name."""
        name = "_".join(map(str, ("int", *values)))
        self._tensor(name, np.array(values, dtype=np.int64))
        return name

    def slice(self, source: str, axis: int, start: int, stop: int, output: str) -> str:
        """Add source[start:stop] along an axis; return the name of its output."""
        bounds = [self.numbers(start), self.numbers(stop), self.numbers(axis)]
        return self.add("Slice", [source, *bounds], output)

    def affine(self, source: str, weight: str, bias: str, output: str) -> str:
        """Add source @ weight + bias, or source @ weight if the model has no such bias."""
        if self.has(bias):
            return self.add("Gemm", [source, weight, bias], output)
        return self.add("MatMul", [source, weight], output)

    def _tensor(self, name: str, array: NDArray[Any]) -> None:
        if name not in self._known:
            self._known.add(name)
            self.tensors.append(self._onnx.numpy_helper.from_array(array, name))


def _input(graph: _Graph, model: LanguageModel) -> str:
    """Add the first layer's input: the last C embeddings, joined or averaged, then the pools."""
    config = model.config
    embedded = graph.add("Gather", ["embeddings", "contexts"], "embedded", axis=0)
    far = config.span - config.context
    near = graph.slice(embedded, 1, far, far + config.context, "near") if far else embedded
    if config.combine == "mean":
        parts = [graph.add("ReduceMean", [near, graph.numbers(1)], "near_mean", keepdims=0)]
    else:
        shape = graph.numbers(-1, config.context * config.embed)
        parts = [graph.add("Reshape", [near, shape], "near_joined")]
    stop, pool = far, 1
    while graph.has(weight := f"far.{pool}.weight"):
        start = stop - model.tensors[weight].shape[0]
        parts.append(_pool(graph, embedded, weight, start, stop, f"pool_{pool}"))
        stop, pool = start, pool + 1
    return parts[0] if len(parts) == 1 else graph.add("Concat", parts, "x", axis=1)


def _pool(graph: _Graph, embedded: str, weight: str, start: int, stop: int, output: str) -> str:
    """Add the sum of the embeddings from start to stop, weighted by position and component."""
    tokens = graph.slice(embedded, 1, start, stop, f"{output}_tokens")
    weighted = graph.add("Mul", [tokens, weight], f"{output}_weighted")
    return graph.add("ReduceSum", [weighted, graph.numbers(1)], output, keepdims=0)


def _hidden(graph: _Graph, model: LanguageModel, x: str) -> str:
    for number in range(1, len(model.config.hidden) + 1):
        name = f"hidden.{number}"
        z = graph.affine(x, f"{name}.weight", f"{name}.bias", f"hidden_{number}_sum")
        x = graph.add("Relu", [z], f"hidden_{number}")
    return x


def _output(graph: _Graph, model: LanguageModel, x: str) -> None:
    if graph.has("tail.1.weight"):
        _adaptive_softmax(graph, model, x)
    else:
        graph.affine(x, "output.weight", "output.bias", "logits")
        graph.add("LogSoftmax", ["logits"], "log_probs", axis=1)


def _adaptive_softmax(graph: _Graph, model: LanguageModel, x: str) -> None:
    """Add log p: that of the head, or of a cluster in the head plus that within the cluster."""
    head_width = model.tensors["output.weight"].shape[1]
    graph.affine(x, "output.weight", "output.bias", "head_sum")
    head = graph.add("LogSoftmax", ["head_sum"], "head", axis=1)
    clusters = 0
    while graph.has(f"tail.{clusters + 1}.weight"):
        clusters += 1
    ids = head_width - clusters
    parts = [graph.slice(head, 1, 0, ids, "head_ids")]
    for number in range(1, clusters + 1):
        name, label = f"tail.{number}", f"tail_{number}"
        projected = graph.add("MatMul", [x, f"{name}.projection"], f"{label}_projected")
        graph.affine(projected, f"{name}.weight", f"{name}.bias", f"{label}_sum")
        within = graph.add("LogSoftmax", [f"{label}_sum"], f"{label}_within", axis=1)
        at = ids + number - 1
        cluster = graph.slice(head, 1, at, at + 1, f"{label}_share")
        parts.append(graph.add("Add", [cluster, within], label))
    graph.add("Concat", parts, "log_probs", axis=1)
    graph.add("Identity", ["log_probs"], "logits")
