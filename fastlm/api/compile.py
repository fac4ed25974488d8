"""Compiling all kernels ahead of time, for an image whose containers cannot keep them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

import numpy as np

from fastlm.api.language_model import LanguageModel
from fastlm.api.mixing import mix
from fastlm.config import ModelConfig, TrainingConfig
from fastlm.counts.estimate import estimate
from fastlm.counts.pruning import prune_to_size
from fastlm.engine.precompile import serve
from fastlm.engine.training import TrainingEngine
from fastlm.model.initialization import scaled_params
from fastlm.tokenizers import build_tokenizer
from fastlm.tokenizers.blocks import compiled_encoder
from fastlm.tokenizers.compiled import compiled_counter
from fastlm.tokenizers.vocabulary import COUNTED_KINDS
from fastlm.training.divergence import check_finite
from fastlm_kernels.runtime.cache import package_folder, user_folder, write_into

__all__ = ["CompiledKernels", "compile_kernels", "serve_training"]

_TEXT = "a b\n\nb a\n"


class CompiledKernels(NamedTuple):
    """Where compiled kernels lie.

    Attributes
    ----------
    folder : Path
    kernels : int
        The kernels that are there, those of earlier calls included.
    size : int
        Their size in bytes.
    seconds : float
        What this call took.
    """

    folder: Path
    kernels: int
    size: int
    seconds: float


def compile_kernels() -> CompiledKernels:
    """Compile what training, scoring, generation and tokenizing use, for every later process.

    They are kept inside the package, where every user of it finds them, or, if its folder cannot
    be written, in the user's cache folder; if ``NUMBA_CACHE_DIR`` is set, there.

    Raises
    ------
    OSError
        If neither folder can be written.
    """
    started = time.perf_counter()
    folder = _writable_folder()
    for batch in (2, 1):  # a batch of one has kernels of its own
        _compile_training(batch)
    _compile_inference()
    _compile_tokenizers()
    indices = list(folder.glob("*.nbi"))
    size = sum(path.stat().st_size for path in folder.iterdir())
    return CompiledKernels(folder, len(indices), size, time.perf_counter() - started)


def serve_training() -> None:
    """Compile what a second process is asked for; see ``engine.precompile.serve``.

    ``counts`` is what estimates counts and weighs them beside a network.
    """
    serve({"counts": lambda: _small_mixture(_small_network())})


def _writable_folder() -> Path:
    try:
        return write_into(package_folder())
    except OSError:
        return write_into(user_folder())


def _compile_training(batch: int) -> None:
    model = ModelConfig(vocab=4, context=2, embed=2, hidden=(2,))
    tokens = np.arange(8, dtype=np.uint16) % 4
    engine = TrainingEngine(model, TrainingConfig(batch=batch), tokens, scaled_params(model, 0))
    losses = engine.run(np.full(2, 0.1))
    check_finite(losses, engine.snapshot()[0], 2)
    engine.gradient()
    for compilation in engine.compilations(every_unit=True).values():
        compilation()


def _compile_inference() -> None:
    model = _small_network()
    model.score_arrays([_TEXT])
    model.generate(length=2, seed=0)
    model.generate(length=2, seed=0, no_repeat=2)
    model.next_token_logits()
    model.step(model.start(), 0)
    mixture = _small_mixture(model)
    mixture.generate(length=2, seed=0)
    mixture.next_token_distribution()
    mixture.step(mixture.start(), 0)
    mixture.evaluate(_TEXT, cache=2)


def _small_network() -> LanguageModel:
    tokenizer = build_tokenizer("word", [_TEXT])
    config = ModelConfig(
        vocab=tokenizer.vocab_size, boundary=tokenizer.boundary_id, context=2, embed=2, hidden=(2,)
    )
    return LanguageModel(config, scaled_params(config, 0), tokenizer, documents="lines")


def _small_mixture(network: LanguageModel) -> LanguageModel:
    tokenizer = network.tokenizer
    ids = tokenizer.encode_documents([_TEXT] * 9)
    counts = estimate(ids, 3, tokenizer.vocab_size, tokenizer.boundary_id)
    prune_to_size(counts, counts.nbytes - 1)
    alone = LanguageModel(None, None, tokenizer, documents="lines", counts=counts)
    return mix([network, alone], texts=[_TEXT] * 9)


def _compile_tokenizers() -> None:
    block = _TEXT.encode()
    for kind in (*COUNTED_KINDS, "byte"):
        lowercase = kind == "word"
        if kind in COUNTED_KINDS:
            counter = compiled_counter(kind, lowercase, "unicode", "lines")
            counter.add(block)
            counter.counts()
        encoder = compiled_encoder(
            build_tokenizer(kind, [_TEXT], lowercase=lowercase), documents="paragraphs"
        )
        assert encoder is not None
        encoder.encode(block)
