"""A model in pyctcdecode's form: its methods, its scores, and its beam search where installed."""

from __future__ import annotations

import inspect
import pickle

import numpy as np
import pytest

from fastlm.errors import ConfigError, ModelFileError
from fastlm.pipelines.ctc import CTCLanguageModel
from fastlm.tokenizers import build_tokenizer
from tests.inference.mixtures import KINDS, make_mixture
from tests.inference.models import CORPUS, make_model, model_of

# pyctcdecode.language_model.AbstractLanguageModel, version 0.5.0.
INTERFACE = {
    "order": None,
    "get_start_state": ["self"],
    "score_partial_token": ["self", "partial_token"],
    "score": ["self", "prev_state", "word", "is_last_word"],
    "save_to_dir": ["self", "filepath"],
    "load_from_dir": ["filepath"],
    "reset_params": ["self", "params"],
}
WORDS = build_tokenizer("word", [CORPUS + "cat sat the . a"], min_count=2)  # has <unk>


def test_it_has_the_methods_of_the_abstract_class():
    for name, parameters in INTERFACE.items():
        member = getattr(CTCLanguageModel, name)
        if parameters is None:
            assert isinstance(member, property)
        else:
            assert list(inspect.signature(member).parameters) == parameters


@pytest.mark.parametrize("lm", [make_model(), model_of(WORDS), *map(make_mixture, KINDS)], ids=repr)
def test_words_have_the_score_of_the_text(lm):
    model = CTCLanguageModel(lm, alpha=0.7, beta=2, unk_score_offset=0)
    state, total = model.get_start_state(), 0.0
    for number, word in enumerate(("the", "cat", "sat")):
        score, state = model.score(state, word, is_last_word=number == 2)
        total += score
    (text,) = lm.score(["the cat sat"], count_end=True)
    assert total == pytest.approx(0.7 * text.log_prob + 3 * 2, rel=1e-5)
    # What comes after goes on from before the end; without a word only the end counts.
    end, same = model.score(state, "", is_last_word=True)
    assert same == state
    assert end == pytest.approx(0.7 * lm.step(state.state, "<end>")[0])
    assert model.score(state, "") == (0.0, state)
    assert len({state, model.get_start_state()}) == 2


def test_unknown_words_and_their_beginnings_cost_more():
    model = CTCLanguageModel(model_of(WORDS))
    start = model.get_start_state()
    plain = CTCLanguageModel(model_of(WORDS), unk_score_offset=0)
    assert model.score(start, "zebra")[0] == plain.score(start, "zebra")[0] - 10
    assert model.score(start, "cat") == plain.score(start, "cat")
    assert [model.score_partial_token(text) for text in ("", "ca", "cat", "th")] == [0.0] * 4
    assert model.score_partial_token("cz") == -10
    assert model.score_partial_token("c" * 12) == -20
    characters = CTCLanguageModel(make_model())
    assert characters.score_partial_token("zzz") == 0
    assert characters.score(characters.get_start_state(), "猫")[0] < -10


def test_settings(tmp_path):
    model = CTCLanguageModel(make_model())
    model.reset_params(alpha=1.0, beta=0.0, score_boundary=False)
    assert (model.alpha, model.beta, model.score_boundary) == (1.0, 0.0, False)
    assert model.score(model.get_start_state(), "", is_last_word=True)[0] == 0
    for wrong in ({"alpha": "x"}, {"unk_score_offset": 1}, {"gamma": 1}):
        with pytest.raises(ConfigError):
            CTCLanguageModel(make_model()).reset_params(**wrong)
    assert CTCLanguageModel(make_model()).order == 4
    assert CTCLanguageModel(model_of(WORDS)).order == 6


def test_it_is_saved_and_pickled(tmp_path):
    lm = make_model()
    lm.save(tmp_path / "m.safetensors")
    model = CTCLanguageModel(tmp_path / "m.safetensors", alpha=2)
    expected = model.score(model.get_start_state(), "the")
    model.save_to_dir(str(tmp_path / "saved"))
    for other in (
        CTCLanguageModel.load_from_dir(str(tmp_path / "saved")),
        pickle.loads(pickle.dumps(model)),
        pickle.loads(pickle.dumps(CTCLanguageModel(lm, alpha=2))),
    ):
        assert other.score(other.get_start_state(), "the") == expected
    assert b"embeddings" not in pickle.dumps(model)
    with pytest.raises(ModelFileError, match=r"has no attrs\.json"):
        CTCLanguageModel.load_from_dir(str(tmp_path))


def logits_of(text, alphabet, sure=6.0):
    """Frames for each character, twice, and a blank between them."""
    frames = []
    for character in text:
        for name in (character, character, ""):
            row = np.zeros(len(alphabet))
            row[alphabet.index(name)] = sure
            frames.append(row)
    logits = np.array(frames)
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


def test_the_beam_search_of_pyctcdecode_takes_it():
    pyctcdecode = pytest.importorskip("pyctcdecode")
    from pyctcdecode.alphabet import Alphabet
    from pyctcdecode.language_model import AbstractLanguageModel

    abstract = AbstractLanguageModel.__abstractmethods__
    assert abstract <= set(INTERFACE)
    letters = ["", " ", *"acdehmnostw"]
    alphabet = Alphabet.build_alphabet(letters)
    lm = make_mixture("counts")
    decoder = pyctcdecode.BeamSearchDecoderCTC(alphabet, CTCLanguageModel(lm, alpha=1.0))
    logits = logits_of("the cat sat on a mat", letters)
    assert decoder.decode(logits) == "the cat sat on a mat"
    # Where the frames do not tell d from c, the model does.
    at = 3 * len("the ")
    for row in range(at, at + 2):
        high = logits[row].max()
        logits[row, letters.index("c")] = high - 0.02
        logits[row, letters.index("h")] = high
    assert decoder.decode(logits) == "the cat sat on a mat"
    plain = pyctcdecode.BeamSearchDecoderCTC(alphabet, None)
    assert plain.decode(logits) == "the hat sat on a mat"
    # In two parts, from the state of the first.
    state = CTCLanguageModel(lm).get_start_state()
    assert decoder.decode(logits, lm_start_state=state) == "the cat sat on a mat"
