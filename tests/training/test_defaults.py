"""What is chosen where the caller leaves it open."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastlm.config import ModelConfig, TrainingConfig
from fastlm.errors import ConfigError
from fastlm.training.defaults import choose_settings, with_valid_sample


def zipf(vocab, total):
    weights = 1 / np.arange(1, vocab + 1)
    return np.maximum(1, total * weights / weights.sum()).astype(np.int64)


CHARACTERS = np.full(60, 20_000)
WORDS = zipf(20_000, 1_000_000)


def chosen(
    counts, *, documents="file", model=None, softmax="auto", speed=None, boundary=None, tokens=None,
    **training,
):  # fmt: skip
    return choose_settings(
        counts, documents=documents, model=model or {}, training=training, softmax=softmax,
        speed=speed, boundary=boundary, tokens=tokens,
    )  # fmt: skip


@given(
    st.integers(2, 40_000), st.integers(1, 10**9), st.sampled_from(["file", "lines"]),
    st.one_of(
        st.fixed_dictionaries({"epochs": st.floats(0.01, 500)}),
        st.fixed_dictionaries({"minutes": st.floats(0.01, 600)}),
        st.just({}),
    ),
)  # fmt: skip
@settings(deadline=None, max_examples=40)
def test_what_is_chosen_is_a_model_and_a_training(vocab, total, documents, length):
    found = choose_settings(
        zipf(vocab, total), documents=documents, model={}, training=length,
        speed=lambda model, training: 1e9 / model.input_width,
    )  # fmt: skip
    ModelConfig(vocab=vocab, **found.model)
    TrainingConfig(**found.training)
    assert found.training.items() >= length.items()
    assert found.reasons


def test_what_is_given_stays():
    given_model = {"hidden": (7,), "embed": 3, "context": 2, "far": (), "cutoffs": (50,)}
    given_training = {
        "batch": 9,
        "dropout": 0.3,
        "embed_dropout": 0.0,
        "embed_lr_scale": 2.0,
        "lr": 0.1,
        "weight_decay": 1e-5,
    }
    found = chosen(WORDS, model=given_model, epochs=2, **given_training)
    assert found.model == given_model
    assert found.training == {**given_training, "epochs": 2}


def test_more_passes_carry_a_larger_model_and_more_dropout():
    few, many = (chosen(WORDS, epochs=epochs) for epochs in (2, 15))
    assert few.model["hidden"] < many.model["hidden"]
    assert few.training["dropout"] < many.training["dropout"]


def test_time_over_words_is_spent_on_width_rather_than_on_passes():
    def picked(**length):
        return chosen(WORDS, speed=lambda model, _: 4e7 / model.hidden[0], **length)

    widths = [picked(minutes=minutes).model["hidden"][0] for minutes in (1, 3, 10, 30, 60)]
    assert widths == sorted(widths)
    assert widths[-1] >= 4 * widths[0]
    # More passes alone are no reason for a model that takes many times as long.
    assert picked(epochs=40).model["hidden"][0] < widths[-2]


def test_words_are_gone_through_a_few_times_unless_more_are_asked_for():
    short = zipf(3_000, 20_000)
    by_default = chosen(short)
    assert by_default.training["epochs"] < 10
    assert "more would make it worse" in by_default.reasons[0]
    bounded = chosen(WORDS, minutes=60, speed=lambda *_: 1e6)
    assert bounded.training["epochs"] == by_default.training["epochs"]
    assert bounded.training["minutes"] == 60
    steps = 9 * int(WORDS.sum()) // 512 + 1
    for asked in ({"epochs": 30}, {"epochs": 9}, {"steps": steps}, {"minutes": 60, "epochs": 30}):
        found = chosen(WORDS, speed=lambda *_: 1e6, **asked)
        assert found.training.items() >= asked.items()
        assert "epochs" in asked or "epochs" not in found.training
        assert "worse" not in found.reasons[0]
    assert "epochs" not in chosen(CHARACTERS, minutes=60, speed=lambda *_: 1e6).training


def test_short_texts_of_words_do_not_carry_the_wider_models():
    short = zipf(3_000, 20_000)
    assert chosen(short, minutes=60, speed=lambda *_: 1e6).model["hidden"] == (128,)
    assert chosen(WORDS, minutes=60, speed=lambda *_: 1e6).model["hidden"] == (1600,)


def test_many_passes_over_words_want_a_lower_rate():
    few, many = (chosen(WORDS, epochs=epochs) for epochs in (1, 9))
    assert "lr" not in few.training
    assert many.training["lr"] == 4.0
    assert chosen(WORDS, epochs=9, batch=256).training["lr"] == 2.0
    assert chosen(WORDS, epochs=9, lr=7.0).training["lr"] == 7.0


def test_weight_decay_counts_against_the_tokens():
    million, ten = (chosen(zipf(20_000, n), epochs=9).training for n in (10**6, 10**7))
    assert million["weight_decay"] == pytest.approx(10 * ten["weight_decay"], rel=0.02)
    assert chosen(zipf(20_000, 10_000), epochs=9).training["weight_decay"] == 2e-4
    assert chosen(WORDS, epochs=9, weight_decay=0.0).training["weight_decay"] == 0.0


def test_few_tokens_do_not_carry_the_larger_models():
    assert chosen(CHARACTERS // 10, epochs=30).model["hidden"] == (256, 128)
    assert chosen(CHARACTERS, epochs=30).model["hidden"] == (512, 256)


def test_time_counts_by_what_the_machine_can_do():
    slow, fast = (
        chosen(CHARACTERS, minutes=1, speed=lambda *_, rate=rate: rate) for rate in (1e4, 1e6)
    )
    assert slow.model["hidden"] < fast.model["hidden"]


def test_lines_have_no_far_context_and_characters_neither():
    assert chosen(WORDS, epochs=1).model["far"] == (12, 48)
    assert chosen(WORDS, epochs=1, documents="lines").model["far"] == ()
    assert "far" not in chosen(CHARACTERS, epochs=1).model


def test_the_adaptive_softmax_is_taken_where_it_pays():
    assert chosen(WORDS, epochs=1).model["cutoffs"]
    assert not chosen(WORDS, epochs=1, softmax="full").model["cutoffs"]
    assert not chosen(CHARACTERS, epochs=1).model["cutoffs"]
    assert not chosen(WORDS[::-1], epochs=1).model["cutoffs"], "rare ids first"
    assert chosen(zipf(200, 10**6), epochs=1, softmax="adaptive").model["cutoffs"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"softmax": "sampled"}, "softmax is 'sampled'; choose one of auto, full, adaptive"),
        ({"softmax": "full", "model": {"cutoffs": (9,)}}, "leave one of them out"),
        ({"softmax": "adaptive"}, "a vocabulary of 60 is too small"),
    ],
)
def test_what_cannot_be(arguments, message):
    with pytest.raises(ConfigError, match=message):
        chosen(CHARACTERS, epochs=1, **arguments)


@pytest.mark.parametrize(
    ("batch", "lr"), [(64, None), (256, None), (512, None), (8192, 8.0), (16_384, 8.0)]
)
def test_large_batches_do_not_raise_the_rate_for_ever(batch, lr):
    letters = chosen(zipf(60, 400_000), batch=batch, epochs=4).training
    assert letters.get("lr") == lr
    words = chosen(zipf(5000, 400_000), batch=batch, epochs=4).training
    assert words["lr"] == 0.625 * min(batch, 512) / 64
    assert chosen(zipf(60, 400_000), batch=batch, lr=40.0).training["lr"] == 40


def test_large_batches_warm_up():
    def warmup(total, batch, **training):
        return chosen(zipf(60, total), batch=batch, **training).training.get("warmup")

    assert warmup(400_000, 512) is None
    assert warmup(400_000, 8192) == 32
    assert warmup(400_000, 8192, epochs=2) == 10  # a tenth of the run
    assert warmup(400_000, 8192, warmup=0) == 0
    assert warmup(400_000, 8192, lr=1.0) is None


def test_a_text_that_repeats_itself_gets_a_lower_rate():
    def rate(tokens, **training):
        found = chosen(np.bincount(tokens), tokens=tokens.astype(np.uint16), **training)
        assert ("repeats itself" in found.reasons[-1]) is (found.training.get("lr") == 1.0)
        return found.training.get("lr")

    rng = np.random.default_rng(0)
    line = rng.integers(0, 20, 40)
    assert rate(np.tile(line, 2000)) == 1.0
    assert rate(np.tile(line, 2000), lr=3.0) == 3.0
    assert rate(np.tile(line, 2)) is None
    assert rate(rng.integers(0, 20, 80_000)) is None
    assert rate(np.concatenate([rng.integers(0, 20, 40_000), np.tile(line, 2000)])) is None
    assert chosen(np.ones(3), tokens=np.zeros(3, np.uint16)).training.get("lr") is None  # too short


def test_a_token_that_is_everywhere_lowers_the_rate_of_the_embeddings():
    def scale(counts, **arguments):
        return chosen(counts, **arguments).training.get("embed_lr_scale")

    prose = zipf(5000, 400_000)
    prose[0] = 0.06 * prose.sum()
    assert scale(prose) == 8
    table = prose.copy()
    table[0] = prose.sum()  # half of all
    assert scale(table) == pytest.approx(0.25, rel=0.05)
    assert scale(table, embed_lr_scale=8.0) == 8
    assert scale(zipf(60, 400_000)) is None  # letters have one rate


def test_the_boundary_token_fills_the_context_before_short_documents():
    counts = np.ones(3001, dtype=np.int64)
    counts[0] = 3000  # documents of one word each: of 4 positions 4 and 3 are boundary tokens
    found = chosen(counts, documents="lines", boundary=0)
    assert found.training["embed_lr_scale"] == pytest.approx(0.125 / (7 / 8), rel=1e-3)
    assert "one token has 88% of the context" in found.reasons[-1]


def test_a_long_validation_text_is_sampled_in_a_short_run():
    model = ModelConfig(vocab=60)
    short = TrainingConfig(minutes=0.5)
    found, said = with_valid_sample(short, model, 500_000, lambda *_: 20_000)
    assert found.valid_tokens == 32_768  # 45,000 take a fortieth of the time
    assert said == ("validation on 32,768 tokens spread over the 500,000, to keep to the time")

    def unused(*_):
        raise AssertionError

    for training, tokens in (
        (TrainingConfig(steps=5), 500_000),
        (short, 1000),
        (TrainingConfig(minutes=0.5, valid_tokens=7), 500_000),
    ):
        assert with_valid_sample(training, model, tokens, unused) == (training, "")
    assert with_valid_sample(short, model, 40_000, lambda *_: 20_000) == (short, "")
