"""The demo: what a page holds, what is refused; and in a browser, numbers equal to ours."""

from __future__ import annotations

import json
import re
from base64 import b64decode

import numpy as np
import pytest

from fastlm.api.pages import demo
from fastlm.api.pages.demo import demo_data, half_error, write_demo
from fastlm.errors import ExportError, TokenizerError
from fastlm.tokenizers import build_tokenizer
from tests.api.models import TEXT, TOKENIZERS, make_model
from tests.chromium import answers, console_of, needs_chromium
from tests.inference.mixtures import make_mixture
from tests.pictures.scenes import fetches_nothing


def test_the_data_are_the_model():
    lm = make_model(far=(2, 3), cutoffs=(9,))
    data = json.loads(json.dumps(demo_data(lm, title="t")))
    weights = np.frombuffer(b64decode(data["weights"]), dtype="<f4")
    np.testing.assert_array_equal(weights, lm.params)
    assert data["names"] == [lm.tokenizer.token(id) for id in range(lm.config.vocab)]
    for name, tensor in lm.tensors.items():
        place = data["tensors"][name]
        part = weights[place["offset"] :][: tensor.size].reshape(place["shape"])
        np.testing.assert_array_equal(part, tensor)
    half = demo_data(lm, title="t", half=True)
    rounded = np.frombuffer(b64decode(half["weights"]), dtype="<f2")
    np.testing.assert_array_equal(rounded, lm.params.astype(np.float16))
    assert re.fullmatch(r"in 64 contexts a probability is off by at most \S+", half["error"])


def test_of_a_mixture_the_network_alone_is_in_the_page(tmp_path):
    lm = make_mixture("two networks and counts")
    lines = write_demo(lm, tmp_path / "d.html", title="t")
    assert "the network alone: its counts or others are left out" in lines
    data = demo_data(lm, title="t")
    assert data["about"].endswith("are left out")
    np.testing.assert_array_equal(np.frombuffer(b64decode(data["weights"]), "<f4"), lm.params)


def test_the_error_of_half_is_measured():
    lm = make_model(scale=1.0)
    said = float(half_error(lm, 4).rpartition(" ")[2])
    assert 0 < said < 0.1


def test_a_page(tmp_path):
    lm = make_model()
    lm.details = {"corpus": "</script><b>"}
    lines = write_demo(lm, tmp_path / "d.html", title="<t>", prompt="\n<The ")
    page = (tmp_path / "d.html").read_text(encoding="utf-8")
    assert "weights as float32; as trained" in lines[0]
    assert "<title>&lt;t&gt;</title>" in page
    assert page.count("<script") == page.count("</script>") == 2
    assert fetches_nothing(page)
    assert "default-src 'none'" in page
    (content,) = re.findall(r'id="model">(.*?)</script>', page)
    assert json.loads(content)["about"].endswith("trained on </script><b>")


def test_what_is_refused(tmp_path, monkeypatch):
    def refused(lm, message, **options):
        with pytest.raises(ExportError, match=message) as caught:
            write_demo(lm, tmp_path / "d.html", title="t", **options)
        assert len(str(caught.value)) < 200

    refused(make_mixture("counts"), "has counts alone, and a demo holds a network")
    monkeypatch.setattr(demo, "MOST_BYTES", 1000)
    refused(make_model(hidden=(40,)), r"the weights take .* and a demo at most 1\.0 kB; give half")
    refused(make_model(hidden=(400,)), "train a smaller model", half=True)
    monkeypatch.setattr(demo, "MOST_BYTES", 10**9)
    lm = make_model()
    lm.params[0] = 1e6
    refused(lm, "beyond 65,504", half=True)
    monkeypatch.setattr(demo, "KINDS", ("word",))
    refused(make_model(), "the tokenizer is char, which a demo cannot read")
    monkeypatch.setattr(demo, "KINDS", ("char",))
    with pytest.raises(TokenizerError):
        write_demo(make_model(build_tokenizer("char", ["abc"], unk=False)), tmp_path / "d.html",
                   title="t", prompt="xyz")  # fmt: skip
    with pytest.raises(ExportError, match="cannot write the demo"):
        write_demo(make_model(), tmp_path / "no" / "d.html", title="t")


PROMPTS = ["", "T", "The boys' 3.14 ", TEXT[:90], "naïve 日本の — “x”\n", "a_b/c; l'homme  "]
MODELS = {
    "char": {},
    "two layers": {"hidden": (7, 6), "context": 3},
    "mean": {"combine": "mean"},
    "linear": {"hidden": ()},
    "no biases": {"bias": False},
    "far": {"far": (3, 5)},
    "adaptive": {"cutoffs": (9, 20)},
    "byte": {"tokenizer": "byte"},
    "bytes without end": {"tokenizer": "bytes without end"},
    "tiny": {"tokenizer": "tiny", "combine": "mean"},
    "word": {"tokenizer": "word", "cutoffs": (12,), "far": (2,)},
    "mini": {"tokenizer": "mini"},
    "whitespace": {"tokenizer": "whitespace"},
    "lines": {"documents": "lines"},
    "paragraphs": {"documents": "paragraphs"},
}
ASK = """
return prompts.map((prompt) => ({
  ids: demo.encode(prompt),
  p: [...demo.distribution(prompt)],
  cold: [...demo.distribution(prompt, 0.5)],
  greedy: demo.generate(prompt, 20, {temperature: 0}),
}));
"""


