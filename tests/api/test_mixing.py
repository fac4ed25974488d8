"""Mixtures of models: weighed on held-out text."""

from __future__ import annotations

import numpy as np
import pytest

import fastlm
from fastlm.api.export import export
from fastlm.counts.pruning import prune_to_size
from fastlm.errors import ConfigError, ModelFileError
from fastlm.tokenizers import build_tokenizer
from tests.inference.mixtures import counts_of, make_mixture
from tests.inference.models import CORPUS, model_of

TOKENIZER = build_tokenizer("char", [CORPUS])
VALID = ["the dog sat on a mat", "and the cat saw it", "the mat"] * 5


def counts_alone(order, documents="lines", nbytes=None):
    counts = counts_of(TOKENIZER, order)
    if nbytes is not None:
        counts = prune_to_size(counts, nbytes)
    return fastlm.LanguageModel(None, None, TOKENIZER, documents=documents, counts=counts)


def models(documents="lines"):
    networks = [model_of(TOKENIZER, documents, seed) for seed in range(2)]
    return [*networks, counts_alone(4, documents)]


def test_members_are_mixed_by_weights_that_suit_the_text(tmp_path):
    parts = models()
    lm = fastlm.mix(parts, texts=VALID)
    losses = [part.evaluate(VALID).nats_per_token for part in parts]
    assert lm.details["member_valid_losses"] == pytest.approx(losses)
    assert lm.evaluate(VALID).nats_per_token <= min(losses) + 1e-6
    assert lm.weights.shape == (16, 3)
    lm.save(tmp_path / "m")
    again = fastlm.load(tmp_path / "m")
    assert again.generate(seed=3) == lm.generate(seed=3)
    assert again.sample(3, seed=3, threads=2) == lm.sample(3, seed=3, threads=1)


def test_files_and_memory_give_the_same(tmp_path):
    parts = models()
    paths = [tmp_path / f"{number}" for number in range(3)]
    for part, path in zip(parts, paths, strict=True):
        part.save(path)
    (tmp_path / "v.txt").write_text("\n".join(VALID) + "\n")
    lm = fastlm.mix(paths, tmp_path / "v.txt")
    assert lm.weights.tobytes() == fastlm.mix(parts, texts=["\n".join(VALID)]).weights.tobytes()


def test_a_mixture_gives_its_members():
    parts = models()
    pair = fastlm.mix(parts[1:], texts=VALID)
    lm = fastlm.mix([parts[0], pair], texts=VALID)
    np.testing.assert_array_equal(lm.weights, fastlm.mix(parts, texts=VALID).weights)


def test_of_counts_of_one_text_the_largest_are_taken():
    network, _, counts = models()
    small = counts_alone(4, nbytes=counts.counts.nbytes // 2)
    lm = fastlm.mix([network, small, counts], texts=VALID)
    assert lm.counts.counts == counts.counts.counts
    assert lm.weights.shape == (16, 2)


@pytest.mark.parametrize(
    ("others", "settings", "message"),
    [
        ([], {"texts": VALID}, "two or more"),
        ([make_mixture(tokenizer="word")], {"texts": VALID}, "of one vocabulary"),
        (models("file")[:1], {"texts": VALID}, "documents of model 2"),
        ([models()[2], counts_alone(3)], {"texts": VALID}, "2 of the models have counts, of diff"),
        ([models()[1]], {}, "give valid or texts"),
        ([models()[1]] * 16, {"texts": VALID}, "17 members"),
    ],
)
def test_what_does_not_go_together_is_refused(others, settings, message):
    with pytest.raises(ConfigError, match=message) as caught:
        fastlm.mix([models()[0], *others], **settings)
    assert "\n" not in str(caught.value)


def test_an_arpa_file_has_the_tokens_of_the_first_model(tmp_path):
    network, _, counts = models()
    export(counts, tmp_path / "c.arpa.gz", "arpa")
    lm = fastlm.mix([network, tmp_path / "c.arpa.gz"], texts=VALID)
    assert lm.tokenizer == network.tokenizer
    assert lm.documents == "lines"
    expected = fastlm.mix([network, counts], texts=VALID)
    np.testing.assert_allclose(lm.weights, expected.weights, atol=1e-3)
    assert lm.details["valid_loss"] == pytest.approx(expected.details["valid_loss"], abs=1e-5)
    other = build_tokenizer("char", ["xyz"])
    with pytest.raises(ModelFileError, match="which the vocabulary does not have"):
        fastlm.mix([model_of(other, "lines"), tmp_path / "c.arpa.gz"], texts=["x"])
