"""Small models with counts: alone, beside a network, beside two."""

from __future__ import annotations

import numpy as np

from fastlm.api.language_model import LanguageModel
from fastlm.engine.count_queries import bucket_count
from fastlm.tokenizers import build_tokenizer
from tests.counts.naive import NaiveModel
from tests.inference.models import CORPUS, model_of

KINDS = ("counts", "network and counts", "two networks", "two networks and counts")


def counts_of(tokenizer, order=3, text=CORPUS):
    """A back-off model of a short text."""
    documents = [tokenizer.encode(line).tolist() for line in text.splitlines()]
    return NaiveModel(documents, tokenizer.vocab_size, order, tokenizer.boundary_id).model()


def make_mixture(kind="network and counts", tokenizer="char", documents="lines", order=3):
    """A model of this kind, with random networks and weights."""
    if isinstance(tokenizer, str):
        tokenizer = build_tokenizer(tokenizer, [CORPUS])
    networks = [
        model_of(tokenizer, documents, seed, context=3 + seed)
        for seed in range(2 if kind.startswith("two") else int(kind != "counts"))
    ]
    counts = counts_of(tokenizer, order) if "counts" in kind else None
    members = len(networks) + (counts is not None)
    classes = 1 if counts is None else bucket_count(order)
    weights = np.random.default_rng(1).dirichlet(np.ones(members), classes)
    first = (networks[0].config, networks[0].params) if networks else (None, None)
    return LanguageModel(
        *first,
        tokenizer,
        documents=documents,
        counts=counts,
        weights=weights if members > 1 else None,
        others=[(network.config, network.params) for network in networks[1:]],
    )
