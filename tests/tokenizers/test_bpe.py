"""Byte pair encoding through the `tokenizers` library."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import fastlm
from fastlm.api.language_model import LanguageModel
from fastlm.config import Config, ModelConfig, TrainingConfig
from fastlm.data.token_store import TokenStore
from fastlm.errors import CorpusError, MissingLibraryError, TokenizerError
from fastlm.model.initialization import scaled_params
from fastlm.text.documents import split_documents
from fastlm.tokenizers import (
    END,
    UNK,
    BpeTokenizer,
    Tokenizer,
    build_tokenizer,
    tokenizer_from_dict,
    train_bpe,
)
from fastlm.tokenizers.blocks import block_encoder
from fastlm.tokenizers.safe_cut import safe_cut
from fastlm.training.checkpoint import Origin
from fastlm.training.checkpoint_files import CheckpointFiles
from fastlm.training.trainer import Trainer

from .samples import SAMPLES, STREAM_TEXTS, TEXTS

library = pytest.importorskip("tokenizers")

TEXT = "The cat sat on the mat, and the cat saw the rat. " * 3 + "\n".join(SAMPLES.values())


@pytest.fixture(scope="module")
def tokenizer() -> BpeTokenizer:
    return train_bpe([TEXT], max_vocab=400)


def blocks_of(source: Tokenizer | str, documents: str, text: str, size: int) -> list[bytes]:
    data = text.encode()
    blocks = []
    start = stop = 0
    while stop < len(data):
        stop += size
        cut = safe_cut(source, documents, data[start:stop], stop >= len(data))
        if cut:
            blocks.append(data[start : start + cut])
            start += cut
    return blocks


def test_tokens(tokenizer: BpeTokenizer) -> None:
    assert tokenizer.boundary_id == 0
    assert tokenizer.token(0) == END
    assert tokenizer.unk_id is None
    assert 257 < tokenizer.vocab_size <= 400
    assert tokenizer.dtype == np.uint16
    assert [tokenizer.token(i) for i in tokenizer.encode("the cat")] == ["the", "Ġcat"]
    assert tokenizer.id_of("Ġcat") == tokenizer.encode("the cat")[1]


@given(TEXTS)
@settings(deadline=None)
def test_round_trip_of_any_text(tokenizer: BpeTokenizer, text: str) -> None:
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert 0 not in ids


def test_special_tokens_in_text_are_text(tokenizer: BpeTokenizer) -> None:
    ids = tokenizer.encode("a <end> b <unk>")
    assert 0 not in ids
    assert tokenizer.decode(ids) == "a <end> b <unk>"


def test_long_text_equals_its_pieces(
    tokenizer: BpeTokenizer, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = tokenizer.encode(TEXT)
    monkeypatch.setattr("fastlm.tokenizers.bpe.PART", 7)
    monkeypatch.setattr("fastlm.tokenizers.bpe.PARTS", 3)
    assert np.array_equal(tokenizer.encode(TEXT), whole)
    assert train_bpe([TEXT], max_vocab=400) == tokenizer


@given(STREAM_TEXTS, st.sampled_from(["file", "lines", "paragraphs"]), st.integers(1, 40))
@settings(deadline=None)
def test_blocks_give_what_the_whole_gives(
    tokenizer: BpeTokenizer, text: str, documents: str, size: int
) -> None:
    encoder = block_encoder(tokenizer, documents)
    ids = [i for b in blocks_of(tokenizer, documents, text, size) for i in encoder.encode(b)]
    expected = (
        tokenizer.encode(text)
        if documents == "file"
        else tokenizer.encode_documents(split_documents(text, documents))
    )
    assert ids == expected.tolist()


@pytest.mark.parametrize("documents", ["file", "lines", "paragraphs"])
def test_training_on_blocks_is_training_on_the_text(documents: str) -> None:
    text = (TEXT + "\n\n" + TEXT).replace("\r", "")
    whole = train_bpe([text], max_vocab=500, documents=documents)
    for size in (37, 1000):
        parts = blocks_of("bpe", documents, text, size)
        assert len(parts) > 1
        assert train_bpe(iter(parts), max_vocab=500, documents=documents) == whole


def test_training_is_repeatable_and_limited(tokenizer: BpeTokenizer) -> None:
    assert train_bpe([TEXT], max_vocab=400).fingerprint() == tokenizer.fingerprint()
    assert train_bpe([TEXT], max_vocab=300).vocab_size == 300
    assert train_bpe([TEXT]).vocab_size < 8192
    often = train_bpe([TEXT], min_count=9)
    assert 257 < often.vocab_size < train_bpe([TEXT]).vocab_size
    assert train_bpe(["ab " * 9], max_vocab=256, boundary=False).vocab_size == 256


def test_json_and_pickle_round_trip(tokenizer: BpeTokenizer, tmp_path: Path) -> None:
    form = json.loads(json.dumps(tokenizer.to_dict()))
    tokenizer.save_vocab(tmp_path / "bpe.json")
    for again in (
        tokenizer_from_dict(form),
        pickle.loads(pickle.dumps(tokenizer)),
        build_tokenizer("bpe", vocab_file=tmp_path / "bpe.json"),
    ):
        assert again == tokenizer
        assert again.fingerprint() == tokenizer.fingerprint()
        assert np.array_equal(again.encode(TEXT), tokenizer.encode(TEXT))


def stable(tokenizer: Tokenizer, ids: list[int]) -> list[str]:
    """The stable text after each token; checked to be what it stays."""
    texts = [tokenizer.stable_text(ids[:n]) for n in range(1, len(ids) + 1)]
    for earlier, later in zip(texts, [*texts[1:], tokenizer.decode(ids)], strict=True):
        assert later.startswith(earlier)
    return texts


@pytest.mark.parametrize("text", ["naïve 第三 😀", "a  b\n c"])
def test_text_is_stable_when_a_character_is_whole(tokenizer: BpeTokenizer, text: str) -> None:
    assert tokenizer.decodes_independently
    texts = stable(tokenizer, tokenizer.encode(text).tolist())
    assert texts[-1] == text
    assert not any("\ufffd" in part for part in texts)


def test_half_a_character_is_no_error(tokenizer: BpeTokenizer) -> None:
    ids = tokenizer.encode("a😀").tolist()[:-1]
    assert tokenizer.decode(ids).rstrip("\ufffd") == tokenizer.stable_text(ids) == "a"


class TestFilesOfTheLibrary:
    def save(self, tmp_path: Path, made) -> Path:
        path = tmp_path / "library.json"
        made.save(str(path))
        return path

    def test_byte_level(self, tmp_path: Path) -> None:
        made = library.Tokenizer(library.models.BPE())
        made.pre_tokenizer = library.pre_tokenizers.ByteLevel(add_prefix_space=False)
        made.decoder = library.decoders.ByteLevel()
        trainer = library.trainers.BpeTrainer(
            vocab_size=300,
            special_tokens=["<|endoftext|>"],
            initial_alphabet=library.pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        )
        made.train_from_iterator([TEXT], trainer)
        made.enable_truncation(3)
        made.enable_padding(length=5)
        tokenizer = build_tokenizer("bpe", vocab_file=self.save(tmp_path, made))
        assert tokenizer.vocab_size == made.get_vocab_size() + 1
        assert tokenizer.boundary_id == made.get_vocab_size()
        made.no_truncation()
        made.no_padding()
        assert tokenizer.encode(TEXT).tolist() == made.encode(TEXT).ids
        ids = tokenizer.encode("a<|endoftext|>")
        assert 0 not in ids
        assert tokenizer.decode(ids) == "a<|endoftext|>"
        assert safe_cut(tokenizer, "file", b"one two", final=False) == 3
        without = build_tokenizer("bpe", vocab_file=tmp_path / "library.json", boundary=False)
        assert without.boundary_id is None
        assert tokenizer_from_dict(tokenizer.to_dict()) == tokenizer

    def test_word_pieces(self, tmp_path: Path) -> None:
        words = ["[UNK]", "the", "cat", "##s", ".", "s"]
        model = library.models.WordPiece(dict(zip(words, range(6), strict=True)), unk_token="[UNK]")
        made = library.Tokenizer(model)
        made.pre_tokenizer = library.pre_tokenizers.Whitespace()
        made.decoder = library.decoders.WordPiece()
        tokenizer = build_tokenizer("bpe", vocab_file=self.save(tmp_path, made))
        assert tokenizer.unk_id == 0
        assert tokenizer.token(0) == UNK
        assert tokenizer.encode("the cats sing.").tolist() == [1, 2, 3, 0, 4]
        # Rules that are not known: nothing is cut.
        assert safe_cut(tokenizer, "file", b"the cats the cats ", final=False) == 0
        assert safe_cut(tokenizer, "file", b"the cats the cats ", final=True) == 18
        assert safe_cut(tokenizer, "lines", b"the\ncats", final=False) == 4
        ids = [1, 2, 3, 1, 2, 4]
        assert not tokenizer.decodes_independently
        assert stable(tokenizer, ids)[-1] == "the cats the cat"
        assert tokenizer.decode(ids) == "the cats the cat."

    def test_end_as_a_word(self, tmp_path: Path) -> None:
        for unknown in ("[UNK]", "none"):
            vocab = {"[UNK]": 0, "<end>": 1, "a": 2}
            made = library.Tokenizer(library.models.WordLevel(vocab, unk_token=unknown))
            made.pre_tokenizer = library.pre_tokenizers.WhitespaceSplit()
            tokenizer = build_tokenizer("bpe", vocab_file=self.save(tmp_path, made))
            assert tokenizer.boundary_id == 1
            if unknown == "[UNK]":
                assert tokenizer.encode("a <end> a").tolist() == [2, 0, 2]
            else:
                with pytest.raises(TokenizerError, match="the text holds <end>"):
                    tokenizer.encode("a <end> a")

    def test_dropout_is_left_out(self, tmp_path: Path) -> None:
        form = train_bpe([TEXT], max_vocab=300).to_dict()["tokenizer"]
        form = {**form, "model": {**form["model"], "dropout": 0.9}}
        (tmp_path / "t.json").write_text(json.dumps(form), encoding="utf-8")
        tokenizer = build_tokenizer("bpe", vocab_file=tmp_path / "t.json")
        assert len({tuple(tokenizer.encode(TEXT).tolist()) for _ in range(5)}) == 1

    def test_ids_with_holes(self, tmp_path: Path) -> None:
        made = library.Tokenizer(library.models.WordLevel({"a": 0, "b": 5}, unk_token="a"))
        path = self.save(tmp_path, made)
        with pytest.raises(TokenizerError, match=r"library\.json: the 2 tokens .* ids 0 to 1"):
            build_tokenizer("bpe", vocab_file=path, boundary=False)

    def test_another_kind_is_asked_for(self, tmp_path: Path) -> None:
        made = library.Tokenizer(library.models.WordLevel({"a": 0, "b": 1}, unk_token="a"))
        with pytest.raises(TokenizerError, match="tokenizers library, not a word vocabulary"):
            build_tokenizer("word", vocab_file=self.save(tmp_path, made))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_vocab": 100}, "max_vocab 100 has no room for the 256 bytes and <end>; use at least"),
        ({"max_vocab": 0}, "max_vocab is 0; give a whole number of at least 1"),
        ({"lowercase": True}, "keeps the case of letters; leave lowercase out"),
        ({"vocab_file": "v.txt"}, r"name ends in \.json; v\.txt does not"),
        ({"vocab_file": "v.json", "max_vocab": 500}, "max_vocab 500 has no effect with a vocab"),
    ],
)
def test_settings_that_do_not_fit(options: dict, message: str) -> None:
    with pytest.raises(TokenizerError, match=message):
        build_tokenizer("bpe", [TEXT], **options)


def test_no_text() -> None:
    for texts in ([], [""]):
        with pytest.raises(TokenizerError, match="no text to learn a bpe vocabulary from"):
            train_bpe(texts)
    with pytest.raises(TokenizerError, match="expected several texts, got one str"):
        train_bpe("text")


def test_an_error_in_the_stream_comes_through() -> None:
    def stream():
        yield TEXT
        raise CorpusError("the file ends early")

    with pytest.raises(CorpusError, match="the file ends early"):
        train_bpe(stream())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"model": {"type": "BPE"}}', "library cannot read this tokenizer"),
        ('{"kind": "bpe"}', "bpe tokenizer's JSON form lacks 'tokenizer'"),
        ('{"kind": "bpe", "tokenizer": {}}', "library cannot read this tokenizer"),
        ('{"kind": "byte", "boundary": true}', "kind 'bpe' contradicts the tokenizer"),
        ("[]", "JSON form is an object, got list"),
    ],
)
def test_bad_files(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "t.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(TokenizerError, match=message):
        build_tokenizer("bpe", vocab_file=path)


def test_save_vocab_wants_json(tokenizer: BpeTokenizer, tmp_path: Path) -> None:
    with pytest.raises(TokenizerError, match=r"ends in \.json, not "):
        tokenizer.save_vocab(tmp_path / "v.txt")


def test_without_the_library(tokenizer: BpeTokenizer, monkeypatch, tmp_path: Path) -> None:
    tokenizer.save_vocab(tmp_path / "bpe.json")
    config = ModelConfig(vocab=tokenizer.vocab_size, context=1, embed=1, hidden=(), boundary=0)
    LanguageModel(config, scaled_params(config, 0), tokenizer).save(tmp_path / "m.safetensors")
    tokens = tokenizer.encode(TEXT)
    Trainer(
        Config(model=config, training=TrainingConfig(steps=1, batch=1)),
        tokens,
        origin=Origin(tokenizer=tokenizer),
        checkpoints=CheckpointFiles(tmp_path / "c.safetensors"),
    ).fit()
    fastlm.prepare(None, tmp_path / "s.tokens", texts=[TEXT], tokenizer=tokenizer, valid=0)
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    remedy = r"^the bpe tokenizer needs .* pip install tokenizers$"
    with pytest.raises(MissingLibraryError, match=remedy):
        build_tokenizer("bpe", [TEXT])
    with pytest.raises(MissingLibraryError, match=remedy):
        build_tokenizer("bpe", vocab_file=tmp_path / "bpe.json")
    with pytest.raises(MissingLibraryError, match=remedy):
        LanguageModel.load(tmp_path / "m.safetensors")
    with pytest.raises(MissingLibraryError, match=remedy):
        Trainer.resume(tmp_path / "c.safetensors", tokens)
    with pytest.raises(MissingLibraryError, match=remedy):
        _ = TokenStore.open(tmp_path / "s.tokens").tokenizer


def test_it_is_imported_when_needed() -> None:
    code = "import sys, fastlm.tokenizers; print('tokenizers' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"
