"""Single kernels next to NumPy and PyTorch, one thread each, sizes of Mini with a batch of 256.

Each is first compared with NumPy's result.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from fastlm.bench.works import batches, initial_params, tokens, works_named
from fastlm.engine import TrainingEngine
from fastlm.layout import Layout
from fastlm_kernels.affine import accumulate_gradient, affine, descend
from fastlm_kernels.exponential import exp32
from fastlm_kernels.gemm import new_workspace
from fastlm_kernels.jit import kernel
from fastlm_kernels.rows import combine_rows, gather_rows
from fastlm_kernels.softmax import softmax_cross_entropy

WORK = works_named(["mini-256"])[0]
BATCH, VOCAB = WORK.batch, WORK.vocab
HIDDEN = WORK.hidden[-1]

pytestmark = pytest.mark.usefixtures("one_thread")
everybody = pytest.mark.parametrize("by", ["fastlm", "numpy", "torch"])


@pytest.fixture
def one_thread() -> Iterator[None]:
    """NumPy's BLAS as the kernels: in the calling thread."""
    with threadpool_limits(limits=1):
        yield


@pytest.fixture
def engine() -> TrainingEngine:
    """With the first batch swept: every buffer holds what it holds in training."""
    engine = TrainingEngine(WORK.model, WORK.training(1), tokens(WORK), initial_params(WORK))
    engine.run([WORK.lr])
    return engine


def single_threaded_torch():
    torch = pytest.importorskip("torch")
    torch.set_num_threads(1)
    return torch


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


@everybody
def test_gather(benchmark, by: str, engine: TrainingEngine):
    """Embeddings of a batch side by side, float32[256, 4 * 64]; for fastlm from the tokens on, in
    shuffled order, for the others from contexts that are there already."""
    params = initial_params(WORK)
    embeddings = Layout(WORK.model).views(params)["embeddings"]
    contexts = batches(WORK, 1)[0][0]

    def ours():
        gather_batch(engine.scratch, engine.tokens, params, engine.network, engine.plan)

    if by == "torch":
        torch = single_threaded_torch()
        table, indices = torch.from_numpy(embeddings), torch.from_numpy(contexts)
        benchmark(lambda: torch.nn.functional.embedding(indices, table).flatten(1))
    elif by == "numpy":
        benchmark(lambda: embeddings[contexts].reshape(BATCH, -1))
    else:
        with np.errstate(over="ignore"):
            ours()
            found = engine.scratch.inputs[: contexts.size * WORK.embed]
            np.testing.assert_array_equal(found, embeddings[contexts].ravel())
            benchmark(ours)


@everybody
def test_affine(benchmark, by: str):
    """x @ W + b into the output layer: [256, 128] @ [128, 1000]."""
    x, params = random32(BATCH, HIDDEN), random32(HIDDEN * VOCAB + VOCAB)
    weight, bias = params[: HIDDEN * VOCAB].reshape(HIDDEN, VOCAB), params[HIDDEN * VOCAB :]
    out, workspace = np.empty(BATCH * VOCAB, dtype=np.float32), new_workspace()

    def ours():
        affine(
            out, 0, VOCAB, workspace, x.reshape(-1), 0, params, 0, HIDDEN * VOCAB,
            BATCH, HIDDEN, VOCAB,
        )  # fmt: skip

    if by == "torch":
        torch = single_threaded_torch()
        tensors = [torch.from_numpy(array) for array in (bias, x, weight)]
        benchmark(torch.addmm, *tensors)
    elif by == "numpy":
        benchmark(lambda: x @ weight + bias)
    else:
        ours()
        np.testing.assert_allclose(out.reshape(BATCH, VOCAB), x @ weight + bias, atol=1e-4)
        benchmark(ours)


@everybody
def test_softmax_loss(benchmark, by: str):
    """Loss and d loss / d logits of [256, 1000] logits."""
    logits = random32(BATCH, VOCAB)
    targets = batches(WORK, 1)[1][0].astype(np.int32)
    rows = np.arange(BATCH)

    def in_numpy():
        z = np.exp(logits - logits.max(axis=1, keepdims=True))
        z /= z.sum(axis=1, keepdims=True)
        loss = -np.log(z[rows, targets]).sum()
        z[rows, targets] -= 1
        return loss, z

    if by == "torch":
        torch = single_threaded_torch()
        z = torch.from_numpy(logits).requires_grad_()
        wanted = torch.from_numpy(targets.astype(np.int64))

        def in_torch():
            z.grad = None
            torch.nn.functional.cross_entropy(z, wanted, reduction="sum").backward()

        benchmark(in_torch)
    elif by == "numpy":
        benchmark(in_numpy)
    else:
        z = logits.ravel().copy()
        loss = softmax_rows(z, targets, BATCH, VOCAB)
        assert loss == pytest.approx(in_numpy()[0], rel=1e-5)
        np.testing.assert_allclose(z.reshape(BATCH, VOCAB), in_numpy()[1], atol=1e-6)
        # What it leaves is as good as logits: the time does not depend on the numbers.
        benchmark(softmax_rows, z, targets, BATCH, VOCAB)


@everybody
def test_update(benchmark, by: str):
    """Gradient, momentum and weights of the output layer [128, 1000], from a batch of 256."""
    x, d = random32(BATCH, HIDDEN), random32(BATCH, VOCAB)
    weight, momentum = random32(HIDDEN, VOCAB), np.zeros((HIDDEN, VOCAB), dtype=np.float32)
    beta, rate, workspace = 0.9, 0.1, new_workspace()
    scale = (1 - beta) / BATCH

    def in_numpy():
        np.multiply(momentum, np.float32(beta), out=momentum)
        np.add(momentum, np.float32(scale) * (x.T @ d), out=momentum)
        np.subtract(weight, np.float32(rate) * momentum, out=weight)

    def ours(weight, momentum):
        accumulate_gradient(
            momentum, workspace, x.reshape(-1), 0, d.reshape(-1), 0,
            0, -1, BATCH, HIDDEN, VOCAB, 0, VOCAB, scale, beta,
        )  # fmt: skip
        descend(weight, momentum, 0, -1, HIDDEN, VOCAB, 0, VOCAB, rate)

    if by == "torch":
        torch = single_threaded_torch()
        w, m, inputs, deltas = (torch.from_numpy(array) for array in (weight, momentum, x, d))

        def in_torch():
            m.addmm_(inputs.T, deltas, beta=beta, alpha=scale)
            w.sub_(m, alpha=rate)

        benchmark(in_torch)
    elif by == "numpy":
        benchmark(in_numpy)
    else:
        found = weight.ravel().copy(), momentum.ravel().copy()
        ours(*found)
        in_numpy()
        np.testing.assert_allclose(found[0].reshape(HIDDEN, VOCAB), weight, atol=1e-5)
        benchmark(ours, *found)


@everybody
def test_exponential(benchmark, by: str):
    """e^x of 256,000 numbers of at most 0."""
    x = -np.abs(random32(BATCH * VOCAB))
    if by == "torch":
        torch = single_threaded_torch()
        benchmark(torch.exp, torch.from_numpy(x))
    elif by == "numpy":
        benchmark(np.exp, x)
    else:
        out = np.empty_like(x)
        exp_all(out, x)
        np.testing.assert_allclose(out, np.exp(x), rtol=1e-6)
        benchmark(exp_all, out, x)
