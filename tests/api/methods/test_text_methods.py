"""Generation and evaluation by the methods of a model, against the float64 oracle."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastlm.errors import ConfigError, CorpusError, TextError, TokenizerError
from fastlm.tokenizers import build_tokenizer
from tests import naive
from tests.api.models import TEXT, TOKENIZERS, make_model
from tests.inference.models import make_model as scored_model

PROMPTS = ["", " ", "to", "to ", "don'", '"to be', "3", "boys' ", "\n", "to\nbe -"]


def biased(model, **bias_of_token):
    """The model with these added to the logits of the tokens with these names."""
    for token, bias in bias_of_token.items():
        model.tensors["output.bias"][model.tokenizer.id_of(token.replace("end", "<end>"))] += bias
    return model


def oracle_logits(model, ids):
    config = model.config
    shape = naive.NaiveConfig(
        vocab=config.vocab, context=config.context, embed=config.embed, hidden=config.hidden
    )
    tensors = naive.split(model.params.astype(np.float64), shape)
    boundary = -1 if config.boundary is None else config.boundary
    context = naive.context_before(ids, len(ids), config.context, boundary)
    return naive.forward(tensors, shape, [context]).logits[0]


# ---------------------------------------------------------------------------- generation


@pytest.mark.parametrize("kind", TOKENIZERS)
@pytest.mark.parametrize("prompt", ["", "to", "to be, or not to be"])
def test_generate_begins_with_the_prompt_and_adds_length_tokens(kind, prompt):
    model = make_model(kind)
    text = model.generate(prompt, length=30, seed=1)
    assert text.startswith(prompt)
    if kind != "byte" and kind != "bytes without end":  # their tokens may make broken characters
        prompt_tokens = model.tokenizer.encode(prompt).size
        assert model.tokenizer.encode(text).size == prompt_tokens + 30
    assert model.generate(prompt, length=0) == prompt


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_next_token_logits_are_those_of_the_oracle(kind):
    model = make_model(kind)
    for prompt in ("", "to", "not to be"):
        ids = model.tokenizer.encode(prompt)
        expected = oracle_logits(model, ids)
        found = model.next_token_logits(prompt)
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_greedy_follows_the_oracle():
    model = make_model("tiny", scale=1.0)
    ids = model.tokenizer.encode("the").tolist()
    for _ in range(10):
        ids.append(int(np.argmax(oracle_logits(model, ids))))
    assert model.generate("the", length=10, greedy=True) == model.tokenizer.decode(ids)
    assert model.generate("the", length=10, temperature=0) == model.tokenizer.decode(ids)
    assert model.generate("the", length=10, top_k=1, seed=5) == model.tokenizer.decode(ids)


def test_a_seed_gives_the_same_text_and_no_seed_another_every_time():
    model = make_model()
    assert model.generate("To", seed=4) == model.generate("To", seed=4)
    assert model.generate("To", seed=4) != model.generate("To", seed=5)
    assert model.generate("To") != model.generate("To")


def test_samples_depend_on_seed_and_number_only():
    model = make_model()
    five = model.sample(5, "To", length=20, seed=3)
    assert len(set(five)) == 5
    assert model.sample(2, "To", length=20, seed=3) == five[:2]
    assert model.generate("To", length=20, seed=3) == five[0]
    assert all(text.startswith("To") for text in five)


@settings(deadline=None, max_examples=60)
@given(
    kind=st.sampled_from(sorted(TOKENIZERS)),
    documents=st.sampled_from(["file", "lines", "paragraphs"]),
    prompt=st.sampled_from(PROMPTS),
    length=st.integers(0, 60),
    seed=st.integers(0, 1000),
    stop=st.booleans(),
)
def test_stream_and_generate_write_the_same(kind, documents, prompt, length, seed, stop):
    model = make_model(kind, documents)
    if kind in ("mini", "tiny", "bytes without end") or documents == "file":
        stop = None
    options = {"length": length, "seed": seed, "stop_at_end": stop}
    parts = list(model.stream(prompt, **options))
    assert prompt + "".join(parts) == model.generate(prompt, **options)
    assert "" not in parts


@pytest.mark.parametrize("kind", ["word", "whitespace", "mini"])
def test_a_long_text_streams_as_it_is_generated(kind):
    model = make_model(kind)
    parts = list(model.stream("to be,", length=400, seed=2))
    assert len(parts) > 60  # decoding in steps of a sixteenth
    text = model.generate("to be,", length=400, seed=2)
    assert "to be," + "".join(parts) == text
    whole = model.tokenizer.decode(model.tokenizer.encode(text))
    assert text == whole


def test_a_stream_of_characters_has_one_part_a_token():
    assert len(list(make_model("char").stream("to", length=50, seed=1))) == 50


def test_a_stream_never_breaks_a_character():
    euro = "€".encode()
    # The bytes of the euro sign after each other, and nothing else.
    model = make_model("byte", embed=257, hidden=(), context=1)
    embeddings, weight = model.tensors["embeddings"], model.tensors["output.weight"]
    embeddings[:] = np.eye(257)
    weight[:] = 0
    model.tensors["output.bias"][:] = 0
    for before, after in pairwise((*euro, euro[0])):
        weight[before + 1, after + 1] = 9
    weight[0, euro[0] + 1] = 9
    assert list(model.stream(length=9, greedy=True)) == ["€", "€", "€"]
    assert list(model.stream(length=8, greedy=True)) == ["€", "€", "\ufffd"]
    assert model.generate(length=8, greedy=True) == "€€\ufffd"


def test_unknown_is_never_chosen():
    model = biased(make_model("char"), **{"<unk>": 50.0})
    assert "\ufffd" not in model.generate(length=300, seed=1)
    assert "\ufffd" not in model.generate(length=10, greedy=True)


def test_the_end_is_never_chosen_where_a_document_is_a_file():
    model = biased(make_model("char"), end=50.0)
    assert len(model.generate(length=100, seed=1)) == 100


@pytest.mark.parametrize(("documents", "separator"), [("lines", "\n"), ("paragraphs", "\n\n")])
def test_the_end_ends_a_line_or_paragraph(documents, separator):
    tokenizer = build_tokenizer("char", ["abcdefgh"])  # without a line end of its own
    model = biased(make_model(tokenizer, documents), end=1.0)
    whole = model.generate("abc", length=100, seed=1, stop_at_end=False)
    assert separator in whole
    assert model.generate("abc", length=100, seed=1) == whole.split(separator)[0]
    assert model.generate("abc", length=100, seed=1, stop_at_end=True) == whole.split(separator)[0]
    lengths = {len(text) for text in model.sample(40, length=100, seed=2)}
    assert {1, 2, 3} < lengths
    assert 0 not in lengths  # no document was empty


def test_after_the_end_a_model_writes_as_at_the_start():
    tokenizer = build_tokenizer("char", ["abcdefgh"])
    model = biased(make_model(tokenizer, "lines", scale=1.0), end=2.0)
    text = model.generate(length=60, greedy=True, stop_at_end=False)
    lines = text.split("\n")
    assert len(lines) > 2
    assert lines[0]
    assert set(lines[:-1]) == {lines[0]}  # greedy, and each line begins with the same context


@pytest.mark.parametrize("kind", ["word", "whitespace"])
def test_each_line_of_words_is_spaced_by_itself(kind):
    model = biased(make_model(kind, "lines"), end=1.5)
    text = model.generate('"to', length=200, seed=1, stop_at_end=False)
    lines = text.split("\n")
    assert len(lines) > 5
    for line in lines[1:]:  # an open quote does not reach into the next line
        assert line == model.tokenizer.decode(model.tokenizer.encode(line))


@pytest.mark.parametrize(
    ("documents", "prompt", "seen"),
    [
        ("file", "ab\ncd", "ab\ncd"),
        ("lines", "ab\ncd", "cd"),
        ("lines", "ab\r\ncd", "cd"),
        ("lines", "ab\rcd", "cd"),
        ("lines", "ab\n", ""),
        ("paragraphs", "ab\ncd", "ab\ncd"),
        ("paragraphs", "ef\n\nab\ncd", "ab\ncd"),
        ("paragraphs", "ef\r\n \r\nab\ncd", "ab\ncd"),
    ],
)
def test_a_model_sees_the_last_document_of_a_prompt(documents, prompt, seen):
    tokenizer = build_tokenizer("char", ["abcdef\n"])
    model = make_model(tokenizer, documents, context=8)
    expected = oracle_logits(model, tokenizer.encode(seen))
    np.testing.assert_allclose(model.next_token_logits(prompt), expected, rtol=1e-4, atol=1e-5)


def test_unknown_characters_in_a_prompt_read_as_unknown():
    model = make_model("char")
    assert model.generate("☃☃ to", length=5, seed=1).startswith("☃☃ to")
    np.testing.assert_array_equal(model.next_token_logits("☃"), model.next_token_logits("☂"))


def test_a_prompt_that_a_model_without_unk_cannot_read():
    with pytest.raises(TokenizerError, match=r"'zebra' is not among the .* vocabulary"):
        make_model("mini").generate("the zebra")
    with pytest.raises(TokenizerError, match="the prompt is int, not str"):
        make_model().generate(3)
    with pytest.raises(TokenizerError, match="lone surrogate"):
        make_model().generate("\ud800")


def test_the_space_after_a_prompt_is_not_written_twice():
    model = biased(make_model("word"), the=60.0)
    assert model.generate("to be", length=2, greedy=True) == "to be the the"
    assert model.generate("to be ", length=2, greedy=True) == "to be the the"
    assert model.generate("", length=2, greedy=True) == "the the"
    assert model.generate("the boys'", length=1, greedy=True) == "the boys' the"


def test_words_join_the_prompt_as_they_join_each_other():
    model = biased(make_model("word"), **{",": 60.0})
    assert model.generate("to be", length=1, greedy=True) == "to be,"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"length": -1}, "length is -1; give a whole number of at least 0"),
        ({"length": 2.5}, "length is 2.5; give"),
        ({"temperature": -1}, "temperature is -1; give a number of at least 0"),
        ({"top_k": 0}, "top_k is 0; give"),
        ({"top_p": 0}, "top_p is 0; give"),
        ({"seed": -1}, "seed is -1; give"),
        ({"stop_at_end": True}, "stop_at_end is True, but this model knows no end of a line"),
        ({"lenght": 3}, "unknown setting 'lenght'; did you mean 'length'"),
        ({"qqq": 3}, "unknown setting 'qqq'; see help"),
    ],
)
def test_bad_settings_are_refused_at_the_call(options, message):
    model = make_model()
    for call in (model.generate, model.stream, lambda **o: model.sample(2, **o)):
        with pytest.raises(ConfigError, match=message):
            call(**options)


@pytest.mark.parametrize("n", [0, -1, 1.5, True])
def test_a_bad_number_of_samples_is_refused(n):
    with pytest.raises(ConfigError, match=f"number of samples is {n!r}; give a whole number of at"):
        make_model().sample(n)


# ---------------------------------------------------------------------------- measuring


@pytest.mark.parametrize("kind", ["char", "word", "whitespace", "byte"])
def test_perplexity_is_that_of_the_oracle(kind):
    model = make_model(kind)
    ids = [*model.tokenizer.encode(TEXT), model.tokenizer.boundary_id]
    losses = [
        naive.cross_entropy(oracle_logits(model, ids[:t])[None], [ids[t]])[0]
        for t in range(len(ids) - 1)
    ]
    assert model.perplexity(TEXT) == pytest.approx(math.exp(np.mean(losses)), rel=1e-4)
    found = model.evaluate(TEXT)
    assert found.tokens == len(losses)
    assert (found.chars, found.bytes) == (len(TEXT), len(TEXT.encode()))


def test_an_untrained_model_of_zeros_has_the_perplexity_of_its_vocabulary():
    model = make_model("byte", scale=0.0)
    assert model.perplexity("anything") == pytest.approx(257, rel=1e-6)


def test_text_is_cut_into_documents_as_in_training():
    model = make_model("char", "lines")
    one = model.evaluate("to be\nor not\n\n")
    assert one == model.evaluate(["to be", "or not"])
    assert one == model.evaluate(iter(["to be\n", "or not\n"]))
    assert one.tokens == one.chars == 13
    assert model.evaluate(["to be", "or not"], threads=2) == one
    assert make_model("char").evaluate("to be\nor not", documents="lines") == one


def test_nothing_to_measure_is_refused():
    for text in ("", [], ["", ""]):
        with pytest.raises(CorpusError, match="no document"):
            make_model().evaluate(text)
    with pytest.raises(TextError, match="text 1: int, not str"):
        make_model().evaluate(["to", 3])
    with pytest.raises(CorpusError, match="no document has the 5 tokens that this model needs"):
        make_model("tiny").perplexity("abc")
    with pytest.raises(ConfigError, match="documents is 'pages'; choose"):
        make_model().evaluate("to be", documents="pages")
    with pytest.raises(ConfigError, match="threads is 0; give a whole number of at least 1"):
        make_model().evaluate("to be", threads=0)


# ---------------------------------------------------------------------------- the next token


@pytest.mark.parametrize("prompt", ["", "the c", "q"])
def test_next_token_distribution(prompt):
    lm = scored_model()
    distribution = lm.next_token_distribution(prompt)
    assert distribution.dtype == np.float64
    assert distribution.sum() == pytest.approx(1, abs=1e-12)
    (found,) = lm.score([prompt + "a"], return_tokens=True)
    assert math.log(distribution[lm.tokenizer.id_of("a")]) == pytest.approx(
        found.token_log_probs[-1], rel=1e-5
    )


def test_top_k():
    lm = scored_model()
    distribution = lm.next_token_distribution("the ")
    best = lm.top_k("the ", 3)
    assert [p for _, p in best] == sorted(distribution, reverse=True)[:3]
    assert distribution[lm.tokenizer.id_of(best[0][0])] == best[0][1]
    assert len(lm.top_k("the ", 10**6)) == lm.config.vocab
    for k in (0, -1, 1.5, True):
        with pytest.raises(ConfigError, match="k is"):
            lm.top_k("the ", k)


def test_numbers_of_numpy_are_numbers():
    """Today: "length is np.int64(5); give a whole number of at least 0"."""
    model = make_model()
    settings = {"length": 5, "top_k": 3, "top_p": 0.5, "temperature": 0.5, "seed": 1}
    numpys = {
        "length": np.int64(5), "top_k": np.uint8(3), "top_p": np.float32(0.5),
        "temperature": np.float32(0.5), "seed": np.int64(1),
    }  # fmt: skip
    assert model.generate("to", **numpys) == model.generate("to", **settings)
    assert model.sample(np.int64(2), threads=np.int8(1), **numpys) == model.sample(2, **settings)
    assert model.top_k("to", np.int16(2)) == model.top_k("to", 2)
    scores = model.score(["to"], batch_chars=np.int64(1))
    assert next(scores).tokens == 2


def test_the_perplexities_of_several_texts_are_an_array():
    """Today every row of ``df["ppl"] = lm.perplexity(df.text)`` has the figure of all of them."""
    model = make_model("word", documents="lines")
    texts = ["To be, or not", "that's", "the question\nthe boys"]
    found = model.perplexity(texts)
    assert (found.dtype, found.shape) == (np.float64, (3,))
    np.testing.assert_allclose(found, [model.perplexity(text) for text in texts], rtol=1e-12)
    np.testing.assert_array_equal(found, model.perplexity(iter(texts), threads=1))
    assert isinstance(model.perplexity(texts[0]), float)
    assert model.perplexity([]).shape == (0,)
    pooled = model.evaluate(texts).perplexity
    assert min(found) < pooled < max(found)


def test_what_is_no_text_is_refused(tmp_path, monkeypatch):
    """Today they measure the name of a file, and of a column."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "corpus.txt").write_text("to be")
    model = make_model()
    for measure in (model.perplexity, model.evaluate):
        with pytest.raises(TokenizerError, match="expected text, got the name of a file, 'corpus"):
            measure("corpus.txt")
        with pytest.raises(TokenizerError, match="expected text, got the name of a file, 'corpus"):
            measure(["corpus.txt"])
    for measure in (model.perplexity, model.evaluate, model.score, model.score_arrays):
        with pytest.raises(TokenizerError, match="got a dict, which gives the names of its col"):
            list(measure({"text": ["to be"]}))


@pytest.mark.parametrize("kind", ["char", "byte", "word"])
def test_a_prompts_line_ends_are_those_of_a_corpus(kind):
    r"""Today \r\n gives other distributions where documents are files."""
    model = make_model(kind)
    expected = model.next_token_distribution("To be,\nor")
    for prompt in ("To be,\r\nor", "To be,\ror"):
        np.testing.assert_array_equal(model.next_token_distribution(prompt), expected)
        text = model.generate(prompt, length=5, seed=1)
        assert text.startswith(prompt)
        assert text[len(prompt) :] == model.generate("To be,\nor", length=5, seed=1)[9:]