@pytest.mark.slow
@needs_chromium
@pytest.mark.parametrize("name", MODELS)
def test_the_numbers_of_a_browser_are_ours(tmp_path, name):
    lm = make_model(**MODELS[name])
    write_demo(lm, tmp_path / "d.html", title=name)
    from fastlm.inference.generation import encode_prompt

    # Without <unk> the page refuses what we refuse.
    prompts = PROMPTS[:4] if lm.tokenizer.unk_id is None and name == "mini" else PROMPTS
    found = answers(tmp_path / "d.html", f"const prompts = {json.dumps(prompts)};{ASK}")
    for prompt, answer in zip(prompts, found, strict=True):
        assert answer["ids"] == encode_prompt(lm.text_model, prompt), prompt
        expected = lm.next_token_distribution(prompt)
        np.testing.assert_allclose(answer["p"], expected, atol=1e-6)
        cold = expected**2 / (expected**2).sum()
        np.testing.assert_allclose(answer["cold"], cold, atol=1e-6)
        written = lm.generate(prompt, 20, greedy=True)
        assert prompt + answer["greedy"] == written, prompt


@pytest.mark.slow
@needs_chromium
def test_half_is_as_near_as_it_says(tmp_path):
    lm = make_model(scale=1.0)
    lines = write_demo(lm, tmp_path / "d.html", title="half", half=True)
    (answer,) = answers(tmp_path / "d.html", "const prompts = ['The '];" + ASK)
    rounded = make_model(scale=1.0)
    rounded.params = lm.params.astype(np.float16).astype(np.float32)
    np.testing.assert_allclose(answer["p"], rounded.next_token_distribution("The "), atol=1e-6)
    said = float(lines[0].rpartition(" ")[2])
    assert np.abs(np.array(answer["p"]) - lm.next_token_distribution("The ")).max() < 3 * said


@pytest.mark.slow
@needs_chromium
def test_words_are_joined_as_ours(tmp_path):
    lm = make_model("word")
    write_demo(lm, tmp_path / "d.html", title="words")
    rng = np.random.default_rng(0)
    special = (lm.tokenizer.boundary_id, lm.tokenizer.unk_id)
    known = [id for id in range(lm.config.vocab) if id not in special]
    sequences = [rng.choice(known, 25).tolist() for _ in range(100)]
    ask = f"return {json.dumps(sequences)}.map((ids) => demo.tokenizer.decode(ids));"
    assert answers(tmp_path / "d.html", ask) == list(map(lm.tokenizer.decode, sequences))


@pytest.mark.slow
@needs_chromium
def test_draws_follow_temperature_top_k_and_top_p(tmp_path):
    lm = make_model(scale=1.0)
    write_demo(lm, tmp_path / "d.html", title="draws")
    ask = """
    let n = 0;
    const draw = (settings) => [...Array(1000).keys()].map((k) =>
      demo.model.next(demo.encode("The "), {...settings, random: () => (k + 0.5) / 1000}));
    return [draw({}), draw({topK: 3}), draw({topP: 0.5}), draw({temperature: 0.3})];
    """
    from fastlm.inference.generation import excluded_ids
    from fastlm.inference.sampling import Sampling

    settings = [{}, {"top_k": 3}, {"top_p": 0.5}, {"temperature": 0.3}]
    for drawn, options in zip(answers(tmp_path / "d.html", ask), settings, strict=True):
        logits = lm.next_token_logits("The ").astype(float)
        logits[excluded_ids(lm.text_model)] = -np.inf
        expected = Sampling(**options).probabilities(logits)
        shares = np.bincount(drawn, minlength=lm.config.vocab) / 1000
        np.testing.assert_allclose(shares, expected, atol=2e-3)


@pytest.mark.slow
@needs_chromium
def test_the_page_writes_and_shows_bars_by_itself(tmp_path):
    write_demo(make_model(), tmp_path / "d.html", title="page", prompt="The ")
    dom, console = console_of(tmp_path / "d.html")
    assert console == []
    (bars,) = re.findall(r'<div id="bars">(.*?)</div>', dom, re.DOTALL)
    assert bars.count("<button") == 10
    (output,) = re.findall(r'<div id="output"[^>]*>(.*?)</div>', dom, re.DOTALL)
    assert output.startswith("<b>The </b>")
    assert len(output) > 100
    assert "tokens in" in dom
    assert TOKENIZERS["char"].kind == "char"
