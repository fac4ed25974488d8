"""Mini: text to examples, every gradient, the momentum rule, what it learns, and bad input."""

from __future__ import annotations

import ast
import copy
import math
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastlm.reference import mini
from fastlm.reference.mini import MiniNeuralLM, TextPreprocessor

LOSS_LINE = re.compile(r"Epoch \d+/\d+, Average Loss: \d+\.\d{4}")
ONE_LAYER = ["embeddings", "W1", "b1", "W2", "b2"]
TWO_LAYERS = ["embeddings", "W1", "b1", "W1_5", "b1_5", "W2", "b2"]


def small_model(**options) -> MiniNeuralLM:
    sizes = {"vocab_size": 7, "embed_size": 3, "context_size": 3, "hidden_size": 6}
    model = MiniNeuralLM(**(sizes | {"seed": 5} | options))
    # Biases start at zero; other values let a test see where they enter.
    rng = np.random.default_rng(11)
    for name in ("b1", "b1_5", "b2"):
        if name in model.params:
            model.params[name] += 0.1 * rng.standard_normal(model.params[name].shape)
    return model


@pytest.fixture(scope="module")
def lesson():
    """The built-in paragraph, learnt with one hidden layer."""
    words = TextPreprocessor(mini.PARAGRAPH)
    ids = words.text_to_indices(mini.PARAGRAPH)
    model = MiniNeuralLM(len(words.vocabulary), embed_size=32, hidden_size=64)
    contexts, targets = words.create_training_data(ids, model.context_size)
    history = model.train(contexts, targets, epochs=40)
    return words, ids, model, contexts, targets, history


# --- text and ids ---


def test_vocabulary_is_sorted_by_frequency_then_alphabet():
    words = TextPreprocessor("b a. The c, the B the")
    assert words.vocabulary == ["the", "b", ",", ".", "a", "c"]
    assert words.word_to_index == {"the": 0, "b": 1, ",": 2, ".": 3, "a": 4, "c": 5}


def test_words_are_runs_of_letters_and_digits_and_single_other_characters():
    words = TextPreprocessor("Don't go, Zoë - 42 times!")
    assert words.split("Don't go, Zoë - 42 times!") == (
        ["don", "'", "t", "go", ",", "zoë", "-", "42", "times", "!"]
    )


@given(st.text().filter(lambda text: text.split()))
@settings(deadline=None)
def test_ids_go_to_text_and_back(text):
    words = TextPreprocessor(text)
    ids = words.text_to_indices(text)
    assert sorted(set(ids)) == list(range(len(words.vocabulary)))
    assert words.text_to_indices(words.indices_to_text(ids)) == ids


def test_an_unknown_word_is_named():
    words = TextPreprocessor("the cat sat")
    with pytest.raises(ValueError, match=r"word 'dog' is not among the 3 words.*: leave it out"):
        words.text_to_indices("the dog sat")


@pytest.mark.parametrize("text", ["", " \n\t "])
def test_a_text_without_words_has_no_vocabulary(text):
    with pytest.raises(ValueError, match="no word: give a text"):
        TextPreprocessor(text)


@pytest.mark.parametrize("bad", [-1, 3])
def test_indices_to_text_refuses_ids_outside_the_vocabulary(bad):
    words = TextPreprocessor("the cat sat")
    assert words.indices_to_text([]) == ""
    with pytest.raises(ValueError, match=rf"id {bad} is outside 0\.\.2"):
        words.indices_to_text([0, bad])


def test_training_data_is_every_window_and_the_word_after_it():
    contexts, targets = TextPreprocessor.create_training_data([5, 6, 7, 8, 9], 3)
    assert contexts.tolist() == [[5, 6, 7], [6, 7, 8]]
    assert targets.tolist() == [8, 9]


def test_a_text_shorter_than_the_context_gives_both_numbers():
    with pytest.raises(ValueError, match=r"has 4 words.* context of 4 .* need 5: give a longer"):
        TextPreprocessor.create_training_data([0, 1, 2, 3], 4)
    with pytest.raises(ValueError, match="context_size is 0"):
        TextPreprocessor.create_training_data([0, 1, 2, 3], 0)


# --- weights ---


