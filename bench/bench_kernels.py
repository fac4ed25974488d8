"""Benchmarks of single kernels next to NumPy, PyTorch and plain Python, on one thread each.

Every result is compared with NumPy's. Plain Python, which NUMBA_DISABLE_JIT=1 makes of the kernels
too, has the smallest sizes only.
"""

from __future__ import annotations

import math
import warnings
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

WORKLOADS = select_workloads(["mini-256", "char-256", "10k-256"])
SMALL = "char-256"  # the largest workload that plain Python does in seconds

pytestmark = pytest.mark.usefixtures("one_thread")
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


def single_threaded_torch():
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    return torch


def in_torch(torch, by: str, call: Callable) -> Callable:
    """Return the call, compiled if ``by`` says so, after a first run of it."""
    if by != "torch-compile":
        call()
        return call
    with warnings.catch_warnings():
        # torch.compile imports modules that warn of deprecation.
        warnings.simplefilter("ignore")
        compiled = torch.compile(call)
        compiled()
    return compiled


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

    def ours():
        gather_batch(engine.scratch, engine.tokens, params, engine.network, engine.plan)

    if by.startswith("torch"):
        torch = single_threaded_torch()
        table, indices = torch.from_numpy(embeddings), torch.from_numpy(contexts)
        look_up = torch.nn.functional.embedding
        found = benchmark(in_torch(torch, by, lambda: look_up(indices, table).flatten(1)))
        np.testing.assert_array_equal(found.numpy().ravel(), embeddings[contexts].ravel())
    elif by == "python":
        rows, lists = embeddings.tolist(), contexts.tolist()
        found = benchmark(
            lambda: [[value for id in context for value in rows[id]] for context in lists]
        )
        np.testing.assert_array_equal(np.ravel(found), embeddings[contexts].ravel())
    elif by == "numpy":
        benchmark(lambda: embeddings[contexts].reshape(workload.batch, -1))
    else:
        with np.errstate(over="ignore"):
            ours()
            found = engine.scratch.inputs[: contexts.size * workload.embed]
            np.testing.assert_array_equal(found, embeddings[contexts].ravel())
            benchmark(ours)


@every_implementation
def test_affine(benchmark, by: str, workload: Workload):
    """x @ W + b into the output layer: [B, H] @ [H, V]."""
    batch, hidden, vocab = workload.batch, workload.hidden[-1], workload.vocab
    x, params = random32(batch, hidden), random32(hidden * vocab + vocab)
    weight, bias = params[: hidden * vocab].reshape(hidden, vocab), params[hidden * vocab :]
    out, workspace = np.empty(batch * vocab, dtype=np.float32), new_workspace()

    def ours():
        affine(
            out, 0, vocab, workspace, x.reshape(-1), 0, params, 0, hidden * vocab,
            batch, hidden, vocab,
        )  # fmt: skip

    if by.startswith("torch"):
        torch = single_threaded_torch()
        tensors = [torch.from_numpy(array) for array in (bias, x, weight)]
        found = benchmark(in_torch(torch, by, lambda: torch.addmm(*tensors)))
        np.testing.assert_allclose(found.numpy(), x @ weight + bias, atol=1e-3)
    elif by == "python":
        rows, columns, last = x.tolist(), weight.T.tolist(), bias.tolist()
        pairs = list(zip(columns, last, strict=True))
        found = benchmark(
            lambda: [[tiny.dot(row, column) + b for column, b in pairs] for row in rows]
        )
        np.testing.assert_allclose(found, x @ weight + bias, atol=1e-3)
    elif by == "numpy":
        benchmark(lambda: x @ weight + bias)
    else:
        ours()
        np.testing.assert_allclose(out.reshape(batch, vocab), x @ weight + bias, atol=1e-3)
        benchmark(ours)


