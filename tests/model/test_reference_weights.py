"""The founding systems and the engine agree: weights there and back, and 200 steps."""

from __future__ import annotations

import numpy as np
import pytest
from numba import config as numba_config

from fastlm.config import ModelConfig, TrainingConfig
from fastlm.engine.training import TrainingEngine
from fastlm.errors import ConfigError
from fastlm.model.layout import Layout
from fastlm.model.reference_weights import from_reference, reference_params, to_mini, to_tiny
from fastlm.reference import tiny
from fastlm.reference.mini import MiniNeuralLM, cross_entropy_loss
from tests import naive

NO_JIT = bool(numba_config.DISABLE_JIT)
STEPS = 30 if NO_JIT else 200

TINY = ModelConfig(vocab=27, context=5, embed=32, hidden=(), combine="mean", bias=False)
TEXT = "the cat sat on the mat and the dog lay on the rug by the door "


def mini_config(hidden):
    return ModelConfig(vocab=40, context=4, embed=16, hidden=hidden)


def oracle_of(model):
    names = ("vocab", "context", "embed", "hidden", "combine", "bias")
    return naive.NaiveConfig(**{name: getattr(model, name) for name in names})


def wide(model, params):
    return naive.split(params.astype(np.float64), oracle_of(model))


def assert_close(model, flat, expected, tolerance):
    """Every tensor within ``tolerance`` of its largest element."""
    views = Layout(model).views(flat)
    for name, tensor in Layout(model).views(expected).items():
        scale = np.abs(tensor).max()
        assert np.abs(views[name] - tensor).max() <= tolerance * scale, name


def flat64(reference, model):
    """The reference's weights as float64[n], in our order, without the rounding to float32."""
    flat = np.zeros(Layout(model).size)
    names = {
        "embeddings": "embeddings", "hidden.1.weight": "W1", "hidden.1.bias": "b1",
        "hidden.2.weight": "W1_5", "hidden.2.bias": "b1_5",
        "output.weight": "W2", "output.bias": "b2",
    }  # fmt: skip
    for name, view in Layout(model).views(flat).items():
        if isinstance(reference, MiniNeuralLM):
            values = reference.params[names[name]]
            view[...] = values.T if name.endswith(".weight") else values
        else:
            view[...] = reference["embeddings" if name == "embeddings" else "output"]
    return flat


# ---------------------------------------------------------------------------- the same systems