@pytest.mark.parametrize(("hidden_size_2", "names"), [(None, ONE_LAYER), (10, TWO_LAYERS)])
def test_parameters_have_the_described_names_and_shapes(hidden_size_2, names):
    model = MiniNeuralLM(100, 8, 4, 20, hidden_size_2)
    last = hidden_size_2 or 20
    shapes = {
        "embeddings": (100, 8),
        "W1": (20, 32),
        "b1": (20,),
        "W1_5": (10, 20),
        "b1_5": (10,),
        "W2": (100, last),
        "b2": (100,),
    }
    assert list(model.params) == names
    assert {name: value.shape for name, value in model.params.items()} == {
        name: shapes[name] for name in names
    }
    assert model.count_parameters() == sum(math.prod(shapes[name]) for name in names)
    assert {name: value.shape for name, value in model.momenta.items()} == {
        name: shapes[name] for name in names
    }


def test_weights_have_the_founding_names_as_attributes():
    model = small_model(hidden_size_2=4)
    for name in TWO_LAYERS:
        assert getattr(model, name) is model.params[name]
    before = model.params["W1"]
    model.W1 *= 0.5
    model.b1 = 7.0
    assert model.params["W1"] is before
    assert (model.params["b1"] == 7).all()
    copied = copy.deepcopy(model)
    copied.W1[...] = 0
    assert model.W1.any()
    with pytest.raises(AttributeError, match="no attribute 'W3'; the weights are embeddings, W1"):
        _ = model.W3


def test_the_worked_ids_of_the_founding_text():
    # "the" is the fourth word by frequency, "cat" the twelfth, "sat" the seventh.
    others = [f"w{rank:02}" for rank in range(13)]
    others[4], others[12], others[7] = "the", "cat", "sat"
    text = " ".join(word for rank, word in enumerate(others) for _ in range(20 - rank))
    assert TextPreprocessor(text).text_to_indices("The cat sat") == [4, 12, 7]


def test_weights_start_with_the_described_spread_and_biases_at_zero():
    params = MiniNeuralLM(300, 40, 5, 150, 90).params
    for name in ("embeddings", "W1", "W1_5", "W2"):
        value = params[name]
        expected = math.sqrt(2 / sum(value.shape))
        # Four standard errors of a standard deviation estimated from value.size numbers.
        assert value.std() == pytest.approx(expected, rel=4 / math.sqrt(2 * value.size)), name
        assert abs(value.mean()) < 4 * expected / math.sqrt(value.size), name
    assert not any(params[name].any() for name in ("b1", "b1_5", "b2"))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_holds_through_training(dtype):
    model = small_model(
        hidden_size_2=4,
        dropout=np.float64(0.2),
        learning_rate=np.float64(0.1),
        momentum=np.float64(0.9),
        dtype=dtype,
    )
    probs, cache = model.forward([0, 1, 2], training=True)
    grads = model.backward(probs, 3, cache)
    model.update_params(grads)
    for arrays in (model.params, model.momenta, grads, {"probs": probs}):
        assert {value.dtype for value in arrays.values()} == {np.dtype(dtype)}


# --- softmax and loss ---


@given(st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=40))
@settings(deadline=None)
def test_softmax_is_a_distribution_for_any_scores_up_to_1e4(scores):
    probs = mini.softmax(np.array(scores))
    assert np.all((probs >= 0) & (probs <= 1))
    assert probs.sum() == pytest.approx(1.0, rel=1e-12)


def test_softmax_of_extreme_scores_in_both_types():
    for dtype in (np.float32, np.float64):
        probs = mini.softmax(np.array([[1e4, -1e4, 0.0], [-1e4, -1e4, -1e4]], dtype))
        assert probs == pytest.approx(np.array([[1, 0, 0], [1 / 3, 1 / 3, 1 / 3]]), rel=1e-6)


def test_the_model_is_finite_with_scores_of_1e4():
    model = small_model()
    model.params["b2"][:] = [1e4, -1e4, 0, 0, 0, 0, 0]
    probs, cache = model.forward([0, 1, 2])
    assert probs.sum() == pytest.approx(1.0, rel=1e-12)
    assert probs[1] == 0.0
    assert math.isfinite(mini.cross_entropy_loss(probs, 1))
    assert all(np.isfinite(g).all() for g in model.backward(probs, 1, cache).values())


