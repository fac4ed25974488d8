"""``train(remember=True)``: the model knows the lines it has read, however it came by them."""

from __future__ import annotations

import pytest

import fastlm
from fastlm.api.inspection import Inspection
from fastlm.errors import ConfigError, ModelFileError
from fastlm.model.model_file import read_model_file, write_model_file

NAMES = "".join(f"{a}{b}{c}\n" for a in "klmn" for b in "aeiou" for c in ("ra", "lo", "sin", "t"))
HOW = {"documents": "lines", "remember": True, "valid": 0.1, "steps": 3, "counts": "none"}


def knows(lm, line):
    return lm.remembered.holds(lm.tokenizer.encode(line))


@pytest.fixture(scope="module")
def names():
    return fastlm.train(texts=NAMES, **HOW)


def test_it_knows_every_line_the_held_out_ones_too(names):
    assert names.details["valid_loss"] > 0
    assert all(knows(names, line) for line in NAMES.split())
    assert len(names.remembered) == len(NAMES.split())
    assert not knows(names, "kar")
    assert fastlm.train(texts=NAMES, **HOW | {"remember": False}).remembered is None


def test_the_network_is_the_same_as_without(names):
    other = fastlm.train(texts=NAMES, **HOW | {"remember": False})
    assert other.params.tobytes() == names.params.tobytes()


def test_the_file_keeps_the_lines(names, tmp_path):
    path = tmp_path / "names.safetensors"
    names.save(path)
    facts = Inspection(path).facts
    assert facts["remembered"] == {"lines": 80, "bytes": 640}
    for mmap in (False, True):
        lm = fastlm.load(path, mmap=mmap)
        assert lm.remembered.hashes.tolist() == names.remembered.hashes.tolist()
        assert lm.params.tobytes() == names.params.tobytes()
    tensors, metadata = read_model_file(path)
    tensors["remembered"] = tensors["remembered"][::-1].copy()
    write_model_file(path, tensors, metadata)
    with pytest.raises(ModelFileError, match="increasing order"):
        fastlm.load(path)


def test_more_text_is_remembered_too(names, tmp_path):
    path = tmp_path / "names.safetensors"
    names.save(path)
    more = fastlm.load(path).train_more(["kar\nlam\n"], steps=1)
    assert knows(more, "kar")
    assert knows(more, "kara")
    begun = fastlm.train(texts="kora\nlina\nmosin\n" * 9, init=path, steps=1, valid=0)
    assert knows(begun, "kora")
    assert knows(begun, "kara")


def test_a_resumed_run_remembers(tmp_path):
    (tmp_path / "names.txt").write_text(NAMES)
    checkpoint = tmp_path / "c.safetensors"
    fastlm.train(tmp_path / "names.txt", checkpoint=checkpoint, **HOW)
    resumed = fastlm.train(checkpoint=checkpoint, resume=True, steps=5)
    assert knows(resumed, "kara")


def test_counts_and_mixtures_remember(names):
    counts = fastlm.train(
        texts=NAMES, tokenizer=names.tokenizer, counts_only=True, order=3, documents="lines",
        remember=True, valid=0,
    )  # fmt: skip
    assert knows(counts, "kara")
    mixed = fastlm.mix([names, counts], texts=NAMES)
    assert knows(mixed, "kara")
    counts.remembered = None
    assert fastlm.mix([names, counts], texts=NAMES).remembered is None
    beside = fastlm.train(texts=NAMES, **HOW | {"counts": 3})
    assert knows(beside, "kara")


def test_lines_of_files_of_characters():
    lm = fastlm.train(texts=NAMES, **HOW | {"documents": "file"})
    assert len(lm.remembered) == 80
    assert knows(lm, "kara")


def test_tokens_that_do_not_tell_lines_apart_are_refused():
    how = HOW | {"documents": "file"}
    with pytest.raises(ConfigError, match=r"tokens of word in file .* documents='lines'"):
        fastlm.train(texts=NAMES, tokenizer="word", **how)
    lines = fastlm.train(texts=NAMES, tokenizer="word", **HOW)
    assert knows(lines, "kara")
    with pytest.raises(ConfigError, match="do not tell apart"):
        fastlm.train(texts=NAMES, tokenizer="word", counts_only=True, order=2, remember=True)
