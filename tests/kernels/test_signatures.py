"""Every kernel compiles once, and what is compiled is what the cache brings back."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path

import pytest
from numba import config

# A process and a cache of its own: from a warm cache a called kernel is never compiled, so it would
# show no signature at all, and other tests call kernels with types that the library never uses.
USES = """
    import importlib, pkgutil
    from pathlib import Path

    import numpy as np
    from numba.core.dispatcher import Dispatcher

    import fastlm
    import fastlm_kernels
    from fastlm.config import ModelConfig, TrainingConfig
    from fastlm.counts.arpa_reader import read_arpa
    from fastlm.counts.arpa_writer import write_arpa
    from fastlm.counts.estimate import estimate
    from fastlm.counts.pruning import prune_to_size
    from fastlm.engine.training import TrainingEngine
    from fastlm.engine.generation import context_logits
    from fastlm.engine.losses import position_losses
    from fastlm.engine.tokens import token_array
    from fastlm.engine.generation import Generation
    from fastlm.model.initialization import scaled_params
    from fastlm.inference.generation import kernel_rules
    from fastlm.inference.sampling import Sampling
    from fastlm.api.language_model import LanguageModel
    from fastlm.search.store_index import StoreIndex
    from fastlm.tokenizers import Vocabulary, build_tokenizer

    rng = np.random.default_rng(0)
    np.save("tokens.npy", rng.integers(0, 20, 200).astype(np.uint16))
    read_only = rng.integers(0, 20, 200).astype(np.uint32)
    read_only.flags.writeable = False

    models = [
        (dict(combine="mean", hidden=(), bias=False), dict(batch=1, momentum=0.0, shuffle=False)),
        (dict(hidden=(8, 8), boundary=0), dict(batch=40, dropout=0.5, embed_dropout=0.1)),
        (dict(hidden=(8,)), dict(batch=7, embed_lr_scale=2.0, seed=2**40)),
    ]
    corpora = [np.load("tokens.npy", mmap_mode="r"), read_only, rng.integers(0, 20, 200)]
    for (shape, how), ids in zip(models, corpora, strict=True):
        model = ModelConfig(vocab=20, context=3, embed=4, **shape)
        engine = TrainingEngine(model, TrainingConfig(**how), ids, scaled_params(model, 0))
        engine.threads = 2
        engine.run(np.full(5, 0.1))
        engine.run([0.1, 0.2])
        engine.snapshot()
        engine.gradient()
        position_losses(engine.snapshot()[0], model, token_array(ids, 20), 3, 150, threads=2)
        context_logits(engine.snapshot()[0], model, np.zeros((2, 3), dtype=np.int32))
        for vocab, prune in ((20, ()), (70_000, (0, 1))):
            counts = estimate(ids, 3, vocab, 0, prune=prune, threads=2)
            prune_to_size(counts, counts.nbytes - 1)
            symbols = Vocabulary.from_ordered(["<end>", *map(str, range(1, vocab))])
            write_arpa(counts, "counts.arpa", symbols)
            read_arpa("counts.arpa", symbols)

        for how in (dict(count=9, threads=2, excluded=[1]), dict(end=0, first=5)):
            for sampling in (Sampling(top_k=5, top_p=0.9), Sampling(greedy=True)):
                rules = kernel_rules(sampling, model.vocab)
                text = Generation(engine.snapshot()[0], model, rules, 1, [2, 3], **how)
                text.run(4)
    words = build_tokenizer("word", ["the cat sat"])
    for hidden, embed in (((), 2), ((8, 8), 16)):
        model = ModelConfig(vocab=5, boundary=0, embed=embed, hidden=hidden)
        lm = LanguageModel(model, scaled_params(model, 0), words)
        list(lm.score(["the dog sat"] * 200, threads=2, return_tokens=True))

    ids = words.encode_documents(["the cat sat on the cat"] * 9)
    for order in (1, 3):
        counts = estimate(ids, order, words.vocab_size, words.boundary_id)
        alone = LanguageModel(None, None, words, counts=counts)
        for each in (alone, fastlm.mix([lm, alone], texts=["the dog sat"] * 9)):
            each.sample(3, length=4, seed=1, threads=2)
            each.next_token_distribution("the")
            each.evaluate("the dog sat", cache=3)

    Path("corpus.txt").write_text("the cat sat. " * 20 + "abcab" * 9)
    for kind in ("char", "word"):
        fastlm.prepare("corpus.txt", "a.tokens", tokenizer=kind, valid=0)
        StoreIndex.build("a.tokens")
        StoreIndex.open("a.tokens").find("the cat")

    # Vectors of 16 or 8 only show in rows as long as these.
    model = ModelConfig(vocab=105, context=8, embed=24, hidden=(256, 128), boundary=0)
    engine = TrainingEngine(
        model, TrainingConfig(), rng.integers(0, 105, 5000), scaled_params(model, 0)
    )
    losses = engine.run(np.full(5, 0.5))
    losses = np.append(
        losses, position_losses(engine.snapshot()[0], model, engine.tokens, 0, 150, threads=2)
    )
    rules = kernel_rules(Sampling(top_p=0.9), model.vocab)
    text = Generation(engine.snapshot()[0], model, rules, 1, [], count=40)
    losses = np.append(losses, np.concatenate(text.run(30)))
    print(losses.tobytes().hex() + engine.snapshot()[0].tobytes().hex())

    counts = {}
    for module in pkgutil.walk_packages(fastlm_kernels.__path__, "fastlm_kernels."):
        for name, item in vars(importlib.import_module(module.name)).items():
            if isinstance(item, Dispatcher):
                key = f"{item.py_func.__module__}.{item.py_func.__name__}"
                counts[key] = max(counts.get(key, 0), len(item.signatures))
    print(*(f"{name}={count}" for name, count in sorted(counts.items())))