@pytest.mark.parametrize(("dtype", "loss"), [(np.float32, 87.3), (np.float64, 708.4)])
def test_a_probability_of_zero_has_a_large_finite_loss(dtype, loss):
    probs = np.array([0.0, 1.0], dtype)
    assert mini.cross_entropy_loss(probs, 0) == pytest.approx(loss, abs=0.05)


def test_worked_losses_and_their_mean_over_a_batch():
    assert round(mini.cross_entropy_loss(np.array([0.3, 0.7]), 1), 3) == 0.357
    assert round(mini.cross_entropy_loss(np.array([0.05, 0.95]), 0), 3) == 2.996
    both = mini.cross_entropy_loss(np.array([[0.3, 0.7], [0.05, 0.95]]), np.array([1, 0]))
    assert both == pytest.approx((-math.log(0.7) - math.log(0.05)) / 2, rel=1e-14)


def test_the_floor_does_not_hide_a_probability_that_is_not_a_number():
    assert math.isnan(mini.cross_entropy_loss(np.array([np.nan, 1.0]), 0))


# --- forward ---


@pytest.mark.parametrize("hidden_size_2", [None, 4])
def test_forward_is_the_described_sum(hidden_size_2):
    model = small_model(hidden_size_2=hidden_size_2)
    p = model.params
    x = np.concatenate([p["embeddings"][i] for i in (2, 6, 2)])
    h = np.maximum(0, p["W1"] @ x + p["b1"])
    if hidden_size_2:
        h = np.maximum(0, p["W1_5"] @ h + p["b1_5"])
    scores = p["W2"] @ h + p["b2"]
    expected = np.exp(scores) / np.exp(scores).sum()
    probs, _ = model.forward([2, 6, 2])
    assert probs.shape == (7,)
    np.testing.assert_allclose(probs, expected, rtol=1e-12)


def test_the_order_of_the_context_matters():
    model = small_model()
    assert not np.allclose(model.forward([1, 2, 3])[0], model.forward([3, 2, 1])[0], rtol=1e-3)


@pytest.mark.parametrize("hidden_size_2", [None, 4])
def test_a_batch_is_the_mean_of_its_examples(hidden_size_2):
    model = small_model(hidden_size_2=hidden_size_2)
    contexts, targets = np.array([[0, 1, 2], [3, 3, 6], [6, 5, 3]]), np.array([4, 3, 0])
    probs, cache = model.forward(contexts)
    grads = model.backward(probs, targets, cache)
    single = []
    for i in range(3):
        one, one_cache = model.forward(contexts[i])
        np.testing.assert_allclose(probs[i], one, rtol=1e-12)
        single.append(model.backward(one, int(targets[i]), one_cache))
    for name, grad in grads.items():
        mean = sum(g[name] for g in single) / 3
        np.testing.assert_allclose(grad, mean, rtol=1e-11, atol=1e-14, err_msg=name)


# --- dropout ---


def test_dropout_masks_keep_the_expected_share_and_the_mean():
    mask = MiniNeuralLM(5, dropout=0.25).dropout_mask((400, 500))
    assert set(np.unique(mask)) == {0.0, 1 / 0.75}
    # The standard error of the share of 200,000 draws is 0.001.
    assert np.mean(mask == 0) == pytest.approx(0.25, abs=0.005)
    assert mask.mean() == pytest.approx(1.0, abs=0.005)


def test_dropout_acts_in_training_only():
    model = small_model(hidden_size_2=4, dropout=0.5)
    plain = small_model(hidden_size_2=4, dropout=0.0)
    np.testing.assert_array_equal(model.forward([0, 1, 2])[0], plain.forward([0, 1, 2])[0])
    _, cache = model.forward([0, 1, 2], training=True)
    for layer, mask in (("h1", "mask1"), ("h2", "mask2")):
        assert cache[mask].shape == cache[layer].shape
        assert not cache[layer][cache[mask] == 0].any()
    assert "mask1" not in plain.forward([0, 1, 2], training=True)[1]


