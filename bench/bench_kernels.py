"""Benchmarks of single kernels next to NumPy, PyTorch and plain Python, on one thread each.

Every result is compared with NumPy's. Plain Python, which NUMBA_DISABLE_JIT=1 makes of the kernels
too, has the smallest sizes only.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from fastlm.bench.torch_steps import can_compile
from fastlm.bench.workloads import Workload, batches, initial_params, select_workloads, tokens
from fastlm.engine.training import TrainingEngine
from fastlm.model.layout import Layout
from fastlm.reference import tiny
from fastlm_kernels.layers.affine import accumulate_gradient, affine, apply_momentum
from fastlm_kernels.layers.exp import exp32
from fastlm_kernels.layers.softmax import softmax_cross_entropy
from fastlm_kernels.linalg.gemm import new_workspace
from fastlm_kernels.passes.rows import combine_rows, gather_rows
from fastlm_kernels.runtime.jit import JIT_DISABLED, kernel

try:
    import torch
except ImportError:
    torch = None

WORKLOADS = select_workloads(["mini-256", "char-256", "10k-256"])
SMALL = "char-256"  # the largest workload that plain Python does in seconds

pytestmark = [
    pytest.mark.usefixtures("one_thread"),
    # torch.compile imports modules that warn of deprecation.
    pytest.mark.filterwarnings("ignore"),
]
every_implementation = pytest.mark.parametrize(
    "by", ["fastlm", "numpy", "torch", "torch-compile", "python"]
)


@pytest.fixture(params=WORKLOADS, ids=lambda workload: workload.name, autouse=True)
def workload(request: pytest.FixtureRequest, smoke: bool) -> Workload:
    """Sizes; combinations that would take minutes are skipped."""
    by, workload = request.node.callspec.params["by"], request.param
    if workload.name != SMALL and (by == "python" or (by == "fastlm" and JIT_DISABLED)):
        pytest.skip("takes minutes in plain Python")
    if by == "torch-compile" and (smoke or not can_compile()):
        pytest.skip("compiles for long, and needs a C++ compiler; runs where benchmarks are timed")
    # Requested only now: a skipped test must not have a benchmark fixture.
    benchmark = request.getfixturevalue("benchmark")
    benchmark.group = f"{request.node.originalname.removeprefix('test_')}, {workload.title}"
    return workload


@pytest.fixture
def one_thread() -> Iterator[None]:
    """Limit NumPy's BLAS to the calling thread, like the kernels."""
    with threadpool_limits(limits=1):
        yield


@pytest.fixture
def engine(workload: Workload) -> TrainingEngine:
    """An engine after its first step: buffers hold what they hold in training."""
    engine = TrainingEngine(
        workload.model, workload.training(1), tokens(workload), initial_params(workload)
    )
    engine.run([workload.lr])
    return engine


def compare(benchmark, by: str, tolerance: dict[str, float], ways: dict[str, Callable]) -> None:
    """Time one of the ways; its first result has to be that of NumPy."""
    expected = ways["numpy"]()
    if by.startswith("torch"):
        pytest.importorskip("torch").set_num_threads(1)
    call = ways[by.removesuffix("-compile")]
    with np.errstate(over="ignore"):
        found = call()
        for value, right in zip(*map(as_tuple, (found, expected)), strict=True):
            np.testing.assert_allclose(np.reshape(value, np.shape(right)), right, **tolerance)
        benchmark(call)


def as_tuple(value: object) -> tuple:
    return value if isinstance(value, tuple) else (value,)


def compiled(by: str, call: Callable) -> Callable:
    return torch.compile(call) if by == "torch-compile" else call


def tensors(*arrays: np.ndarray) -> list:
    """Copies for PyTorch, where it is installed."""
    return [torch.from_numpy(array.copy()) if torch else array for array in arrays]


def random32(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).standard_normal(shape, dtype=np.float32)


@kernel
def softmax_rows(z, targets, rows, vocab):
    loss = 0.0
    for i in range(rows):
        loss += softmax_cross_entropy(z[i * vocab : (i + 1) * vocab], targets[i])
    return loss


@kernel
def exp_all(out, x):
    for i in range(x.size):
        out[i] = exp32(x[i])


@kernel
def gather_batch(scratch, tokens, params, network, plan):
    first = np.int64(0)
    gather_rows(scratch, tokens, network, plan, first, first, plan.batch)
    combine_rows(scratch.inputs, scratch.contexts[first], params, network, first, plan.batch)


@every_implementation
def test_gather(benchmark, by: str, workload: Workload, engine: TrainingEngine):
    """Embeddings of a batch side by side, float32[B, C * E]; fastlm starts from shuffled tokens,
    the others from ready contexts."""
    params = initial_params(workload)
    embeddings = Layout(workload.model).views(params)["embeddings"]
    contexts = batches(workload, 1)[0][0]
    table, indices = tensors(embeddings, contexts)
    rows, lists = embeddings.tolist(), contexts.tolist()

    def ours():
        gather_batch(engine.scratch, engine.tokens, params, engine.network, engine.plan)
        return engine.scratch.inputs[: contexts.size * workload.embed]

    ways = {
        "numpy": lambda: embeddings[contexts].reshape(workload.batch, -1),
        "torch": compiled(by, lambda: torch.nn.functional.embedding(indices, table).flatten(1)),
        "python": lambda: [[value for id in context for value in rows[id]] for context in lists],
        "fastlm": ours,
    }
    compare(benchmark, by, {"rtol": 0}, ways)