"""


def two_processes():
    """What a process prints that compiles everything, and one that finds it all in the cache."""
    printed = []
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(2):
            run = subprocess.run(
                [sys.executable, "-c", textwrap.dedent(USES)],
                cwd=folder,
                env=os.environ | {"NUMBA_CACHE_DIR": str(Path(folder) / "cache")},
                capture_output=True,
                text=True,
            )
            assert run.returncode == 0, run.stderr
            printed.append(run.stdout.splitlines())
    return printed


pytestmark = [
    pytest.mark.thorough,
    pytest.mark.skipif(bool(config.DISABLE_JIT), reason="nothing is compiled"),
    pytest.mark.beside(run=two_processes),
]


def test_no_kernel_has_a_second_signature(beside):
    line = beside[0][1]
    counts = {name: int(count) for name, count in (pair.split("=") for pair in line.split())}
    assert {name: count for name, count in counts.items() if count > 1} == {}
    used = [
        "passes.training.train_steps", "passes.training.batch_gradient",
        "layers.embedding.settle_all", "passes.evaluation.position_losses",
        "passes.evaluation.context_logits",
        "passes.generation.generate_tokens", "passes.sampling.choose",
        "counts.queries.count_losses", "counts.queries.distribution", "counts.caching.cache_losses",
        "passes.first_layer.number_tokens", "passes.scoring.sum_texts",
        "layers.softmax.softmax_cross_entropy", "linalg.gemm.gemm", "runtime.scheduler.next_tile",
        "counts.suffix_sort.induce_s", "counts.suffix_search.longest_matches",
        "counts.sorting.sort_positions", "counts.kneser_ney.estimate_level",
        "text.arpa.parse_ngrams", "text.arpa.format_ngrams",
    ]  # fmt: skip
    assert [counts[f"fastlm_kernels.{name}"] for name in used] == [1] * len(used)


def test_a_process_that_compiles_gets_the_bits_of_one_that_does_not(beside):
    compiled, cached = (lines[0] for lines in beside)
    assert compiled == cached