@pytest.fixture(scope="module")
def tiny_run():
    """(first weights, losses, last weights) of 200 examples in the order of the text."""
    weights = tiny.initialize_weights(27, 32, random_seed=5)
    first = flat64(weights, TINY)
    examples = tiny.create_training_data(TEXT * (STEPS // len(TEXT) + 2), 5)[:STEPS]
    losses = [tiny.backward_pass(ids, answer, weights, 0.05) for ids, answer in examples]
    return first, np.array(losses), flat64(weights, TINY)


TINY_TOKENS = np.array(tiny.encode(TEXT * (STEPS // len(TEXT) + 2)))


def test_the_engine_is_tiny(tiny_run):
    first, losses, last = tiny_run
    training = TrainingConfig(batch=1, lr=0.05, momentum=0.0, shuffle=False)
    engine = TrainingEngine(TINY, training, TINY_TOKENS, first.astype(np.float32))
    np.testing.assert_allclose(engine.run(np.full(STEPS, 0.05)), losses, rtol=1e-5)
    assert_close(TINY, engine.snapshot()[0], last, 1e-5)


def test_the_oracle_is_tiny(tiny_run):
    first, losses, last = tiny_run
    params = wide(TINY, first)
    theirs = naive.train(params, oracle_of(TINY), TINY_TOKENS, STEPS, 1, 0.05, 0.0, shuffle=False)
    np.testing.assert_allclose(theirs, losses, rtol=1e-10)
    assert_close(TINY, naive.flatten(params), last, 1e-10)


MINI_TOKENS = np.random.default_rng(2).integers(0, 40, 130)
MINI_SEED = 11


@pytest.fixture(scope="module", params=[(24,), (24, 12)], ids=["one-layer", "two-layers"])
def mini_run(request):
    """(model, first weights, losses, last weights): batch 1, momentum, the engine's order.

    200 examples of 126: the order is drawn anew on the way.
    """
    model = mini_config(request.param)
    second = request.param[1] if len(request.param) == 2 else None
    reference = MiniNeuralLM(40, 16, 4, 24, second, learning_rate=0.1, momentum=0.9, seed=3)
    rng = np.random.default_rng(4)
    for name in ("b1", "b1_5", "b2"):
        if name in reference.params:  # zeros would hide a bias that gets lost
            reference.params[name][...] = 0.1 * rng.standard_normal(reference.params[name].shape)
    first = flat64(reference, model)
    losses = []
    for step in range(STEPS):
        (position,) = naive.batch_positions(MINI_SEED, step, 1, 130, 4, -1, True)
        probs, cache = reference.forward(MINI_TOKENS[position - 4 : position], training=True)
        losses.append(cross_entropy_loss(probs, int(MINI_TOKENS[position])))
        reference.update_params(reference.backward(probs, int(MINI_TOKENS[position]), cache))
    return model, first, np.array(losses), flat64(reference, model)


def test_the_engine_is_mini(mini_run):
    model, first, losses, last = mini_run
    training = TrainingConfig(batch=1, lr=0.1, momentum=0.9, seed=MINI_SEED)
    engine = TrainingEngine(model, training, MINI_TOKENS, first.astype(np.float32))
    np.testing.assert_allclose(engine.run(np.full(STEPS, 0.1)), losses, rtol=1e-5)
    assert_close(model, engine.snapshot()[0], last, 1e-5)


def test_the_oracle_is_mini(mini_run):
    model, first, losses, last = mini_run
    params = wide(model, first)
    theirs = naive.train(params, oracle_of(model), MINI_TOKENS, STEPS, 1, 0.1, 0.9, MINI_SEED)
    np.testing.assert_allclose(theirs, losses, rtol=1e-10)
    assert_close(model, naive.flatten(params), last, 1e-10)


# ---------------------------------------------------------------------------- there and back


def random_params(model):
    rng = np.random.default_rng(0)
    return rng.standard_normal(Layout(model).size).astype(np.float32)


def test_to_tiny_and_back():
    params = random_params(TINY)
    weights = to_tiny(params, TINY)
    assert (len(weights["embeddings"]), len(weights["embeddings"][0])) == (27, 32)
    assert (len(weights["output"]), len(weights["output"][0])) == (32, 27)
    assert isinstance(weights["output"][0][0], float)
    assert from_reference(weights, TINY).tobytes() == params.tobytes()


@pytest.mark.parametrize("hidden", [(24,), (24, 12)])
def test_to_mini_and_back(hidden):
    model = mini_config(hidden)
    params = random_params(model)
    mini = to_mini(params, model, learning_rate=0.3, momentum=0.5, dropout=0.2, seed=1)
    assert (mini.learning_rate, mini.momentum, mini.dropout) == (0.3, 0.5, 0.2)
    assert mini.params["W1"].shape == (24, 64)
    assert from_reference(mini, model).tobytes() == params.tobytes()


@pytest.mark.parametrize("hidden", [(24,), (24, 12)])
def test_what_is_handed_over_predicts_the_same(hidden):
    model = mini_config(hidden)
    params = random_params(model) * np.float32(0.2)
    contexts = MINI_TOKENS[:20].reshape(5, 4)
    probs, _ = to_mini(params, model).forward(contexts)
    logits = naive.forward(wide(model, params), oracle_of(model), contexts).logits
    np.testing.assert_allclose(probs, np.exp(naive.log_softmax(logits)), rtol=1e-10)

    tiny_params = random_params(TINY)
    answer = tiny.forward_pass("the c", to_tiny(tiny_params, TINY))
    logits = naive.forward(wide(TINY, tiny_params), oracle_of(TINY), [tiny.encode("the c")]).logits
    np.testing.assert_allclose(answer, np.exp(naive.log_softmax(logits))[0], rtol=1e-10)


def test_handing_over_copies():
    model = mini_config((24,))
    params = random_params(model)
    before = params.tobytes()
    to_mini(params, model).params["W1"][:] = 0
    assert params.tobytes() == before


def test_reference_params_are_what_the_systems_start_from():
    weights = tiny.initialize_weights(27, 32, 9)
    expected = flat64(weights, TINY).astype(np.float32)
    np.testing.assert_array_equal(reference_params(TINY, "tiny", 9), expected)
    model = mini_config((24, 12))
    mini = MiniNeuralLM(40, 16, 4, 24, 12, seed=9)
    expected = flat64(mini, model).astype(np.float32)
    np.testing.assert_array_equal(reference_params(model, "mini", 9), expected)


def test_tiny_side_by_side_starts_from_its_own_weights_too():
    model = ModelConfig(vocab=27, context=5, embed=8, hidden=(), combine="concat", bias=False)
    weights = tiny.initialize_weights(27, 8, 3, concat=5)
    expected = flat64(weights, model).astype(np.float32)
    np.testing.assert_array_equal(reference_params(model, "tiny", 3), expected)


@pytest.mark.parametrize("system", ["tiny", "mini"])
def test_other_forms_draw_by_the_rule_of_the_system(system):
    model = ModelConfig(
        vocab=50, context=3, embed=40, hidden=(60, 30, 20), combine="mean", far=(4,)
    )
    tensors = Layout(model).views(reference_params(model, system, 1))
    assert (tensors["far.1.weight"] == 0.5).all()
    for name, tensor in tensors.items():
        if name.endswith(".bias"):
            assert not tensor.any(), name
        elif not name.startswith("far."):
            expected = 0.3 if system == "tiny" else np.sqrt(2 / sum(tensor.shape))
            # Four standard errors of a standard deviation estimated from tensor.size numbers.
            assert tensor.std() == pytest.approx(expected, rel=4 / np.sqrt(2 * tensor.size)), name


# ---------------------------------------------------------------------------- what does not fit


@pytest.mark.parametrize(
    "change", [{"hidden": (8,)}, {"bias": True}, {"combine": "concat"}], ids=str
)
def test_models_that_are_not_tiny(change):
    settings = {"vocab": 27, "context": 5, "embed": 32, "hidden": (), "combine": "mean"}
    model = ModelConfig(**settings | {"bias": False} | change)
    with pytest.raises(ConfigError, match="tiny has combine='mean', no hidden layer and no bias"):
        to_tiny(random_params(model), model)


@pytest.mark.parametrize(
    "change", [{"hidden": ()}, {"hidden": (8, 8, 8)}, {"bias": False}, {"combine": "mean"}], ids=str
)
def test_models_that_are_not_mini(change):
    model = ModelConfig(**{"vocab": 40, "context": 4, "embed": 16, "hidden": (24,)} | change)
    with pytest.raises(ConfigError, match="mini has combine='concat', one or two hidden layers"):
        to_mini(random_params(model), model)


def test_weights_of_another_size_are_refused():
    other = tiny.initialize_weights(27, 16)
    with pytest.raises(ConfigError, match=r"embeddings is \(27, 32\) here but \(27, 16\)"):
        from_reference(other, TINY)
    mini = MiniNeuralLM(40, 16, 4, 24)
    with pytest.raises(ConfigError, match=r"hidden\.1\.weight is \(64, 20\) here but \(64, 24\)"):
        from_reference(mini, mini_config((20,)))
    with pytest.raises(ConfigError, match=r"hidden\.2\.weight is"):
        from_reference(mini, mini_config((24, 12)))


def test_a_second_layer_is_not_dropped_silently():
    mini = MiniNeuralLM(40, 16, 4, 24, 24)
    with pytest.raises(ConfigError):
        from_reference(mini, mini_config((24,)))
