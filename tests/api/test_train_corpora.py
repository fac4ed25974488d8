"""Defaults on text that is not prose: no run needs to be rolled back."""

from __future__ import annotations

import contextlib

import pytest

import fastlm
from fastlm.callbacks import Callback
from tests.corpora import CORPORA, corpus_text

LINES = {"domains", "addresses", "molecules", "chess", "hashes"}
TOKENIZERS = ("char", "word", "whitespace", "bpe")


class Enough(Exception):
    """Ends a run whose rate can only fall from here."""


class Watch(Callback):
    def __init__(self, steps):
        self.steps = steps
        self.rollbacks = []
        self.losses = []

    def on_notice(self, notice):
        if notice.kind == "rollback":
            self.rollbacks.append(notice.message)

    def on_progress(self, progress):
        self.losses.append(progress.loss)
        if progress.step > self.steps:
            raise Enough


def watch(name, tokenizer, batch=None, seed=0, **settings):
    """Train with the defaults for 150 steps; return what was seen."""
    seen = Watch(150)
    with contextlib.suppress(Enough):
        fastlm.train(
            texts=[corpus_text(name, seed)],
            tokenizer=tokenizer,
            documents="lines" if name in LINES else "file",
            batch=batch,
            seed=seed,
            callbacks=[seen],
            cache=False,
            **settings,
        )
    return seen


def check(seen):
    assert seen.rollbacks == []
    assert max(seen.losses) < seen.losses[0] + 2


@pytest.mark.parametrize(
    ("name", "tokenizer", "batch"),
    [
        ("domains", "word", None),
        ("domains", "whitespace", 16_384),
        ("dna", "char", 8192),
        ("copies", "char", None),
    ],
)
def test_no_rollback(name, tokenizer, batch):
    check(watch(name, tokenizer, batch))


@pytest.mark.slow
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("batch", [None, 2048, 8192, 16_384])
@pytest.mark.parametrize("tokenizer", TOKENIZERS)
@pytest.mark.parametrize("name", CORPORA)
def test_no_rollback_anywhere(name, tokenizer, batch):
    for seed in range(5 if batch is None else 1):
        check(watch(name, tokenizer, batch, seed))