def test_every_training_pass_draws_new_masks():
    model = small_model(hidden_size=50, dropout=0.5)
    masks = [model.forward([0, 1, 2], training=True)[1]["mask1"] for _ in range(2)]
    assert (masks[0] != masks[1]).any()


# --- backward ---


def finite_differences(model: MiniNeuralLM, context, target, mask_seed: int, step=1e-6):
    """Central differences of the loss for every single parameter, each with the same masks."""

    def loss() -> float:
        model.rng = np.random.default_rng(mask_seed)
        return mini.cross_entropy_loss(model.forward(context, training=True)[0], target)

    numeric = {}
    for name, value in model.params.items():
        numeric[name] = np.zeros_like(value)
        for index in np.ndindex(value.shape):
            original = value[index]
            value[index] = original + step
            above = loss()
            value[index] = original - step
            below = loss()
            value[index] = original
            numeric[name][index] = (above - below) / (2 * step)
    return numeric


@pytest.mark.parametrize("dropout", [0.0, 0.4])
@pytest.mark.parametrize("hidden_size_2", [None, 12])
@pytest.mark.parametrize(
    ("context", "target"),
    [
        ([0, 1, 2], 3),
        ([4, 4, 4], 4),
        ([5, 1, 5], 0),
        (np.array([[0, 1, 0], [1, 1, 6], [2, 5, 0], [0, 1, 0]]), np.array([3, 6, 3, 2])),
    ],
    ids=["all differ", "one word", "a word twice", "batch"],
)
def test_every_gradient_agrees_with_finite_differences(context, target, hidden_size_2, dropout):
    model = small_model(hidden_size=14, hidden_size_2=hidden_size_2, dropout=dropout)
    numeric = finite_differences(model, context, target, mask_seed=2)
    model.rng = np.random.default_rng(2)
    probs, cache = model.forward(context, training=True)
    if dropout:
        # Masks that drop nothing would make this the same check as the one without dropout.
        assert (cache["mask1"] == 0).any()
        assert hidden_size_2 is None or (cache["mask2"] == 0).any()
    grads = model.backward(probs, target, cache)
    assert set(grads) == set(model.params)
    for name, grad in grads.items():
        # Hidden units that are all below 0 would make 0 = 0 of every check but one.
        assert np.abs(grad).max() > 1e-4, name
        np.testing.assert_allclose(grad, numeric[name], rtol=1e-6, atol=1e-9, err_msg=name)


def test_backward_leaves_parameters_and_probabilities_alone():
    model = small_model()
    before = {name: value.copy() for name, value in model.params.items()}
    probs, cache = model.forward([0, 1, 2])
    kept = probs.copy()
    model.backward(probs, 3, cache)
    np.testing.assert_array_equal(probs, kept)
    for name, value in before.items():
        np.testing.assert_array_equal(model.params[name], value)


# --- momentum ---


def test_momentum_is_a_running_mean_and_moves_every_parameter():
    model = small_model(hidden_size_2=4, learning_rate=0.3, momentum=0.8)
    first = {name: value.copy() for name, value in model.params.items()}
    rng = np.random.default_rng(0)
    g1 = {name: rng.standard_normal(value.shape) for name, value in first.items()}
    g2 = {name: rng.standard_normal(value.shape) for name, value in first.items()}
    model.update_params(g1)
    model.update_params(g2)
    for name, start in first.items():
        m1 = 0.2 * g1[name]
        m2 = 0.8 * m1 + 0.2 * g2[name]
        np.testing.assert_allclose(model.momenta[name], m2, rtol=1e-12, err_msg=name)
        np.testing.assert_allclose(
            model.params[name], start - 0.3 * m1 - 0.3 * m2, rtol=1e-12, err_msg=name
        )


def test_a_word_keeps_moving_after_it_occurred():
    model = small_model()
    for context in ([0, 0, 0], [1, 1, 1]):
        before = model.params["embeddings"][0].copy()
        probs, cache = model.forward(context)
        model.update_params(model.backward(probs, 3, cache))
        assert (model.params["embeddings"][0] != before).any()


# --- training ---


