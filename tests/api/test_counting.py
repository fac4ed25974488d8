"""Counts in training: alone, and beside a network that stays the same."""

from __future__ import annotations

import random

import numpy as np
import pytest

import fastlm
from fastlm.api.counting import CountSettings, fit_mixture
from fastlm.callbacks import Callback
from fastlm.engine.tokens import token_array
from fastlm.errors import ConfigError, FastlmError
from fastlm.inference.mixture import mixed_losses
from tests.inference.mixtures import make_mixture

LINES = [
    f"{who} {does} the {what}"
    for who in ("anna", "ben", "cleo", "dan")
    for does in ("sees", "takes", "likes", "has")
    for what in ("cat", "dog", "hat", "mat", "book")
]
TEXT = "".join(f"{line}\n" for line in random.Random(0).choices(LINES, k=400))
VALID = "".join(f"{line}\n" for line in random.Random(1).choices(LINES, k=60))
RUN = {"documents": "lines", "steps": 30, "hidden": (8,), "embed": 4, "batch": 64}


class Notices(Callback):
    def __init__(self):
        self.messages = []

    def on_notice(self, notice):
        if notice.kind == "counts":
            self.messages.append(notice.message)


def trained(text=TEXT, valid=VALID, **settings):
    return fastlm.train(texts=[text], valid=[valid], **(RUN | settings))


def counted(text=TEXT, valid=VALID, **settings):
    options = {"documents": "lines"} | settings
    return fastlm.train(texts=[text], valid=[valid], counts_only=True, **options)


def test_counts_beside_a_network_leave_it_as_it_is_and_help():
    alone, notices = trained(counts="none"), Notices()
    lm = trained(counts=4, callbacks=[notices])
    assert lm.params.tobytes() == alone.params.tobytes()
    assert lm.counts.order == 4
    assert lm.details["network_valid_loss"] == pytest.approx(alone.details["valid_loss"], rel=1e-9)
    assert lm.details["valid_loss"] < lm.details["network_valid_loss"] * 0.8
    assert lm.result.best.loss == alone.result.best.loss
    assert "order 4" in notices.messages[-1]
    # Fitted on all of it, the weights do no worse than those of either half on the other.
    assert lm.evaluate(VALID).nats_per_token <= lm.details["valid_loss"]


@pytest.mark.parametrize("tokenizer", ["char", "word", "byte"])
def test_counts_alone_are_a_model(tmp_path, tokenizer):
    lm = counted(tokenizer=tokenizer, order=3)
    assert not lm.has_network
    assert lm.evaluate(VALID).nats_per_token == pytest.approx(lm.details["valid_loss"], rel=1e-12)
    lm.save(tmp_path / "m")
    again = fastlm.load(tmp_path / "m", mmap=True)
    texts = again.sample(5, seed=1)
    assert texts == lm.sample(5, seed=1, threads=2)
    assert texts[0] == lm.generate(seed=1) == "".join(lm.stream(seed=1))
    assert lm.top_k("anna ", 3)[0][1] <= 1
    assert abs(lm.next_token_distribution("ben ").sum() - 1) < 1e-6
    assert lm.perplexity("anna has the cat") < lm.perplexity("the the has anna")


def test_auto_counts_are_left_out_where_they_give_nothing():
    rng = random.Random(0)
    text = "".join(rng.choices("ab", k=3000))
    notices = Notices()
    lm = trained(text, text[:400][::-1], documents="file", counts="auto", callbacks=[notices])
    assert lm.counts is None
    assert notices.messages[-1].startswith("left out")
    assert trained().counts.order == trained(counts="auto").counts.order == 7


def test_no_counts_by_default_where_they_are_not_expected():
    """A preset is one of the founding systems; without validation text nothing can be weighed."""
    assert trained(counts="none").counts is None
    assert trained(preset="mini", hidden=(4,)).counts is None
    assert fastlm.train(texts=[TEXT], valid=0, **RUN).counts is None
    base = trained(counts="none", steps=2)
    assert trained(init=base, hidden=None, embed=None).counts is None
    assert trained(prune=(0, 0, 3)).counts.metadata["prune"][2] == 3


def test_a_run_of_an_older_version_is_resumed_without_counts(tmp_path):
    corpus, checkpoint = tmp_path / "t.txt", tmp_path / "c"
    corpus.write_text(TEXT)
    settings = RUN | {"schedule": "constant"}
    fastlm.train(corpus, counts="none", checkpoint=checkpoint, **settings | {"steps": 5})
    assert fastlm.train(corpus, checkpoint=checkpoint, resume=True, steps=9).counts is None


def test_counts_are_pruned_to_a_size():
    whole = counted(order=5)
    lm = counted(order=5, counts_size="2kB")
    assert lm.counts.nbytes <= 2000 < whole.counts.nbytes
    assert whole.details["valid_loss"] < lm.details["valid_loss"]
    assert abs(lm.next_token_distribution("ben ").sum() - 1) < 1e-6
    assert CountSettings.of("auto").most_bytes(8_000_000) == 42_000_000
    assert CountSettings.of("auto", size=7).most_bytes(3) == 7
    assert CountSettings.of(3).most_bytes(3) is None


@pytest.mark.parametrize(
    "text",
    ["a\nb\na\nc\n", "a" * 50, "x y\n" * 200, "".join(random.Random(2).choices("abcdefgh", k=900))],
)
@pytest.mark.parametrize("order", [1, 5, 12])
def test_odd_texts_give_a_model(text, order):
    options = {"documents": "lines", "tokenizer": "byte"}
    lm = fastlm.train(texts=[text], valid=0, counts_only=True, order=order, **options)
    assert "valid_loss" not in lm.details
    assert np.isfinite(lm.score_arrays([text, "", "a"]).log_prob).all()
    for prompt in ("", "a", text[:5]):
        assert abs(lm.next_token_distribution(prompt).sum() - 1) < 1e-6
    lm.generate(length=20, seed=0)