@every_implementation
def test_softmax_loss(benchmark, by: str, workload: Workload):
    """Loss and d loss / d logits of [B, V] logits."""
    logits = random32(workload.batch, workload.vocab)
    targets = batches(workload, 1)[1][0].astype(np.int32)
    rows = np.arange(workload.batch)

    def in_numpy():
        z = np.exp(logits - logits.max(axis=1, keepdims=True))
        z /= z.sum(axis=1, keepdims=True)
        loss = -np.log(z[rows, targets]).sum()
        z[rows, targets] -= 1
        return loss, z

    def in_python(logits, targets):
        loss, d_logits = 0.0, []
        for scores, target in zip(logits, targets, strict=True):
            probabilities = tiny.softmax(scores)
            loss += tiny.cross_entropy_loss(probabilities, target)
            probabilities[target] -= 1
            d_logits.append(probabilities)
        return loss, d_logits

    if by.startswith("torch"):
        torch = single_threaded_torch()
        z = torch.from_numpy(logits).requires_grad_()
        wanted = torch.from_numpy(targets.astype(np.int64))
        cross_entropy = torch.nn.functional.cross_entropy
        loss_of = in_torch(torch, by, lambda: cross_entropy(z, wanted, reduction="sum"))

        def there_and_back():
            z.grad = None
            loss_of().backward()

        benchmark(there_and_back)
        assert loss_of().item() == pytest.approx(in_numpy()[0], rel=1e-5)
        np.testing.assert_allclose(z.grad.numpy(), in_numpy()[1], atol=1e-6)
    elif by == "python":
        loss, d_logits = benchmark(in_python, logits.tolist(), targets.tolist())
        assert loss == pytest.approx(in_numpy()[0], rel=1e-5)
        np.testing.assert_allclose(d_logits, in_numpy()[1], atol=1e-6)
    elif by == "numpy":
        benchmark(in_numpy)
    else:
        z = logits.ravel().copy()
        loss = softmax_rows(z, targets, workload.batch, workload.vocab)
        assert loss == pytest.approx(in_numpy()[0], rel=1e-5)
        np.testing.assert_allclose(z.reshape(logits.shape), in_numpy()[1], atol=1e-6)
        # It leaves gradients in z, which take as long as logits: time does not depend on values.
        benchmark(softmax_rows, z, targets, workload.batch, workload.vocab)


@every_implementation
def test_update(benchmark, by: str, workload: Workload):
    """Gradient, momentum and weights of the output layer [H, V], from a batch."""
    batch, hidden, vocab = workload.batch, workload.hidden[-1], workload.vocab
    x, d = random32(batch, hidden), random32(batch, vocab)
    x_t = np.ascontiguousarray(x.T)
    weight, momentum = random32(hidden, vocab), np.zeros((hidden, vocab), dtype=np.float32)
    beta, rate, workspace = 0.9, 0.1, new_workspace()
    scale = (1 - beta) / batch

    def in_numpy():
        np.multiply(momentum, np.float32(beta), out=momentum)
        np.add(momentum, np.float32(scale) * (x.T @ d), out=momentum)
        np.subtract(weight, np.float32(rate) * momentum, out=weight)

    def ours(weight, momentum):
        accumulate_gradient(
            momentum, workspace, x_t.reshape(-1), 0, 1, batch, d.reshape(-1), 0, vocab,
            0, -1, batch, hidden, vocab, 0, vocab, scale, beta,
        )  # fmt: skip
        apply_momentum(weight, momentum, 0, -1, hidden, vocab, 0, vocab, rate)

    def in_python(weight, momentum, inputs, deltas):
        for weights, momenta, column in zip(weight, momentum, inputs, strict=True):
            for v, delta in enumerate(deltas):
                momenta[v] = beta * momenta[v] + scale * tiny.dot(column, delta)
                weights[v] -= rate * momenta[v]

    if by.startswith("torch"):
        torch = single_threaded_torch()
        w, m, inputs, deltas = (
            torch.from_numpy(array.copy()) for array in (weight, momentum, x, d)
        )

        def update():
            m.addmm_(inputs.T, deltas, beta=beta, alpha=scale)
            w.sub_(m, alpha=rate)

        again = in_torch(torch, by, update)
        in_numpy()
        np.testing.assert_allclose(w.numpy(), weight, atol=1e-5)
        benchmark(again)
    elif by == "python":
        lists = [array.tolist() for array in (weight, momentum, x.T, d.T)]
        in_python(*lists)
        in_numpy()
        np.testing.assert_allclose(lists[0], weight, atol=1e-5)
        benchmark(in_python, *lists)
    elif by == "numpy":
        benchmark(in_numpy)
    else:
        found = weight.ravel().copy(), momentum.ravel().copy()
        ours(*found)
        in_numpy()
        np.testing.assert_allclose(found[0].reshape(hidden, vocab), weight, atol=1e-5)
        benchmark(ours, *found)


@every_implementation
def test_exponential(benchmark, by: str, workload: Workload):
    """e^x of B * V numbers of at most 0."""
    x = -np.abs(random32(workload.batch * workload.vocab))
    if by.startswith("torch"):
        torch = single_threaded_torch()
        numbers = torch.from_numpy(x)
        found = benchmark(in_torch(torch, by, lambda: torch.exp(numbers)))
        np.testing.assert_allclose(found.numpy(), np.exp(x), rtol=1e-6)
    elif by == "python":
        numbers = x.tolist()
        found = benchmark(lambda: [math.exp(number) for number in numbers])
        np.testing.assert_allclose(found, np.exp(x), rtol=1e-6)
    elif by == "numpy":
        benchmark(np.exp, x)
    else:
        out = np.empty_like(x)
        exp_all(out, x)
        np.testing.assert_allclose(out, np.exp(x), rtol=1e-6)
        benchmark(exp_all, out, x)