@pytest.mark.parametrize("hidden_size_2", [None, 64])
def test_learns_a_paragraph(hidden_size_2):
    words = TextPreprocessor(mini.PARAGRAPH)
    model = MiniNeuralLM(
        len(words.vocabulary), embed_size=32, hidden_size=64, hidden_size_2=hidden_size_2
    )
    examples = words.create_training_data(words.text_to_indices(mini.PARAGRAPH), model.context_size)
    # Untrained it is no better than an even guess among its 68 words.
    assert model.perplexity(*examples) == pytest.approx(68, rel=0.05)
    history = model.train(*examples, epochs=25)
    assert len(history) == 25
    assert history[0] > 3.5
    assert history[-1] < 0.1
    # Measured: 1.006 with one hidden layer, 1.002 with two.
    assert model.perplexity(*examples) < 1.1


def test_learns_with_dropout_too():
    words = TextPreprocessor(mini.PARAGRAPH)
    model = MiniNeuralLM(len(words.vocabulary), embed_size=32, hidden_size=64, dropout=0.2)
    examples = words.create_training_data(words.text_to_indices(mini.PARAGRAPH), model.context_size)
    history = model.train(*examples, epochs=15)
    # The history is measured with units switched off, hence above the model's own loss.
    assert math.log(model.perplexity(*examples)) < history[-1] < history[0]


def test_training_is_forward_backward_update_in_the_given_order():
    contexts, targets = np.array([[0, 1, 2], [3, 4, 5], [6, 0, 3]]), np.array([3, 6, 1])
    model, expected = small_model(dropout=0.3), small_model(dropout=0.3)
    losses = []
    for context, target in zip(contexts, targets, strict=True):
        probs, cache = expected.forward(context, training=True)
        losses.append(mini.cross_entropy_loss(probs, target))
        expected.update_params(expected.backward(probs, target, cache))
    history = model.train(contexts, targets, epochs=1, shuffle=False)
    assert history == pytest.approx([np.mean(losses)], rel=1e-12)
    for name, value in expected.params.items():
        np.testing.assert_allclose(model.params[name], value, rtol=1e-12, err_msg=name)


def test_the_last_batch_may_be_smaller_and_counts_by_its_size():
    contexts, targets = np.array([[0, 1, 2], [3, 4, 5], [6, 0, 3]]), np.array([3, 6, 1])
    model = small_model(learning_rate=1e-12)
    history = model.train(contexts, targets, epochs=1, batch_size=2, shuffle=False)
    assert history[0] == pytest.approx(math.log(model.perplexity(contexts, targets)), rel=1e-9)


def test_shuffling_takes_every_example_once_in_a_new_order(monkeypatch):
    model = small_model()
    contexts = np.arange(6)[:, None].repeat(3, axis=1)
    seen = []
    forward = model.forward

    def spy(context, training=False):
        seen.extend(np.asarray(context)[:, 0].tolist())
        return forward(context, training)

    monkeypatch.setattr(model, "forward", spy)
    model.train(contexts, np.zeros(6, int), epochs=2)
    assert sorted(seen[:6]) == sorted(seen[6:]) == list(range(6))
    assert seen[:6] != seen[6:]


def test_the_same_seed_gives_the_same_training_and_the_same_words():
    def run(seed: int):
        model = small_model(seed=seed, dropout=0.3)
        history = model.train(np.array([[0, 1, 2], [3, 4, 5]]), np.array([3, 6]), epochs=3)
        return history, model.generate([0, 1, 2], 20)

    assert run(1) == run(1)
    assert run(1)[0] != run(2)[0]
    assert run(1)[1] != run(2)[1]


def test_progress_is_printed_only_when_asked_for(capsys):
    model = small_model()
    contexts, targets = np.array([[0, 1, 2]]), np.array([3])
    model.train(contexts, targets, epochs=3)
    assert capsys.readouterr().out == ""
    history = model.train(contexts, targets, epochs=5, print_every=2)
    assert capsys.readouterr().out.splitlines() == [
        f"Epoch 2/5, Average Loss: {history[1]:.4f}",
        f"Epoch 4/5, Average Loss: {history[3]:.4f}",
    ]


# --- generation ---


def windows(ids: list[int], size: int) -> set[tuple[int, ...]]:
    return {tuple(ids[start : start + size]) for start in range(len(ids) - size + 1)}


