"""The oracle itself: hand-worked values, finite differences, contexts and batches."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tests import naive
from tests.naive import NaiveConfig

# Far from the step of the differences, so that no ReLU changes side between the two of them.
KINK_MARGIN = 1e-4
DIFFERENCE_STEP = 1e-5
SEED, STEP = 5, 9


# ---------------------------------------------------------------------------- parameters


def test_parameter_table_lists_every_tensor_in_order():
    config = NaiveConfig(vocab=7, context=3, embed=4, hidden=(5, 6))
    assert naive.parameter_table(config) == [
        ("embeddings", (7, 4)),
        ("hidden.1.weight", (12, 5)),
        ("hidden.1.bias", (5,)),
        ("hidden.2.weight", (5, 6)),
        ("hidden.2.bias", (6,)),
        ("output.weight", (6, 7)),
        ("output.bias", (7,)),
    ]


def test_parameter_table_of_the_mean_model_without_bias():
    config = NaiveConfig(vocab=27, context=5, embed=32, combine="mean", bias=False)
    assert naive.parameter_table(config) == [("embeddings", (27, 32)), ("output.weight", (32, 27))]
    assert naive.parameter_count(config) == 1728


def test_split_gives_views_that_flatten_undoes_in_any_order():
    config = NaiveConfig(vocab=3, context=2, embed=2, hidden=(2,) * 11)
    flat = np.arange(naive.parameter_count(config), dtype=np.float32)
    tensors = naive.split(flat, config)
    tensors["embeddings"][0, 1] = -1.0
    assert flat[1] == -1.0
    assert tensors["output.bias"].tolist() == flat[-3:].tolist()
    backwards = dict(reversed(tensors.items()))
    np.testing.assert_array_equal(naive.flatten(backwards), flat)
    assert naive.flatten(tensors).dtype == np.float32


def test_split_refuses_another_length():
    config = NaiveConfig(vocab=3, context=2, embed=2)
    with pytest.raises(ValueError, match=r"shape \(5,\); this model needs \(21,\)"):
        naive.split(np.zeros(5), config)


def test_oracle_refuses_float32():
    config = NaiveConfig(vocab=3, context=2, embed=2)
    params = naive.split(np.zeros(naive.parameter_count(config), dtype=np.float32), config)
    with pytest.raises(ValueError, match="float32; the oracle needs float64"):
        naive.forward(params, config, [[0, 1]])


@pytest.mark.parametrize(
    "bad",
    [
        {"combine": "sum"},
        {"vocab": 0},
        {"context": 0},
        {"embed": 0},
        {"hidden": (3, 0)},
        {"dropout": 1.0},
        {"embed_dropout": -0.1},
    ],
)
def test_config_refuses(bad):
    with pytest.raises(ValueError, match="use"):
        NaiveConfig(**({"vocab": 3, "context": 2, "embed": 2} | bad))


# ---------------------------------------------------------------------------- forward, by hand


def test_concat_puts_the_oldest_token_first():
    config = NaiveConfig(vocab=2, context=2, embed=1, bias=False)
    params = naive.split(np.array([1.0, 2.0, 1.0, 0.0, 0.0, 3.0]), config)
    # x = [1, 2] @ [[1, 0], [0, 3]] = [1, 6]
    assert naive.forward(params, config, [[0, 1]]).logits.tolist() == [[1.0, 6.0]]
    losses, _ = naive.loss_and_gradients(params, config, [[0, 1], [0, 1]], [0, 1])
    np.testing.assert_allclose(losses, [math.log1p(math.exp(5)), math.log1p(math.exp(-5))])


def test_mean_averages_the_embeddings():
    config = NaiveConfig(vocab=2, context=4, embed=1, combine="mean")
    params = naive.split(np.array([1.0, 2.0, 4.0, -4.0, 0.5, 0.25]), config)
    # x = (1 + 2 + 2 + 2) / 4 = 1.75
    assert naive.forward(params, config, [[0, 1, 1, 1]]).logits.tolist() == [[7.5, -6.75]]


def test_hidden_layer_adds_its_bias_and_cuts_at_zero():
    config = NaiveConfig(vocab=2, context=1, embed=1, hidden=(2,))
    params = naive.split(
        np.array([1.0, 2.0, 3.0, -3.0, 0.5, 5.0, 1.0, 10.0, 100.0, 1000.0, 0.25, 0.0]), config
    )
    # token 0: relu([3.5, 2]); token 1: relu([6.5, -1])
    logits = naive.forward(params, config, [[0], [1]]).logits
    assert logits.tolist() == [[3.5 + 200 + 0.25, 35 + 2000], [6.5 + 0.25, 65]]


def test_loss_of_known_probabilities_is_in_nats():
    logits = np.log([[0.7, 0.3], [0.05, 0.95]])
    np.testing.assert_allclose(naive.cross_entropy(logits, [0, 0]), [0.357, 2.996], atol=5e-4)


def test_huge_logits_stay_finite():
    losses = naive.cross_entropy(np.array([[1e4, 0.0]]), [1])
    assert losses.tolist() == [1e4]


def test_ids_outside_the_vocabulary_are_refused():
    config = NaiveConfig(vocab=3, context=2, embed=2)
    params = naive.random_parameters(config, 0)
    with pytest.raises(ValueError, match=r"contexts hold 0\.\.3"):
        naive.loss_and_gradients(params, config, [[0, 3]], [0])
    with pytest.raises(ValueError, match=r"targets hold -1\.\.-1"):
        naive.loss_and_gradients(params, config, [[0, 2]], [-1])


def test_evaluation_uses_no_dropout_and_training_does():
    config = NaiveConfig(4, 2, 3, hidden=(6,), dropout=0.6, embed_dropout=0.4)
    params = naive.random_parameters(config, 0)
    contexts = [[0, 1], [2, 3]]
    plain = naive.forward(params, NaiveConfig(4, 2, 3, hidden=(6,)), contexts).logits
    np.testing.assert_array_equal(naive.forward(params, config, contexts).logits, plain)
    dropped = naive.forward(params, config, contexts, SEED, STEP, training=True)
    assert not np.allclose(dropped.logits, plain)
    inputs = naive.input_mask(config, np.array(contexts), SEED, STEP)
    for layer, expected in enumerate([inputs, naive.dropout_mask(SEED, STEP, 1, 2, 6, 0.6)]):
        mask = dropped.masks[layer]
        np.testing.assert_array_equal(mask, expected)
        np.testing.assert_array_equal(dropped.outputs[layer][mask == 0.0], 0.0)


# ---------------------------------------------------------------------------- gradients


def example_far_from_kinks(config, rows=6):
    """Parameters, contexts with repeated ids, and targets, with no pre-activation near zero."""
    for seed in range(200):
        rng = np.random.default_rng(seed)
        params = naive.random_parameters(config, seed)
        # Ids below V - 1 only: one row of the table never occurs, and most occur several times.
        contexts = rng.integers(0, config.vocab - 1, (rows, config.context))
        contexts[0] = 1
        targets = rng.integers(0, config.vocab, rows)
        found = naive.forward(params, config, contexts, SEED, STEP, training=True)
        if all(np.abs(z).min() > KINK_MARGIN for z in found.pre_activations):
            _, grads = naive.loss_and_gradients(params, config, contexts, targets, SEED, STEP)
            if all(np.abs(grad).max() > 1e-3 for grad in grads.values()):
                return params, contexts, targets
    raise AssertionError("no example far from the kinks and with every tensor in use")


def worst_relative_error(params, grads, mean_loss):
    """Largest |difference quotient - gradient| in each tensor over its largest quotient."""
    errors = {}
    for name, tensor in params.items():
        numeric = np.empty_like(tensor)
        for index in np.ndindex(tensor.shape):
            kept = tensor[index]
            tensor[index] = kept + DIFFERENCE_STEP
            above = mean_loss()
            tensor[index] = kept - DIFFERENCE_STEP
            below = mean_loss()
            tensor[index] = kept
            numeric[index] = (above - below) / (2 * DIFFERENCE_STEP)
        errors[name] = np.abs(numeric - grads[name]).max() / np.abs(numeric).max()
    return errors


@pytest.mark.parametrize(
    ("dropout", "embed_dropout"), [(0.0, 0.0), (0.3, 0.0), (0.0, 0.25), (0.3, 0.25)]
)
@pytest.mark.parametrize("bias", [True, False], ids=["bias", "no-bias"])
@pytest.mark.parametrize("hidden", [(), (6,), (6, 5), (6, 5, 7)], ids=len)
@pytest.mark.parametrize("combine", ["concat", "mean"])
def test_gradients_agree_with_finite_differences(combine, hidden, bias, dropout, embed_dropout):
    config = NaiveConfig(
        vocab=5,
        context=3,
        embed=3,
        hidden=hidden,
        combine=combine,
        bias=bias,
        dropout=dropout,
        embed_dropout=embed_dropout,
    )
    params, contexts, targets = example_far_from_kinks(config)
    losses, grads = naive.loss_and_gradients(params, config, contexts, targets, SEED, STEP)
    # The masks depend on no parameter: computing them once keeps Python's hashes out of the loop.
    masks = naive.forward(params, config, contexts, SEED, STEP, training=True).masks

    def mean_loss():
        x = params["embeddings"][contexts]
        h = x.reshape(len(x), -1) if combine == "concat" else x.sum(axis=1) / config.context
        h = h * masks[0]
        for layer in range(1, len(hidden) + 1):
            z = h @ params[f"hidden.{layer}.weight"]
            z = z + params[f"hidden.{layer}.bias"] if bias else z
            h = np.where(z > 0, z, 0.0) * masks[layer]
        scores = h @ params["output.weight"]
        scores = scores + params["output.bias"] if bias else scores
        chosen = scores[np.arange(len(scores)), targets]
        return float(np.mean(np.log(np.exp(scores).sum(axis=1)) - chosen))

    assert losses.mean() == pytest.approx(mean_loss(), rel=1e-13)
    assert list(grads) == [name for name, _ in naive.parameter_table(config)]
    for name, error in worst_relative_error(params, grads, mean_loss).items():
        assert error < 1e-6, name


def test_finite_differences_notice_a_gradient_that_is_wrong():
    config = NaiveConfig(5, 3, 3, hidden=(6,))
    params, contexts, targets = example_far_from_kinks(config)
    _, grads = naive.loss_and_gradients(params, config, contexts, targets)

    def mean_loss():
        return naive.loss_and_gradients(params, config, contexts, targets)[0].mean()

    assert max(worst_relative_error(params, grads, mean_loss).values()) < 1e-6
    for name in grads:
        wrong = {**grads, name: grads[name] * (1 + 1e-5)}
        assert worst_relative_error(params, wrong, mean_loss)[name] > 1e-6


def test_gradients_with_dropout_agree_through_the_public_loss():
    config = NaiveConfig(4, 2, 2, hidden=(4, 3), dropout=0.4, embed_dropout=0.3)
    params, contexts, targets = example_far_from_kinks(config)
    _, grads = naive.loss_and_gradients(params, config, contexts, targets, SEED, STEP)

    def mean_loss():
        losses, _ = naive.loss_and_gradients(params, config, contexts, targets, SEED, STEP)
        return losses.mean()

    for name, error in worst_relative_error(params, grads, mean_loss).items():
        assert error < 1e-6, name


def test_row_that_did_not_occur_has_no_gradient():
    config = NaiveConfig(5, 3, 3)
    params, contexts, targets = example_far_from_kinks(config)
    _, grads = naive.loss_and_gradients(params, config, contexts, targets)
    occurred = np.isin(np.arange(5), contexts)
    assert not occurred.all()
    np.testing.assert_array_equal(np.abs(grads["embeddings"]).sum(axis=1) > 0, occurred)


# ---------------------------------------------------------------------------- update, training


def test_momentum_step_by_hand():
    params = {"embeddings": np.array([[1.0], [2.0]]), "output.weight": np.array([[3.0, 4.0]])}
    momentum = {"embeddings": np.array([[0.0], [1.0]]), "output.weight": np.zeros((1, 2))}
    grads = {"embeddings": np.array([[4.0], [0.0]]), "output.weight": np.array([[8.0, -8.0]])}
    naive.momentum_step(params, momentum, grads, lr=0.5, beta=0.75, embedding_lr_scale=2.0)
    # Row 1 has no gradient, but its momentum decays and moves it.
    assert momentum["embeddings"].tolist() == [[1.0], [0.75]]
    assert params["embeddings"].tolist() == [[0.0], [1.25]]
    assert momentum["output.weight"].tolist() == [[2.0, -2.0]]
    assert params["output.weight"].tolist() == [[2.0, 5.0]]


TEXT = np.array([1, 2, 3, 0, 2, 3, 1, 2, 0, 3, 1, 2, 3])


@pytest.mark.parametrize("boundary", [-1, 0])
def test_training_lowers_perplexity(boundary):
    config = NaiveConfig(vocab=4, context=2, embed=3, hidden=(8,))
    params = naive.random_parameters(config, 1)
    before = naive.perplexity(params, config, TEXT, boundary)
    losses = naive.train(params, config, TEXT, 60, 4, 0.5, 0.9, boundary=boundary)
    after = naive.perplexity(params, config, TEXT, boundary)
    assert losses.shape == (60,)
    assert losses[-10:].mean() < 0.6 * losses[:10].mean()
    assert after < 0.6 * before


def test_first_training_loss_is_the_loss_before_the_update():
    config = NaiveConfig(vocab=4, context=2, embed=3)
    params = naive.random_parameters(config, 1)
    everything = naive.perplexity(params, config, TEXT)
    examples = len(TEXT) - 2
    (loss,) = naive.train(params, config, TEXT, 1, examples, 0.5, 0.9)
    assert math.exp(loss) == pytest.approx(everything, rel=1e-12)


def test_training_in_two_calls_equals_one():
    config = NaiveConfig(4, 2, 3, hidden=(5,), dropout=0.2, embed_dropout=0.1)
    rates = np.linspace(0.5, 0.1, 9)
    whole, halves = (naive.random_parameters(config, 1) for _ in range(2))
    expected = naive.train(whole, config, TEXT, 9, 4, rates, 0.9, 3, 0)
    momentum = {name: np.zeros_like(w) for name, w in halves.items()}
    first = naive.train(halves, config, TEXT, 5, 4, rates[:5], 0.9, 3, 0, momentum=momentum)
    second = naive.train(
        halves, config, TEXT, 4, 4, rates[5:], 0.9, 3, 0, momentum=momentum, first_step=5
    )
    np.testing.assert_array_equal(np.concatenate([first, second]), expected)
    np.testing.assert_array_equal(naive.flatten(halves), naive.flatten(whole))


def test_nll_of_positions_reads_the_context_before_each():
    config = NaiveConfig(vocab=4, context=2, embed=3)
    params = naive.random_parameters(config, 1)
    nll = naive.nll_of_positions(params, config, TEXT, [5, 3], boundary=0)
    losses, _ = naive.loss_and_gradients(params, config, [[0, 2], [2, 3]], [3, 0])
    np.testing.assert_array_equal(nll, losses)


def test_perplexity_of_a_uniform_model_is_the_vocabulary():
    config = NaiveConfig(vocab=4, context=2, embed=3)
    params = naive.split(np.zeros(naive.parameter_count(config)), config)
    assert naive.perplexity(params, config, TEXT) == pytest.approx(4.0)


# ---------------------------------------------------------------------------- contexts


@pytest.mark.parametrize(
    ("position", "expected"),
    [
        (0, [9, 9, 9]),  # nothing lies before the first token
        (1, [9, 9, 5]),
        (2, [9, 5, 6]),
        (3, [5, 6, 7]),  # the boundary itself is predicted from its own document
        (4, [9, 9, 9]),  # the token after a boundary sees only the boundary
        (5, [9, 9, 8]),
        (6, [9, 9, 9]),
        (7, [9, 9, 9]),  # two boundaries in a row
        (8, [9, 9, 4]),
        (9, [9, 4, 3]),  # the position after the last token, for prompts
    ],
)
def test_context_stops_at_a_boundary(position, expected):
    tokens = [5, 6, 7, 9, 8, 9, 9, 4, 3]
    assert naive.context_before(tokens, position, 3, boundary=9) == expected


@pytest.mark.parametrize(
    ("position", "expected"), [(0, [0, 0, 0]), (2, [0, 5, 6]), (3, [5, 6, 7]), (5, [7, 9, 8])]
)
def test_context_without_a_boundary_crosses_everything(position, expected):
    assert naive.context_before([5, 6, 7, 9, 8, 9], position, 3, boundary=-1) == expected


def test_boundary_may_be_id_zero():
    assert naive.context_before([1, 2, 0, 3, 4], 4, 3, boundary=0) == [0, 0, 3]


def test_contexts_and_targets_keep_the_order_of_positions():
    contexts, targets = naive.contexts_and_targets([5, 6, 7, 9, 8], [4, 2, 2], 2, boundary=9)
    assert contexts.tolist() == [[9, 9], [5, 6], [5, 6]]
    assert targets.tolist() == [8, 7, 7]


@pytest.mark.parametrize("position", [-1, 5])
def test_positions_outside_the_tokens_are_refused(position):
    with pytest.raises(ValueError, match=r"use 0\.\.4"):
        naive.contexts_and_targets([5, 6, 7, 9, 8], [position], 2, boundary=9)
