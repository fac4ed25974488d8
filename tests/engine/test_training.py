"""The compiled engine against the float64 oracle: gradients, training, evaluation, memory."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numba import config as numba_config

from fastlm.config import ModelConfig, TrainingConfig
from fastlm.engine import tiling as plan
from fastlm.engine.generation import context_logits
from fastlm.engine.losses import position_losses
from fastlm.engine.tokens import token_array
from fastlm.engine.training import TrainingEngine
from fastlm.errors import ConfigError
from fastlm.model.layout import Layout
from fastlm_kernels.layers.affine import momentum_update
from fastlm_kernels.layers.embedding import SETTLE_EVERY
from fastlm_kernels.passes.training import count_nonfinite
from tests import naive

NO_JIT = bool(numba_config.DISABLE_JIT)
SEED = 5


def models(vocab, *, context=3, embed=4, boundary=None, dropout=0.0, embed_dropout=0.0, **shape):
    """(the engine's configuration, the oracle's); linear if ``hidden`` is not given"""
    shape.setdefault("hidden", ())
    ours = ModelConfig(vocab=vocab, context=context, embed=embed, boundary=boundary, **shape)
    theirs = naive.NaiveConfig(
        vocab, context, embed, dropout=dropout, embed_dropout=embed_dropout, **shape
    )
    return ours, theirs


def initial(oracle, seed=1):
    return naive.flatten(naive.random_parameters(oracle, seed)).astype(np.float32)


def random_tokens(vocab, count, seed=2):
    return np.random.default_rng(seed).integers(0, vocab, count)


def wide(flat, oracle):
    return naive.split(flat.astype(np.float64), oracle)


def assert_close(flat, expected, oracle, tolerance):
    """Every tensor within ``tolerance`` of its largest element."""
    for name, tensor in naive.split(flat, oracle).items():
        scale = np.abs(expected[name]).max()
        error = np.abs(tensor - expected[name]).max()
        # 1e-9: a cluster of one id has no gradient
        assert error <= tolerance * scale + 1e-9, f"{name}: {error:.2g} of {scale:.2g}"


# ---------------------------------------------------------------------------- gradients

SHAPES = list(itertools.product(("concat", "mean"), ((), (6,), (7, 5), (5, 6, 4)), (True, False)))
DROPOUTS = list(itertools.product((0.0, 0.4), (0.0, 0.3)))
BATCHES = [(b, e) for b in (1, 7, 40) for e in (None, 3)]  # 40: two row tiles
CASES = list(itertools.product(SHAPES, DROPOUTS, BATCHES))
EXTRAS = [
    {"far": (2, 5)},
    {"far": (4,), "combine": "mean"},
    {"cutoffs": (4,)},
    {"cutoffs": (3, 5, 8), "tail_divisor": 1.5},
    {"cutoffs": (2, 10), "far": (3,), "tail_divisor": 4.0, "bias": False},
]
if NO_JIT:
    CASES = CASES[::13]  # 13 is prime to the sizes of the product: every value occurs


@pytest.mark.parametrize(
    ("shape", "dropouts", "batch_and_boundary"),
    CASES,
    ids=lambda value: "-".join(map(str, value)).replace(" ", ""),
)
def test_gradient_of_every_tensor(shape, dropouts, batch_and_boundary):
    combine, hidden, bias = shape
    settings = {"combine": combine, "hidden": hidden, "bias": bias}
    check_gradient(settings, dropouts, batch_and_boundary)


@pytest.mark.parametrize("extra", EXTRAS, ids=str)
@pytest.mark.parametrize("dropouts", [(0.0, 0.0), (0.4, 0.3)])
@pytest.mark.parametrize("batch_and_boundary", BATCHES[1:] if NO_JIT else BATCHES)
@pytest.mark.parametrize("hidden", [(), (7, 5)])
def test_gradient_with_far_context_and_adaptive_softmax(
    extra, dropouts, batch_and_boundary, hidden
):
    check_gradient({"hidden": hidden, **extra}, dropouts, batch_and_boundary)


@pytest.mark.parametrize("extra", [{}, *EXTRAS], ids=str)
@pytest.mark.parametrize("dropouts", [(0.0, 0.0), (0.7, 0.3)])
@pytest.mark.parametrize("columns", [1, 4, 10])
@pytest.mark.parametrize("hidden", [(), (7, 5)])
def test_gradient_where_logits_come_in_blocks(extra, dropouts, columns, hidden, monkeypatch):
    monkeypatch.setattr(plan, "_LEAST_LOGITS", columns)
    monkeypatch.setattr(plan, "_LOGIT_ELEMENTS", 0)
    check_gradient({"hidden": hidden, **extra}, dropouts, (40, None))


@pytest.fixture(params=[1, 2, 4], ids="blocks-of-{}".format)
def by_columns(request, monkeypatch):
    """Every output is swept by columns, in up to three tiles of several blocks."""
    monkeypatch.setattr(plan, "_WIDE_OUTPUT", 0)
    monkeypatch.setattr(plan, "_COLUMNS_PER_INPUT", 0)
    monkeypatch.setattr(plan, "_COLUMN_TILES", 3)
    monkeypatch.setattr(plan, "_tile_width", lambda *_: request.param)


@pytest.mark.parametrize("extra", [{}, *EXTRAS], ids=str)
@pytest.mark.parametrize("dropouts", [(0.0, 0.0), (0.7, 0.3)])
@pytest.mark.parametrize("hidden", [(), (7, 5)])
@pytest.mark.usefixtures("by_columns")
def test_gradient_where_the_output_is_swept_by_columns(extra, dropouts, hidden):
    check_gradient({"hidden": hidden, **extra}, dropouts, (40, None))


@pytest.mark.parametrize(
    "shape",
    [{"hidden": (6,), "dropout": 0.3}, {"hidden": (6,), "cutoffs": (5, 9)}, {"far": (2, 3)}],
    ids=["hidden", "adaptive", "far"],
)
@pytest.mark.usefixtures("by_columns")
def test_training_where_the_output_is_swept_by_columns(shape):
    model, oracle = models(13, **shape)
    training = TrainingConfig(batch=20, seed=SEED, dropout=oracle.dropout)
    tokens = random_tokens(13, 90)
    rates = np.full(12, 0.4)
    assert_same_run(oracle, *train_both(model, oracle, training, tokens, rates, chunks=3))


@pytest.mark.parametrize("extra", [{}, *EXTRAS], ids=str)
@pytest.mark.parametrize("columns", [0, 6])
@pytest.mark.parametrize("hidden", [(), (7, 5)])
@pytest.mark.parametrize("output", ["by rows", "by columns"])
def test_gradient_from_transposed_inputs(extra, columns, hidden, output, monkeypatch):
    """Of all layers, or of those with at least six columns."""
    monkeypatch.setattr(plan, "_TRANSPOSED_FROM", columns)
    if output == "by columns":
        monkeypatch.setattr(plan, "_WIDE_OUTPUT", 0)
        monkeypatch.setattr(plan, "_COLUMNS_PER_INPUT", 0)
    check_gradient({"hidden": hidden, **extra}, (0.4, 0.3), (40, None))


def check_gradient(settings, dropouts, batch_and_boundary):
    dropout, embed_dropout = dropouts
    batch, boundary = batch_and_boundary
    model, oracle = models(
        11, boundary=boundary, dropout=dropout, embed_dropout=embed_dropout, **settings
    )
    training = TrainingConfig(batch=batch, seed=SEED, dropout=dropout, embed_dropout=embed_dropout)
    tokens = random_tokens(11, 60)
    params = initial(oracle)
    engine = TrainingEngine(model, training, tokens, params.copy())
    engine.step = step = 9

    loss, grad = engine.gradient()

    edge = -1 if boundary is None else boundary
    positions = naive.batch_positions(SEED, step, batch, 60, oracle.span, edge, True)
    contexts, targets = naive.contexts_and_targets(tokens, positions, oracle.span, edge)
    contexts, targets = naive.by_cluster(contexts, targets, oracle)
    losses, expected = naive.loss_and_gradients(
        wide(params, oracle), oracle, contexts, targets, SEED, step
    )
    assert loss == pytest.approx(losses.mean(), rel=1e-5)
    assert_close(grad, expected, oracle, 1e-5)


@pytest.mark.parametrize("boundary", [None, 3])
@pytest.mark.parametrize("embed_dropout", [0.0, 0.3])
def test_gradient_where_the_first_layer_is_a_sum_of_shares(embed_dropout, boundary):
    """Few of many ids occur: the table has rows for those alone (and for what fills a context)."""
    used = np.array([2, 5, 17, 29, 30])
    model, oracle = models(
        31, context=5, hidden=(7, 5), boundary=boundary, embed_dropout=embed_dropout, dropout=0.2
    )
    training = TrainingConfig(batch=40, seed=SEED, embed_dropout=embed_dropout, dropout=0.2)
    tokens = used[random_tokens(used.size, 80)]
    params = initial(oracle)
    engine = TrainingEngine(model, training, tokens, params.copy())
    assert engine.plan.by_table
    assert engine.scratch.table.ids.tolist() == sorted([*used, max(boundary or 0, 0)])
    loss, grad = engine.gradient()
    edge = -1 if boundary is None else boundary
    positions = naive.batch_positions(SEED, 0, 40, 80, oracle.span, edge, True)
    contexts, targets = naive.contexts_and_targets(tokens, positions, oracle.span, edge)
    losses, expected = naive.loss_and_gradients(
        wide(params, oracle), oracle, contexts, targets, SEED, 0
    )
    assert loss == pytest.approx(losses.mean(), rel=1e-5)
    assert_close(grad, expected, oracle, 1e-5)


@pytest.mark.parametrize("momentum", [0.0, 0.99])
@pytest.mark.parametrize("embed_dropout", [0.0, 0.3])
@pytest.mark.parametrize("tiles", [1, 4])
def test_a_sum_of_shares_is_trained_as_the_layer_itself(
    tiles, embed_dropout, momentum, monkeypatch
):
    """Also where rows that this text does not have still move by the momentum of another."""
    used = np.array([2, 5, 9])
    model, oracle = models(12, context=4, hidden=(6, 5), embed_dropout=embed_dropout)
    training = TrainingConfig(
        batch=24, seed=SEED, embed_dropout=embed_dropout, momentum=momentum, embed_lr_scale=0.5
    )
    tokens = used[random_tokens(used.size, 60)]
    before = TrainingEngine(model, training, random_tokens(12, 60), initial(oracle))
    before.step = SETTLE_EVERY - 12
    before.run(np.full(7, 0.1))

    def trained():
        engine = TrainingEngine(model, training, tokens, before.state.params)
        for mine, its in zip(engine.state, before.state, strict=True):
            mine[...] = its
        engine.step = before.step
        losses = engine.run(np.linspace(0.05, 0.0, 12 if NO_JIT else SETTLE_EVERY + 20))
        return engine.plan.by_table, losses, *engine.snapshot()

    monkeypatch.setattr(plan, "_LARGE", 0 if tiles > 1 else 2**17)
    ours = trained()
    monkeypatch.setattr("fastlm.engine.training.by_table", lambda *_: False)
    theirs = trained()
    assert (ours[0], theirs[0]) == (tiles, 0)
    for mine, its in zip(ours[1:], theirs[1:], strict=True):
        np.testing.assert_allclose(mine, its, rtol=1e-4, atol=1e-6)
    resting = np.setdiff1d(np.arange(1, 12), used)
    rows = [params[: 12 * 4].reshape(12, 4)[resting] for params in (ours[2], before.state.params)]
    assert (momentum > 0) == (rows[0] != rows[1]).any()


def test_the_counts_that_tokens_bring_along_stay_as_they_are():
    class Counted(np.ndarray):
        pass

    model, oracle = models(11, hidden=(6,), boundary=10)
    tokens = random_tokens(9, 60).view(Counted)
    tokens.counts = np.bincount(tokens, minlength=11)
    before = tokens.counts.copy()
    engine = TrainingEngine(model, TrainingConfig(batch=40), tokens, initial(oracle))
    assert engine.scratch.table.ids.tolist() == [*np.flatnonzero(before), 10]
    np.testing.assert_array_equal(tokens.counts, before)


def test_several_row_tiles_are_under_test():
    model, oracle = models(11)
    engine = TrainingEngine(model, TrainingConfig(batch=40), random_tokens(11, 60), initial(oracle))
    assert engine.plan.row_tiles == 3


# ---------------------------------------------------------------------------- training


def train_both(model, oracle, training, tokens, rates, chunks=1):
    """Losses, params and momentum of the engine and of the oracle after len(rates) steps."""
    params = initial(oracle)
    engine = TrainingEngine(model, training, tokens, params.copy())
    losses = np.concatenate([engine.run(part) for part in np.array_split(rates, chunks)])
    settled, momentum = engine.snapshot()
    expected = wide(params, oracle)
    expected_momentum = {name: np.zeros_like(tensor) for name, tensor in expected.items()}
    expected_losses = naive.train(
        expected, oracle, tokens, len(rates), training.batch, rates, training.momentum,
        training.seed, -1 if model.boundary is None else model.boundary, training.shuffle,
        momentum=expected_momentum, embedding_lr_scale=training.embed_lr_scale,
        weight_decay=training.weight_decay, decay_every=SETTLE_EVERY,
    )  # fmt: skip
    if training.momentum == 0:  # nothing is carried over from one step to the next
        expected_momentum = {name: np.zeros_like(tensor) for name, tensor in expected.items()}
    return (losses, settled, momentum), (expected_losses, expected, expected_momentum)


def assert_same_run(oracle, ours, theirs, tolerance=1e-5):
    np.testing.assert_allclose(ours[0], theirs[0], rtol=tolerance, atol=1e-6)
    assert_close(ours[1], theirs[1], oracle, tolerance)
    assert_close(ours[2], theirs[2], oracle, tolerance)


@pytest.mark.parametrize("momentum", [0.0, 0.9, 0.99])
@pytest.mark.parametrize(
    "shape",
    [
        {"combine": "concat", "hidden": (6, 5), "dropout": 0.3, "embed_dropout": 0.2},
        {"combine": "mean", "hidden": (), "bias": False, "boundary": 0},
        {"combine": "mean", "hidden": (6,), "dropout": 0.5},
        {"hidden": (6,), "far": (2, 3), "embed_dropout": 0.2, "boundary": 0},
        {"hidden": (6,), "cutoffs": (5, 9), "dropout": 0.2},
        {"hidden": (), "cutoffs": (4,), "far": (4,), "combine": "mean", "bias": False},
        {"hidden": (6, 5), "embed_dropout": 0.2, "boundary": 4, "batch": 26},
        {"hidden": (6,), "cutoffs": (5, 9), "batch": 26},
    ],
    ids=[
        "concat", "mean-linear", "mean-hidden", "far", "adaptive", "far-adaptive", "shares",
        "shares-adaptive",
    ],
)  # fmt: skip
def test_training_over_the_ends_of_epochs(shape, momentum):
    shape = dict(shape)
    batch = shape.pop("batch", 8)
    model, oracle = models(13, **shape)
    training = TrainingConfig(
        batch=batch, momentum=momentum, seed=SEED, embed_lr_scale=1.7,
        dropout=oracle.dropout, embed_dropout=oracle.embed_dropout,
    )  # fmt: skip
    steps = 24 if NO_JIT else 48
    rates = 0.4 * (1.2 + np.sin(np.arange(steps)))
    tokens = random_tokens(13, 90)  # an epoch is about eleven steps
    assert_same_run(oracle, *train_both(model, oracle, training, tokens, rates, chunks=3))


@pytest.mark.parametrize("combine", ["concat", "mean"])
@pytest.mark.parametrize("momentum", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("batch", [1, 4])
def test_embedding_rows_that_rest_while_the_rate_changes(combine, momentum, batch):
    """A row's momentum acts at the rates of the steps in which it rested, however many.

    Some rows rest for hundreds of steps: no memory of past rates may be too short for them.
    """
    steps = 60 if NO_JIT else 600
    model, oracle = models(150, context=2, embed=3, hidden=(5,), combine=combine)
    training = TrainingConfig(batch=batch, momentum=momentum, seed=SEED, embed_lr_scale=2.0)
    rates = np.linspace(0.8, 0.01, steps)
    tokens = random_tokens(150, 900)
    assert_same_run(oracle, *train_both(model, oracle, training, tokens, rates, chunks=5))


def test_a_row_that_rested_longer_than_its_momentum_lasts():
    """The smallest such case: token 1 occurs once, at the start; later the rate falls to a 1000th.

    Half of what its gradient moves it comes in the steps after, at the rates of those steps.
    """
    model, oracle = models(3, context=1, embed=2)
    training = TrainingConfig(batch=1, momentum=0.5, shuffle=False)
    tokens = np.array([1, 2, *[0, 2] * 320])
    rates = np.where(np.arange(600) < 20, 1.0, 1e-3)
    # A model so sure of itself has gradients that are the difference of two nearly equal numbers.
    assert_same_run(oracle, *train_both(model, oracle, training, tokens, rates), tolerance=1e-4)


@pytest.mark.skipif(NO_JIT, reason="hundreds of steps, and what is tested is no kernel")
@pytest.mark.parametrize("batch", [1, 4])
@pytest.mark.parametrize("far", [(), (3,)])
def test_weight_decay(far, batch):
    """Every 256 steps, by the rates of these, wherever the calls are cut."""
    model, oracle = models(40, context=2, embed=3, hidden=(5,), far=far)
    training = TrainingConfig(
        batch=batch, momentum=0.9, seed=SEED, embed_lr_scale=2.0, weight_decay=0.003
    )
    rates = np.linspace(0.8, 0.1, 520)
    tokens = random_tokens(40, 900)
    ours, theirs = train_both(model, oracle, training, tokens, rates, chunks=3)
    assert_same_run(oracle, ours, theirs)
    plain = TrainingConfig(**training.to_dict() | {"weight_decay": 0.0})
    without, _ = train_both(model, oracle, plain, tokens, rates[:255])
    with_it, _ = train_both(model, oracle, training, tokens, rates[:255])
    assert with_it[1].tobytes() == without[1].tobytes()


def test_examples_in_the_order_of_the_text():
    model, oracle = models(9, hidden=(6,))
    training = TrainingConfig(batch=1, momentum=0.9, shuffle=False)
    rates = np.full(40, 0.05)
    assert_same_run(oracle, *train_both(model, oracle, training, random_tokens(9, 30), rates))


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_the_unfused_step_agrees_with_the_fused_one(momentum):
    """Materialised gradient and dense momentum, in float32, step by step."""
    model, oracle = models(13, hidden=(6, 5), dropout=0.3, embed_dropout=0.1)
    training = TrainingConfig(
        batch=40, momentum=momentum, embed_lr_scale=1.5, dropout=0.3, embed_dropout=0.1
    )
    tokens = random_tokens(13, 200)
    params = initial(oracle)
    fused = TrainingEngine(model, training, tokens, params.copy())
    rates = np.linspace(0.6, 0.1, 4 if NO_JIT else 30)
    fused_losses = fused.run(rates)

    dense_params, dense_momentum = params.copy(), np.zeros_like(params)
    embeddings = model.vocab * model.embed
    for step, rate in enumerate(rates.tolist()):
        engine = TrainingEngine(model, training, tokens, dense_params)
        engine.step = step
        engine.state.row_steps[:] = step
        loss, grad = engine.gradient()
        assert loss == pytest.approx(fused_losses[step], rel=1e-6)
        momentum_update(dense_params, dense_momentum, grad, 0, embeddings, rate * 1.5, momentum)
        momentum_update(dense_params, dense_momentum, grad, embeddings, grad.size, rate, momentum)
    settled, settled_momentum = fused.snapshot()
    assert_close(settled, naive.split(dense_params, oracle), oracle, 1e-5)
    if momentum == 0:  # nothing is carried over from one step to the next
        dense_momentum[:] = 0
    assert_close(settled_momentum, naive.split(dense_momentum, oracle), oracle, 1e-5)


# ---------------------------------------------------------------------------- the same bytes


def busy_engine(seed=SEED):
    """An engine with everything on: dropout, shuffling, several tiles, rows that rest."""
    model, oracle = models(60, hidden=(6, 5), boundary=2, dropout=0.3, embed_dropout=0.2)
    training = TrainingConfig(batch=40, seed=seed, dropout=0.3, embed_dropout=0.2)
    return TrainingEngine(model, training, random_tokens(60, 500), initial(oracle))


def state_bytes(engine):
    state = engine.state
    params, momentum = engine.snapshot()
    arrays = (state.params, state.momentum, state.row_steps, state.rates, params, momentum)
    return [array.tobytes() for array in arrays]


RATES = np.linspace(0.9, 0.2, 8 if NO_JIT else 300)


def test_how_steps_are_cut_into_calls_does_not_matter():
    whole, parts = busy_engine(), busy_engine()
    losses = whole.run(RATES)
    cuts = (3, 4) if NO_JIT else (13, 14, 255)
    part_losses = np.concatenate([parts.run(part) for part in np.split(RATES, cuts)])
    assert part_losses.tobytes() == losses.tobytes()
    assert state_bytes(parts) == state_bytes(whole)
    assert parts.step == whole.step == len(RATES)


def test_a_call_of_no_steps_changes_nothing():
    engine = busy_engine()
    engine.run(RATES[:3])
    before = state_bytes(engine)
    assert engine.run(RATES[:0]).size == 0
    assert state_bytes(engine) == before
    assert engine.step == 3


def test_reading_changes_nothing():
    quiet, watched = busy_engine(), busy_engine()
    for part in np.array_split(RATES, 4):
        quiet.run(part)
        watched.run(part)
        before = state_bytes(watched)
        params, _ = watched.snapshot()
        params[:] = np.nan  # a copy: nobody else sees it
        watched.gradient()
        position_losses(watched.snapshot()[0], watched.model, watched.tokens, 0, 30)
        assert state_bytes(watched) == before
    assert state_bytes(watched) == state_bytes(quiet)


def test_another_seed_gives_other_bytes():
    first, same, other = busy_engine(), busy_engine(), busy_engine(seed=SEED + 1)
    for engine in (first, same, other):
        engine.run(RATES)
    assert state_bytes(same) == state_bytes(first)
    assert other.state.params.tobytes() != first.state.params.tobytes()


@pytest.mark.parametrize("seed", [0, 2**31, 2**32 + 1, 2**63 - 1])
def test_large_seeds_are_the_oracles(seed):
    model, oracle = models(9, hidden=(4,), dropout=0.5)
    training = TrainingConfig(batch=5, seed=seed, dropout=0.5)
    rates = np.full(6, 0.3)
    assert_same_run(oracle, *train_both(model, oracle, training, random_tokens(9, 40), rates))


# ---------------------------------------------------------------------------- evaluation


@pytest.mark.parametrize("boundary", [None, 4])
@pytest.mark.parametrize(
    "shape",
    [
        {"combine": "mean", "hidden": (), "bias": False},
        {"hidden": (6,)},
        {"hidden": (6, 5)},
        {"hidden": (6,), "far": (2, 4)},
        {"hidden": (6,), "cutoffs": (3, 7)},
    ],
    ids=["mean", "one", "two", "far", "adaptive"],
)
def test_position_losses(shape, boundary):
    model, oracle = models(11, boundary=boundary, **shape)
    tokens = random_tokens(11, 150 if NO_JIT else 400)
    params = initial(oracle)
    edge = -1 if boundary is None else boundary
    first = naive.first_target(oracle.span, edge)
    losses = position_losses(params, model, token_array(tokens, 11), first, tokens.size)
    expected = naive.nll_of_positions(
        wide(params, oracle), oracle, tokens, np.arange(first, tokens.size), edge
    )
    assert losses.dtype == np.float64
    np.testing.assert_allclose(losses, expected, rtol=1e-5, atol=2e-6)
    part = position_losses(params, model, token_array(tokens, 11), 130, 141)
    np.testing.assert_allclose(part, expected[130 - first : 141 - first], rtol=1e-5, atol=2e-6)
    assert position_losses(params, model, token_array(tokens, 11), 9, 9).size == 0


def test_position_losses_are_the_same_bits_for_any_number_of_threads():
    model, oracle = models(11, hidden=(6,))
    tokens = token_array(random_tokens(11, 300 if NO_JIT else 3000), 11)
    params = initial(oracle)
    stop = tokens.ids.size
    results = {
        position_losses(params, model, tokens, 3, stop, threads).tobytes()
        for threads in (1, 2, 3, 4, 64)
    }
    assert len(results) == 1


@pytest.mark.parametrize("extra", [{}, *EXTRAS], ids=str)
def test_context_logits(extra):
    model, oracle = models(11, hidden=(6, 5), **extra)
    params = initial(oracle)
    contexts = random_tokens(11, 5 * oracle.span).reshape(5, oracle.span).astype(np.int32)
    logits = context_logits(params, model, contexts)
    expected = naive.forward(wide(params, oracle), oracle, contexts).logits
    assert logits.shape == (5, 11)
    np.testing.assert_allclose(logits, expected, rtol=0, atol=1e-5 * np.abs(expected).max())
    if model.cutoffs:
        np.testing.assert_allclose(np.exp(logits.astype(np.float64)).sum(axis=1), 1, rtol=1e-5)


# ---------------------------------------------------------------------------- token arrays


@pytest.mark.parametrize("kind", ["uint32", "int64", "list", "strided", "read-only", "memory-map"])
def test_every_form_of_tokens_gives_the_same_bytes(kind, tmp_path):
    model, oracle = models(11, hidden=(6,), boundary=0)
    ids = random_tokens(11, 120).astype(np.uint16)
    forms = {
        "uint32": lambda: ids.astype(np.uint32),
        "int64": lambda: ids.astype(np.int64),
        "list": lambda: ids.tolist(),
        "strided": lambda: np.repeat(ids, 2)[::2],
        "read-only": lambda: read_only(ids),
        "memory-map": lambda: memory_map(ids, tmp_path / "ids.npy"),
    }
    params = initial(oracle)
    results = []
    for tokens in (ids, forms[kind]()):
        engine = TrainingEngine(model, TrainingConfig(batch=7), tokens, params.copy())
        losses = engine.run(np.full(5, 0.5))
        nats = position_losses(params, model, engine.tokens, 0, 120)
        results.append((losses.tobytes(), nats.tobytes(), *state_bytes(engine)))
    assert results[0] == results[1]


def read_only(ids):
    copy = ids.copy()
    copy.flags.writeable = False
    return copy


def memory_map(ids, path):
    np.save(path, ids)
    return np.load(path, mmap_mode="r")


@pytest.mark.parametrize("dtype", [np.uint16, np.uint32])
def test_arrays_of_16_and_32_bits_are_not_copied(dtype):
    ids = read_only(random_tokens(11, 50).astype(dtype))
    assert np.shares_memory(token_array(ids, 11).ids, ids)


def test_a_vocabulary_beyond_16_bits():
    vocab, batch, steps = 70_000, 2, 1 if NO_JIT else 12
    model, oracle = models(vocab, context=2, embed=2, hidden=())
    tokens = np.concatenate([[69_999, 65_536, 4, 65_535, 0], random_tokens(vocab, 20)])
    training = TrainingConfig(batch=batch, momentum=0.9, seed=SEED)
    rates = np.full(steps, 0.3)
    assert_same_run(oracle, *train_both(model, oracle, training, tokens, rates))
    params = initial(oracle)
    stop = 4 if NO_JIT else 25
    losses = position_losses(params, model, token_array(tokens, vocab), 2, stop)
    expected = naive.nll_of_positions(wide(params, oracle), oracle, tokens, np.arange(2, stop))
    np.testing.assert_allclose(losses, expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("tokens", "message"),
    [
        ([1, 2, 3, 11], r"token id 11 is outside 0\.\.10"),
        ([1, 2, -3, 4], r"token id -3 is outside 0\.\.10"),
        ([[1, 2], [3, 4]], r"shape \(2, 2\); give a 1-D array"),
        ([1.0, 2.0], "float64"),
        (["a", "b"], "give a 1-D array of integer ids"),
        ([True, False, True, True, True], "bool"),
        ([1, 2, 3], "3 tokens, but a context of 3 needs at least 4"),
        (np.array([], dtype=np.int64), "0 tokens"),
    ],
)
def test_bad_tokens_are_refused(tokens, message):
    model, oracle = models(11)
    with pytest.raises(ConfigError, match=message):
        TrainingEngine(model, TrainingConfig(), tokens, initial(oracle))


def test_bad_params_are_refused():
    model, oracle = models(11)
    params = initial(oracle)
    for bad in (params.astype(np.float64), params[:-1], params[None]):
        with pytest.raises(ConfigError, match=rf"give float32 of shape \({params.size},\)"):
            TrainingEngine(model, TrainingConfig(), random_tokens(11, 50), bad)


# ---------------------------------------------------------------------------- bad numbers, memory


def test_count_nonfinite():
    array = np.array([1.0, np.nan, np.inf, -np.inf, 3e38, -np.nan], dtype=np.float32)
    assert count_nonfinite(array) == 4


@pytest.mark.parametrize("batch", [64, 1000])
def test_scratch_follows_its_formula(batch):
    """4 B (4 C + 3 + 3 F + V) bytes, F the sum of the layers' fan-ins, where tokens are many."""
    model = ModelConfig(vocab=1000, context=8, embed=16, hidden=(96, 48))
    engine = TrainingEngine(
        model,
        TrainingConfig(batch=batch),
        random_tokens(1000, 10_000),
        np.zeros(Layout(model).size, dtype=np.float32),
    )
    fan_ins = 8 * 16 + 96 + 48
    formula = 4 * batch * (4 * 8 + 3 + 3 * fan_ins + 1000)
    assert bytes_of(engine.scratch) == pytest.approx(formula, rel=0.1)
    assert bytes_of(engine.state) == pytest.approx(2 * 4 * Layout(model).size, rel=0.1)