def test_a_resumed_run_counts_what_it_counted_before(tmp_path):
    whole = trained(counts=3, prune=(0, 0, 1))
    corpus, valid = tmp_path / "t.txt", tmp_path / "v.txt"
    corpus.write_text(TEXT)
    valid.write_text(VALID)
    options = {"valid": valid, "checkpoint": tmp_path / "c"}
    settings = RUN | {"schedule": "constant"}
    first = fastlm.train(corpus, counts=3, prune=(0, 0, 1), **options, **settings | {"steps": 12})
    lm = fastlm.train(corpus, resume=True, steps=30, **options)
    assert lm.counts.counts == whole.counts.counts == first.counts.counts
    once = fastlm.train(corpus, valid=valid, counts=3, prune=(0, 0, 1), **settings)
    assert lm.params.tobytes() == once.params.tobytes()
    assert lm.weights.tobytes() == once.weights.tobytes()
    with pytest.raises(ConfigError, match="other counts"):
        fastlm.train(corpus, resume=True, counts=4, **options)


def test_the_network_in_the_place_of_a_mixture_is_protected(tmp_path):
    path = tmp_path / "m"
    trained(steps=2).save(path)
    with pytest.raises(ConfigError, match="has a network"):
        counted(replaces=path)
    counted(replaces=path, overwrite=True).save(path)
    counted(replaces=path, order=2)
    with pytest.raises(ConfigError, match="another text"):
        counted(TEXT[::-1], replaces=path)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"counts": 13}, "give at most 12"),
        ({"counts": 0}, "counts is 0"),
        ({"counts": "some"}, "auto, none or the order"),
        ({"counts": "9" * 5000}, "auto, none or the order"),
        ({"counts": 3, "counts_only": True}, "choose one"),
        ({"order": 3}, "without counts_only"),
        ({"prune": (0, 1), "counts": "none"}, "prune is given with counts='none'"),
        ({"counts_size": "1MB", "counts": "none"}, "counts_size is given with counts='none'"),
        ({"counts": 3, "counts_size": "much"}, "such as 20MB"),
        ({"counts": 3, "counts_size": 0}, "counts_size is 0"),
        ({"counts": 3, "prune": (0, -1)}, "prune is -1"),
        ({"counts": 3, "prune": (1,)}, "begin with 0"),
        ({"counts": 3, "valid": 0}, "need validation"),
        ({"counts_only": True, "hidden": (8,)}, "hidden is of a network"),
        ({"counts_only": True, "minutes": 1}, "minutes is of a network"),
        ({"counts_only": True, "softmax": "full"}, "softmax is of a network"),
        ({"counts_only": True, "resume": True}, "resume is of a network's run"),
        ({"counts_only": True, "metrics": "m"}, "metrics is of a network's run"),
    ],
)
def test_settings_that_cannot_be_are_refused_in_one_line(settings, message):
    with pytest.raises(FastlmError, match=message) as caught:
        fastlm.train(texts=[TEXT], **{"valid": [VALID]} | settings)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 200


def test_settings_come_back_from_a_checkpoint():
    for settings in (
        CountSettings.of("auto", size="20MB"),
        CountSettings.of(5, prune=[0, 0, 1]),
        CountSettings.of("3", size="1.5 kb"),
    ):
        assert CountSettings.from_dict(settings.to_dict()) == settings
    assert CountSettings.of("3", size="1.5 kb").size == 1500
    assert CountSettings.from_dict(None) is None
    assert CountSettings.of() is None
    assert not CountSettings.of("none").any
    assert CountSettings.of(size="20MB").auto


@pytest.mark.parametrize("documents", ["file", "lines"])
def test_weights_are_fitted_on_what_counts(documents):
    model = make_mixture("two networks and counts", documents=documents).text_model
    ids = model.tokenizer.encode_documents(["the cat sat", "and the dog", "on a mat"] * 20)
    fit = fit_mixture(model, ids)
    losses, buckets = model.member_losses(token_array(ids, model.tokenizer.vocab_size), 0, ids.size)
    if documents == "file":
        keep = ids != model.tokenizer.boundary_id
        losses, buckets = losses[:, keep], buckets[keep]
    np.testing.assert_allclose(fit.losses, losses.mean(axis=1))
    mixed = mixed_losses(losses.copy(), buckets, fit.weights).mean()
    assert mixed < min(fit.losses) + 1e-6


def test_no_text_gives_no_weights():
    with pytest.raises(ConfigError, match="give at least 2"):
        fit_mixture(make_mixture().text_model, np.zeros(1, dtype=np.uint16))


def test_counts_beside_a_model_without_a_boundary_token():
    lm = fastlm.train(texts=[TEXT], valid=0.2, preset="tiny", steps=200, counts=3)
    assert lm.tokenizer.boundary_id is None
    assert lm.details["valid_loss"] < lm.details["network_valid_loss"]
    assert abs(lm.next_token_distribution("anna").sum() - 1) < 1e-6
    assert lm.generate("anna ", length=9, seed=1) == lm.sample(2, "anna ", length=9, seed=1)[0]
    batches = list(lm.score([TEXT, "anna has"], batch_chars=50))
    np.testing.assert_array_equal(
        [score.log_prob for score in batches], lm.score_arrays([TEXT, "anna has"]).log_prob
    )
