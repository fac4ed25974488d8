"""Words in one stream, with a token for each line end: what the field counts."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

import fastlm
from fastlm.cli.app import main
from fastlm.errors import TokenizerError

# 10 words, 4 line ends, of which one is after a blank line and one is not written.
TEXT = "the cat sat\non the mat\n\nthe dog <unk> sat"
TOKENS = 14
SETTINGS = {
    "steps": 30, "hidden": (8,), "embed": 4, "context": 3, "far": (), "batch": 8, "lr": 0.5,
    "valid": 0,
}  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """A text, a model of it, and a store."""
    folder = tmp_path_factory.mktemp("stream")
    (folder / "text").write_text(TEXT)
    lm = fastlm.train(folder / "text", tokenizer="whitespace", documents="stream", **SETTINGS)
    lm.save(folder / "m.safetensors")
    fastlm.prepare(
        folder / "text", folder / "s.tokens", tokenizer="whitespace", documents="stream", valid=0
    )
    return folder


@pytest.fixture
def lm(files):
    return fastlm.load(files / "m.safetensors")


def test_the_perplexity_is_that_of_words_and_line_ends_each_after_all_before(lm):
    words = [*TEXT.replace("\n", " \n ").split(" "), "\n"]
    tokens = [lm.tokenizer.id_of(word) for word in words if word]
    assert len(tokens) == TOKENS
    log_prob = sum(
        math.log(lm.next_token_distribution(lm.tokenizer.decode(tokens[:at]))[token])
        for at, token in enumerate(tokens)
    )
    found = lm.evaluate(TEXT)
    assert (found.tokens, found.oov) == (TOKENS, 1)
    assert found.chars == len(TEXT) + 1
    assert found.perplexity == pytest.approx(math.exp(-log_prob / TOKENS), rel=1e-6)
    (score,) = lm.score([TEXT], return_tokens=True)
    assert score.tokens == TOKENS
    assert score.log_prob == pytest.approx(log_prob, rel=1e-6)


def test_contexts_cross_line_ends(lm):
    after = [lm.next_token_distribution(f"{words}\n") for words in ("the cat", "on dog")]
    assert not np.array_equal(*after)


def test_a_line_end_after_the_last_line_changes_nothing(lm):
    assert lm.evaluate(TEXT + "\n") == lm.evaluate(TEXT)
    assert lm.evaluate(TEXT.replace("\n", "\r\n")) == lm.evaluate(TEXT)


def test_text_store_and_command_line_agree(lm, files, capsys):
    store = fastlm.TokenStore.open(files / "s.tokens")
    assert store.tokenizer == lm.tokenizer
    assert store.count == TOKENS + 1  # <end>
    found = lm.evaluate(store)
    assert found.log_prob == pytest.approx(lm.evaluate(TEXT).log_prob, rel=1e-6)
    assert (found.tokens, found.chars) == (TOKENS, len(TEXT) + 1)
    again = fastlm.train(files / "s.tokens", **SETTINGS)
    assert np.array_equal(again.params, lm.params)
    for name in ("text", "s.tokens"):
        main(["eval", str(files / "m.safetensors"), str(files / name), "--json",
              "--documents", "stream"])  # fmt: skip
        assert json.loads(capsys.readouterr().out)["tokens"] == TOKENS


def test_the_loss_of_validation_counts_the_same_tokens(lm, files):
    seen = []

    class Listener(fastlm.Callback):
        def on_validation(self, validation):
            seen.append(validation.perplexity)

    settings = SETTINGS | {"valid": files / "text", "steps": 10, "counts": "none"}
    lm = fastlm.train(
        files / "text", tokenizer="whitespace", documents="stream", callbacks=[Listener()],
        **settings,
    )  # fmt: skip
    assert min(seen) == pytest.approx(lm.evaluate(TEXT).perplexity, rel=1e-6)


def test_it_writes_lines(lm, files, capsys):
    text = lm.generate("the", length=40, seed=1)
    assert text.count("\n") > 2
    assert lm.tokenizer.decode(lm.tokenizer.encode(text)) == text
    assert "\n" not in lm.generate("the", length=40, seed=1, stop="\n")
    main(["generate", str(files / "m.safetensors"), "--documents", "lines", "--seed", "1"])
    assert capsys.readouterr().out.count("\n") == 1
    main(["generate", str(files / "m.safetensors"), "--documents", "stream", "--seed", "1"])


def test_other_models_know_no_stream(files, capsys):
    lm = fastlm.train(files / "text", tokenizer="whitespace", **SETTINGS)
    with pytest.raises(TokenizerError, match="this whitespace tokenizer has no token for line en"):
        lm.evaluate(TEXT, documents="stream")
    with pytest.raises(TokenizerError, match="has no token for line ends"):
        fastlm.train(files / "text", tokenizer=lm.tokenizer, documents="stream", **SETTINGS)
    lm.save(files / "other.safetensors")
    assert main(["generate", str(files / "other.safetensors"), "--documents", "stream"]) == 1
    assert "this model's documents are 'file'; leave it out" in capsys.readouterr().err


@pytest.mark.parametrize("kind", ["char", "byte"])
def test_line_ends_of_characters_and_bytes_are_tokens_anyway(files, kind):
    lm = fastlm.train(files / "text", tokenizer=kind, documents="stream", **SETTINGS)
    assert lm.evaluate(TEXT).tokens == len(TEXT) + 1


def test_a_run_goes_on_from_its_checkpoint(files):
    settings = SETTINGS | {"checkpoint": files / "c.safetensors"}
    fastlm.train(files / "text", tokenizer="word", documents="stream", **settings | {"steps": 10})
    # It reads the text again, and refuses other tokens.
    again = fastlm.train(resume=True, checkpoint=files / "c.safetensors", steps=30)
    assert (again.documents, again.tokenizer.line_ends) == ("stream", True)