def test_scratch_of_a_wide_output_follows_its_formula():
    """With T tiles of S blocks of columns, K their fan-in: 4 B T K + 8 B T (3 + S) more."""
    batch = 256
    model = ModelConfig(vocab=10_000, context=5, embed=32, hidden=(128,))
    engine = TrainingEngine(
        model,
        TrainingConfig(batch=batch),
        random_tokens(10_000, 20_000),
        np.zeros(Layout(model).size, dtype=np.float32),
    )
    columns = engine.plan.columns
    tiles, blocks = len(columns), -(-(columns[0, 2] - columns[0, 1]) // columns[0, 3])
    assert 8 <= tiles <= 16
    formula = 4 * batch * (4 * 5 + 3 + 3 * (5 * 32 + 128) + 10_000)
    formula += 4 * batch * tiles * 128 + 8 * batch * tiles * (3 + blocks)
    assert bytes_of(engine.scratch) == pytest.approx(formula, rel=0.01)


def bytes_of(arrays):
    return sum(bytes_of(a) if isinstance(a, tuple) else a.nbytes for a in arrays)


def test_memory_does_not_grow_with_the_corpus():
    model = ModelConfig(vocab=1000, context=8, embed=16, hidden=(96, 48))
    sizes = set()
    for count in (5_000, 100_000):
        params = np.zeros(Layout(model).size, dtype=np.float32)
        ids = random_tokens(1000, count).astype(np.uint16)
        engine = TrainingEngine(model, TrainingConfig(), ids, params)
        assert np.shares_memory(engine.tokens.ids, ids)
        sizes.add(bytes_of(engine.scratch) + bytes_of(engine.state))
    assert len(sizes) == 1