@pytest.mark.parametrize("start", [0, 20, 45])
def test_temperature_near_zero_repeats_training_phrases(lesson, start):
    _, ids, model, *_ = lesson
    written = model.generate(ids[start : start + 4], 30, temperature=0.01)
    assert written[:4] == ids[start : start + 4]
    assert len(written) == 34
    assert windows(written, 5) <= windows(ids, 5)


def test_a_high_temperature_is_more_random(lesson):
    _, ids, model, contexts, *_ = lesson

    def mean_entropy(temperature: float) -> float:
        entropies = []
        for context in contexts:
            probs = model.next_word_distribution(context, temperature)
            probs = probs[probs > 0]
            entropies.append(-(probs * np.log(probs)).sum())
        return float(np.mean(entropies))

    low, middle, high = mean_entropy(0.01), mean_entropy(1.0), mean_entropy(2.0)
    assert low < 0.001 < middle < 0.2
    assert 1.0 < high < math.log(model.vocab_size)

    # Seen in the samples too: how many different words follow the same four.
    rng = np.random.default_rng(0)
    followers = {
        t: len({model.generate(ids[:4], 1, t, rng)[-1] for _ in range(200)}) for t in (0.01, 2.0)
    }
    assert followers[0.01] == 1
    assert followers[2.0] >= 10


def test_temperature_divides_the_scores():
    model = small_model()
    probs, _ = model.forward([0, 1, 2])
    np.testing.assert_allclose(model.next_word_distribution([0, 1, 2]), probs, rtol=1e-12)
    flat = np.sqrt(probs) / np.sqrt(probs).sum()
    np.testing.assert_allclose(model.next_word_distribution([0, 1, 2], 2.0), flat, rtol=1e-12)


@pytest.mark.parametrize("temperature", [1e-320, 1e-3, 1e300, math.inf])
def test_any_positive_temperature_gives_a_distribution(temperature):
    model = small_model(dtype=np.float32)
    model.params["b2"][:] = [1e4, -1e4, 0, 0, 0, 0, 0]
    probs = model.next_word_distribution([0, 1, 2], temperature)
    assert probs.sum() == pytest.approx(1.0, rel=1e-12)


def test_samples_follow_the_predicted_distribution():
    model = small_model(dtype=np.float32)
    probs = model.next_word_distribution([0, 1, 2], 0.5)
    rng = np.random.default_rng(3)
    n = 4000
    counts = np.bincount(
        [model.generate([0, 1, 2], 1, 0.5, rng)[-1] for _ in range(n)], minlength=7
    )
    # Five standard errors of each share.
    assert np.all(np.abs(counts / n - probs) < 5 * np.sqrt(probs * (1 - probs) / n))


def test_the_window_slides(monkeypatch):
    model = small_model()
    seen = []
    predict = model.next_word_distribution

    def spy(context, temperature=1.0):
        seen.append(list(context))
        return predict(context, temperature)

    monkeypatch.setattr(model, "next_word_distribution", spy)
    written = model.generate([6, 5, 0, 1, 2], 3)
    assert seen == [written[2:5], written[3:6], written[4:7]]


def test_generate_takes_its_randomness_from_the_given_generator():
    model = small_model()
    first = model.generate([0, 1, 2], 20, rng=np.random.default_rng(1))
    model.generate([0, 1, 2], 5)
    assert model.generate([0, 1, 2], 20, rng=np.random.default_rng(1)) == first
    assert model.generate(np.array([0, 1, 2]), 0) == [0, 1, 2]


# --- bad input ---


@pytest.mark.parametrize(
    ("prompt", "length", "temperature", "message"),
    [
        ([], 5, 1.0, "prompt is empty: give at least 3 words"),
        ([0, 1], 5, 1.0, r"prompt has 2 words.* is 3: give at least 3 words"),
        ([0, 1, 2], 5, 0.0, r"temperature is 0\.0.*above 0.*0\.01 is almost greedy"),
        ([0, 1, 2], 5, -1.0, r"temperature is -1\.0"),
        ([0, 1, 2], 5, math.nan, "temperature is nan"),
        ([0, 1, 2], -1, 1.0, "length is -1"),
        ([0, 1, 7], 5, 1.0, r"id 7 is outside 0\.\.6"),
        ([-1, 0, 1, 2], 5, 1.0, r"id -1 is outside 0\.\.6"),
        ("the cat", 5, 1.0, r"use text_to_indices\(\) to turn text into ids"),
    ],
)
def test_generate_refuses(prompt, length, temperature, message):
    with pytest.raises(ValueError, match=message):
        small_model().generate(prompt, length, temperature)