@every_implementation
def test_affine(benchmark, by: str, workload: Workload):
    """x @ W + b into the output layer: [B, H] @ [H, V]."""
    batch, hidden, vocab = workload.batch, workload.hidden[-1], workload.vocab
    x, params = random32(batch, hidden), random32(hidden * vocab + vocab)
    weight, bias = params[: hidden * vocab].reshape(hidden, vocab), params[hidden * vocab :]
    out, workspace = np.empty(batch * vocab, dtype=np.float32), new_workspace()
    operands = tensors(bias, x, weight)
    rows, columns = x.tolist(), list(zip(weight.T.tolist(), bias.tolist(), strict=True))

    def ours():
        affine(
            out, 0, vocab, workspace, x.reshape(-1), 0, params, 0, hidden * vocab,
            batch, hidden, vocab,
        )  # fmt: skip
        return out

    ways = {
        "numpy": lambda: x @ weight + bias,
        "torch": compiled(by, lambda: torch.addmm(*operands)),
        "python": lambda: [[tiny.dot(row, column) + b for column, b in columns] for row in rows],
        "fastlm": ours,
    }
    compare(benchmark, by, {"atol": 1e-3}, ways)


@every_implementation
def test_softmax_loss(benchmark, by: str, workload: Workload):
    """Loss and d loss / d logits of [B, V] logits."""
    logits = random32(workload.batch, workload.vocab)
    targets = batches(workload, 1)[1][0].astype(np.int32)
    rows = np.arange(workload.batch)
    # It leaves gradients in z, which take as long as logits: time does not depend on values.
    z = logits.ravel().copy()
    scores, wanted = tensors(logits, targets.astype(np.int64))
    lists = list(zip(logits.tolist(), targets.tolist(), strict=True))
    loss_of = compiled(
        by, lambda: torch.nn.functional.cross_entropy(scores, wanted, reduction="sum")
    )

    def in_numpy():
        z = np.exp(logits - logits.max(axis=1, keepdims=True))
        z /= z.sum(axis=1, keepdims=True)
        loss = -np.log(z[rows, targets]).sum()
        z[rows, targets] -= 1
        return loss, z

    def in_torch():
        scores.requires_grad_().grad = None
        loss = loss_of()
        loss.backward()
        return loss.detach(), scores.grad

    def in_python():
        loss, d_logits = 0.0, []
        for scores, target in lists:
            probabilities = tiny.softmax(scores)
            loss += tiny.cross_entropy_loss(probabilities, target)
            probabilities[target] -= 1
            d_logits.append(probabilities)
        return loss, d_logits

    ways = {
        "numpy": in_numpy,
        "torch": in_torch,
        "python": in_python,
        "fastlm": lambda: (softmax_rows(z, targets, workload.batch, workload.vocab), z),
    }
    compare(benchmark, by, {"atol": 1e-6, "rtol": 1e-5}, ways)


@every_implementation
def test_update(benchmark, by: str, workload: Workload):
    """Gradient, momentum and weights of the output layer [H, V], from a batch."""
    batch, hidden, vocab = workload.batch, workload.hidden[-1], workload.vocab
    x, d = random32(batch, hidden), random32(batch, vocab)
    x_t = np.ascontiguousarray(x.T)
    start, zeros = random32(hidden, vocab), np.zeros((hidden, vocab), dtype=np.float32)
    weight, momentum = start.copy(), zeros.copy()
    w, m, workspace = start.ravel().copy(), zeros.ravel().copy(), new_workspace()
    w_torch, m_torch, inputs, deltas = tensors(start, zeros, x, d)
    lists = [array.tolist() for array in (start, zeros, x_t, d.T)]
    beta, rate = 0.9, 0.1
    scale = (1 - beta) / batch

    def in_numpy():
        np.multiply(momentum, np.float32(beta), out=momentum)
        np.add(momentum, np.float32(scale) * (x.T @ d), out=momentum)
        return np.subtract(weight, np.float32(rate) * momentum, out=weight)

    def in_torch():
        m_torch.addmm_(inputs.T, deltas, beta=beta, alpha=scale)
        return w_torch.sub_(m_torch, alpha=rate)

    def in_python():
        for weights, momenta, column in zip(*lists[:3], strict=True):
            for v, delta in enumerate(lists[3]):
                momenta[v] = beta * momenta[v] + scale * tiny.dot(column, delta)
                weights[v] -= rate * momenta[v]
        return lists[0]

    def ours():
        accumulate_gradient(
            m, workspace, x_t.reshape(-1), 0, 1, batch, d.reshape(-1), 0, vocab,
            0, -1, batch, hidden, vocab, 0, vocab, scale, beta,
        )  # fmt: skip
        apply_momentum(w, m, 0, -1, hidden, vocab, 0, vocab, rate)
        return w

    ways = {"numpy": in_numpy, "torch": compiled(by, in_torch), "python": in_python, "fastlm": ours}
    compare(benchmark, by, {"atol": 1e-5}, ways)


@every_implementation
def test_exponential(benchmark, by: str, workload: Workload):
    """e^x of B * V numbers of at most 0."""
    x = -np.abs(random32(workload.batch * workload.vocab))
    out, numbers = np.empty_like(x), x.tolist()
    (tensor,) = tensors(x)
    ways = {
        "numpy": lambda: np.exp(x),
        "torch": compiled(by, lambda: torch.exp(tensor)),
        "python": lambda: [math.exp(number) for number in numbers],
        "fastlm": lambda: (exp_all(out, x), out)[1],
    }
    compare(benchmark, by, {"rtol": 1e-6}, ways)
