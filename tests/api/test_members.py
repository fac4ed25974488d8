"""The members of a model in its file."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import fastlm
from fastlm.api.language_model import LanguageModel
from fastlm.errors import ConfigError, ModelFileError
from fastlm.model.model_file import read_model_file, write_model_file
from tests.counts.models import tiny_model
from tests.inference.mixtures import KINDS, make_mixture

TEXTS = ["the cat sat", "", "on a mat and the dog saw it", "3.14"]


def same(lm, other):
    for name, column in lm.score_arrays(TEXTS).to_dict().items():
        np.testing.assert_array_equal(column, getattr(other.score_arrays(TEXTS), name))
    assert lm.generate("the", length=20, seed=1) == other.generate("the", length=20, seed=1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_comes_back_from_its_file_and_from_copies(tmp_path, kind):
    lm = make_mixture(kind)
    path = tmp_path / "m.safetensors"
    lm.save(path)
    for other in (
        fastlm.load(path),
        fastlm.load(path, mmap=True),
        pickle.loads(pickle.dumps(lm)),
        copy.deepcopy(lm),
    ):
        same(lm, other)
        assert repr(other) == repr(lm)
        assert other.has_network == (kind != "counts")
    lm.save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == path.read_bytes()


def test_mapped_counts_are_views_of_the_file(tmp_path):
    make_mixture("network and counts").save(tmp_path / "m")
    lm = fastlm.load(tmp_path / "m", mmap=True)
    tables = lm.text_model.counts.tables
    for array in (tables.tokens, tables.children, tables.log_probs, tables.suffixes):
        owner = array
        while isinstance(owner.base, np.ndarray):
            owner = owner.base
        assert not owner.flags.owndata


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t, m: t.pop("mixture.weights"), "weights are missing"),
        (lambda t, m: t["mixture.weights"].__imul__(0.5), "not shares of 1"),
        (lambda t, m: t["mixture.weights"].__isub__(np.eye(12, 3)), "not shares of 1"),
        (lambda t, m: t.update({"mixture.weights": np.full((11, 3), 1 / 3)}), "of shape"),
        (lambda t, m: m.pop("counts"), "has no place"),
        (lambda t, m: m.pop("others"), "has no place"),
        (lambda t, m: m.update(others=7), "others"),
        (lambda t, m: m["others"].append(m["model"]), "missing"),
        (lambda t, m: t.update({"network.7.x": np.zeros(2)}), "has no place"),
        (lambda t, m: m["counts"].update(boundary=1), "boundary"),
        (lambda t, m: t["counts.children"].__iadd__(1), "out of order"),
        (lambda t, m: t["counts.log_probs"].fill(np.nan), "not finite|probability"),
        (lambda t, m: m.update(model=None), "has no place|missing"),
    ],
)
def test_what_no_model_writes_is_refused_in_one_line(tmp_path, change, message):
    path = tmp_path / "m"
    make_mixture("two networks and counts").save(path)
    tensors, metadata = read_model_file(path)
    change(tensors, metadata)
    write_model_file(path, tensors, metadata)
    with pytest.raises(ModelFileError, match=message) as caught:
        fastlm.load(path)
    assert "\n" not in str(caught.value)


def test_members_of_other_tokenizers_are_refused():
    lm = make_mixture("counts")
    with pytest.raises(ConfigError, match="vocab"):
        LanguageModel(None, None, lm.tokenizer, counts=tiny_model())
    with pytest.raises(ConfigError, match="needs a network or counts"):
        LanguageModel(None, None, lm.tokenizer)


def test_counts_alone_have_no_shape_and_say_so():
    lm = make_mixture("counts")
    assert lm.tensors == {}
    for name in ("config", "params", "layout"):
        with pytest.raises(ConfigError, match="counts alone"):
            getattr(lm, name)