@pytest.mark.parametrize(
    ("context", "message"),
    [
        ([0, 1], r"shape \(2,\), but this model reads 3 words"),
        ([[[0, 1, 2]]], r"shape \(1, 1, 3\)"),
        ([0, 1, 7], r"id 7 is outside 0\.\.6"),
        ([0, -1, 1], r"id -1 is outside 0\.\.6"),
        ([0.0, 1.0, 2.0], "ids of type float64"),
    ],
)
def test_forward_refuses(context, message):
    with pytest.raises(ValueError, match=message):
        small_model().forward(context)


def test_backward_and_loss_refuse_targets_that_do_not_fit():
    model = small_model()
    probs, cache = model.forward([[0, 1, 2], [1, 2, 3]])
    for refuse in (
        lambda target: model.backward(probs, target, cache),
        lambda target: mini.cross_entropy_loss(probs, target),
    ):
        with pytest.raises(ValueError, match="1 targets for 2 contexts"):
            refuse(3)
        with pytest.raises(ValueError, match="id 7 is outside"):
            refuse(np.array([3, 7]))
        with pytest.raises(ValueError, match="id -1 is outside"):
            refuse(np.array([3, -1]))


def test_train_refuses_what_does_not_fit():
    model = small_model()
    with pytest.raises(ValueError, match="1 contexts and 2 targets"):
        model.train([[0, 1, 2]], [3, 4], epochs=1)
    with pytest.raises(ValueError, match="0 contexts and 0 targets"):
        model.train([], [], epochs=1)
    with pytest.raises(ValueError, match="batch_size is 0"):
        model.train([[0, 1, 2]], [3], epochs=1, batch_size=0)


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("vocab_size", 0),
        ("embed_size", 0),
        ("context_size", 0),
        ("hidden_size", 0),
        ("hidden_size_2", 0),
        ("dropout", 1.0),
        ("dropout", -0.1),
        ("momentum", 1.0),
        ("learning_rate", 0.0),
        ("learning_rate", math.nan),
    ],
)
def test_a_model_refuses_settings_outside_their_range(option, value):
    with pytest.raises(ValueError, match=f"^{option} is {value}: it must be"):
        small_model(**{option: value})


# --- the file itself ---


def test_imports_only_numpy_and_the_standard_library():
    tree = ast.parse(Path(mini.__file__).read_text(encoding="utf-8"))
    imported = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            imported.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            imported.add("." * node.level + (node.module or ""))
    # sys only where the file is run as a program, for its argument.
    assert imported == {"numpy", "re", "typing", "sys"}
    assert "sys" not in vars(mini)


@pytest.mark.thorough
def test_runs_as_a_program():
    run = subprocess.run(
        [sys.executable, "-W", "error", "-m", "fastlm.reference.mini"],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.returncode == 0, run.stderr
    assert run.stderr == ""
    lines = run.stdout.splitlines()
    losses = [line for line in lines if line.startswith("Epoch")]
    assert len(losses) == 10
    assert all(LOSS_LINE.fullmatch(line) for line in losses)
    assert "Perplexity after: 1.00" in lines
    # Held out: without dropout the loss falls and rises again, with dropout it rises less.
    rows = [list(map(float, line.split())) for line in lines if re.match(r" +\d+ +\d\.", line)]
    assert [row[0] for row in rows] == [1, 2, 4, 8, 16, 32]
    plain, dropped = [row[2] for row in rows], [row[4] for row in rows]
    assert min(plain) < plain[0] < plain[-1]
    assert dropped[-1] < plain[-1] - 0.5
    assert min(dropped) < dropped[0]
    for temperature in ("0.01", "0.7", "2.0"):
        assert sum(line.startswith(f"Temperature {temperature}: ") for line in lines) == 1
