"""A language model's parts, and its way to a file and back."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fastlm.api.language_model import LanguageModel
from fastlm.config import ModelConfig, TrainingConfig
from fastlm.errors import ConfigError, ModelFileError
from fastlm.model.model_file import read_model_file, write_model_file
from fastlm.tokenizers import ByteTokenizer, CharTokenizer
from tests.api.models import TOKENIZERS, make_model

# ---------------------------------------------------------------------------- the model


def test_tensors_are_views_of_the_parameters():
    model = make_model()
    model.tensors["output.bias"][:] = 7
    assert model.params[-model.config.vocab :].tolist() == [7] * model.config.vocab
    assert model.layout.size == model.params.size


def test_repr_is_one_line_with_the_sizes():
    model = make_model(context=6, embed=2, hidden=(9, 8))
    assert repr(model) == (
        f"LanguageModel(char, vocab={model.config.vocab}, context=6, embed=2, hidden=(9, 8), "
        f"combine='concat', parameters={model.params.size}, documents='file')"
    )


def test_read_only_parameters_become_usable():
    model = make_model()
    params = model.params.copy()
    params.flags.writeable = False
    again = LanguageModel(model.config, params, model.tokenizer)
    assert again.generate(seed=1, length=5) == model.generate(seed=1, length=5)


def test_parts_that_do_not_fit_together_are_refused():
    model = make_model()
    config, params, tokenizer = model.config, model.params, model.tokenizer
    with pytest.raises(ConfigError, match="tokenizer has 27 tokens, but the model's vocab is"):
        LanguageModel(config, params, CharTokenizer.tiny())
    with pytest.raises(
        ConfigError, match=r"params are float32 of shape \(3,\); give float32 of sh"
    ):
        LanguageModel(config, params[:3], tokenizer)
    with pytest.raises(ConfigError, match="params are float64 of shape"):
        LanguageModel(config, params.astype(np.float64), tokenizer)
    with pytest.raises(
        ConfigError, match="documents is 'pages'; choose one of file, paragraphs, l"
    ):
        LanguageModel(config, params, tokenizer, documents="pages")
    without_end = ModelConfig(vocab=257, context=4, embed=3, hidden=(5,))
    with pytest.raises(ConfigError, match="boundary token has id 0, but the model's boundary is"):
        LanguageModel(without_end, np.zeros(9, dtype=np.float32), ByteTokenizer())


# ---------------------------------------------------------------------------- the file


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.safetensors"


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_a_model_comes_back_from_its_file(path, kind):
    model = make_model(kind, "lines", hidden=(5, 4))
    model.training = TrainingConfig(lr=0.1, epochs=2.5)
    model.details = {"step": 12, "valid_loss": 0.1, "who": "Zoë"}
    model.save(path)
    again = LanguageModel.load(path)
    assert again.params.tobytes() == model.params.tobytes()
    assert again.params.flags.writeable
    assert again.config == model.config
    assert again.tokenizer == model.tokenizer
    assert again.documents == "lines"
    assert again.training == model.training
    assert again.details == model.details
    assert again.generate("to", length=20, seed=1) == model.generate("to", length=20, seed=1)
    content = path.read_bytes()
    again.save(path)
    assert path.read_bytes() == content


def test_a_model_without_training_comes_back(path):
    model = make_model(hidden=(), bias=False, combine="mean")
    model.save(str(path))
    again = LanguageModel.load(str(path))
    assert again.training is None
    assert again.details == {}
    assert again.config == model.config


def test_a_checkpoint_loads_as_a_model(path):
    model = make_model()
    extra = {"momentum.embeddings": np.ones(3, dtype=np.float32), "state.rates": np.zeros(2)}
    write_model_file(path, model.tensors | extra, model.metadata() | {"kind": "checkpoint"})
    assert LanguageModel.load(path).params.tobytes() == model.params.tobytes()


def test_weights_that_are_not_finite_are_neither_written_nor_read(path):
    model = make_model()
    metadata = model.metadata()
    model.params[3] = np.nan
    with pytest.raises(ModelFileError, match="tensor embeddings holds numbers that are not finite"):
        model.save(path)
    assert not path.exists()
    write_model_file(path, model.tensors, metadata)
    with pytest.raises(ModelFileError, match="tensor embeddings holds numbers that are not finite"):
        LanguageModel.load(path)


def change_tensor(name, tensor):
    def change(tensors, metadata):
        if tensor is None:
            del tensors[name]
        else:
            tensors[name] = tensor

    return change


def change_metadata(**changes):
    def change(tensors, metadata):
        metadata.update(changes)

    return change


def change_model(**changes):
    def change(tensors, metadata):
        metadata["model"].update(changes)

    return change


CONFIG = make_model().config
UNSOUND = [
    (change_tensor("output.bias", None), r"tensor output.bias of shape \(\d+,\) is missing"),
    (
        change_tensor("gate", np.zeros(2)),
        "tensor gate has no place in a model of its configuration",
    ),
    (
        change_tensor("hidden.1.bias", np.zeros(4, dtype=np.float32)),
        r"tensor hidden.1.bias is float32 of shape \(4,\), but its configuration needs float32 of "
        r"shape \(5,\)",
    ),
    (
        change_tensor("hidden.1.bias", np.zeros(5)),
        r"tensor hidden.1.bias is float64 of shape \(5,\), but its configuration needs float32",
    ),
    (change_metadata(kind="recipe"), "is a file of kind 'recipe', not a model or a checkpoint"),
    (change_metadata(kind=None), "is a file of kind None"),
    (change_metadata(model=None), "model configuration is not a JSON object"),
    (change_metadata(model={"context": 3}), "model configuration lacks 'vocab'"),
    (
        change_model(gates=3),
        "model configuration has a key 'gates' that this version",
    ),
    (change_model(context=0), "context is 0; give a whole number"),
    (change_model(hidden=3), r"tensor hidden.1.weight is float32 of shape \(12, 5\), but"),
    (change_model(embed=2**40), "a layer is wider than|tensor embeddings|embed is"),
    (change_model(hidden=[2**30]), r"tensor hidden.1.weight is float32 of shape \(12, 5\), but"),
    (change_model(vocab=CONFIG.vocab + 1), "tokenizer has .* tokens, but the model's vocab is"),
    (change_model(boundary=None), "boundary token has id 0, but the model's boundary is None"),
    (change_metadata(training=[]), "training configuration is not a JSON object"),
    (change_metadata(training={"batch": 0}), "batch is 0; give"),
    (change_metadata(tokenizer=None), "a tokenizer's JSON form is an object"),
    (change_metadata(tokenizer={"kind": "rune"}), "tokenizer is .rune.; choose one of char, word"),
    (change_metadata(documents="pages"), "documents is 'pages'; choose"),
    (change_metadata(documents=[]), r"documents is \[\]; choose"),
    (change_metadata(details=3), "its details are not a JSON object"),
]


@pytest.mark.parametrize(("change", "message"), UNSOUND)
def test_a_sound_file_of_an_unsound_model_is_refused(path, change, message):
    model = make_model()
    tensors, metadata = dict(model.tensors), model.metadata()
    change(tensors, metadata)
    write_model_file(path, tensors, metadata)
    with pytest.raises(ModelFileError, match=message) as caught:
        LanguageModel.load(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_metadata_that_lacks_a_key_is_refused_or_has_a_default(path):
    model = make_model()
    for key in model.metadata():
        metadata = model.metadata()
        del metadata[key]
        write_model_file(path, model.tensors, metadata)
        if key in ("training", "details", "documents"):
            assert LanguageModel.load(path).params.tobytes() == model.params.tobytes()
        else:
            with pytest.raises(ModelFileError):
                LanguageModel.load(path)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 2**33) | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data(), value=JSON.filter(lambda v: v not in (math.inf, -math.inf)))
def test_any_value_anywhere_in_the_metadata_is_a_model_or_a_clear_refusal(path, data, value):
    model = make_model()
    metadata = json.loads(json.dumps(model.metadata()))
    metadata["training"] = TrainingConfig().to_dict()
    section = data.draw(st.sampled_from([None, "model", "training", "tokenizer"]))
    target = metadata if section is None else metadata[section]
    target[data.draw(st.sampled_from(sorted(target)))] = value
    try:
        write_model_file(path, model.tensors, metadata)
    except ModelFileError:
        return  # an infinity deep inside
    message = ""
    try:
        LanguageModel.load(path)
    except ModelFileError as error:
        message = str(error)
    assert "\n" not in message


def test_the_metadata_of_a_file(path):
    model = make_model("byte")
    model.save(path)
    _, metadata = read_model_file(path)
    assert metadata["kind"] == "model"
    assert metadata["tokenizer"] == {"kind": "byte", "boundary": True}
    assert metadata["model"]["hidden"] == [5]
    assert metadata["training"] is None
