"""Mutated model files: ``python -m tests.robustness.model_fuzz COUNT SEED FOLDER``.

Each is inspected, loaded, loaded as a map, and used: text is generated, scored and evaluated. It is
good or refused with one of our errors, in a line; in less than 2 s, and loaded in less memory than
20 times its size. Anything else ends the program. Kernels check their bounds where
NUMBA_BOUNDSCHECK=1 is set.

Most mutants carry the checksum of what they hold: what it would find must be found without it.
"""

from __future__ import annotations

import contextlib
import importlib.util
import io
import json
import random
import sys
import time
import tracemalloc
import warnings
from collections import Counter
from pathlib import Path

import fastlm
from fastlm.cli import main as command_line
from fastlm.errors import FastlmError
from tests.robustness.checkpoint_fuzz import change_somewhere, joined, mutate, split, with_checksum

MOST_SECONDS = 2.0
MOST_MEMORY = 20  # times the size of the file
FREE_MEMORY = 4 << 20  # a table of all code points, that any tokenizer of characters has
TEXT = "the cat sat on the mat, the dog lay on the log. it was (as far as I know) 12 o'clock\n\n"
SHAPES = {
    "char-file": {"tokenizer": "char", "context": 3},
    "char-lines": {"tokenizer": "char", "context": 2, "documents": "lines"},
    "byte-file": {"tokenizer": "byte", "context": 2, "combine": "mean"},
    "word-far": {"tokenizer": "word", "context": 2, "far": (3, 4), "documents": "paragraphs"},
    "word-tail": {"tokenizer": "word", "context": 2, "softmax": "adaptive"},
    "white-linear": {"tokenizer": "whitespace", "context": 2, "documents": "stream", "hidden": ()},
    "bpe-file": {"tokenizer": "bpe", "context": 2, "max_vocab": 300},
}  # fmt: skip


def make_models(folder):
    """Write sound models: of each kind of tokenizer, output and first layer."""
    rng = random.Random(0)
    made = []
    for name, shape in SHAPES.items():
        if shape["tokenizer"] == "bpe" and not importlib.util.find_spec("tokenizers"):
            continue
        words = TEXT.split()
        if shape.get("softmax"):  # which small vocabularies have no use for
            words += [f"w{number}" for number in range(400)]
        lines = (" ".join(rng.choices(words, k=rng.randint(1, 9))) for _ in range(300))
        path = folder / f"{name}.safetensors"
        settings = {"hidden": (8,), "embed": 4, "steps": 2, "batch": 64, "lr": 0.1, "threads": 1}
        text = "\n".join(lines) + "\n" + TEXT
        fastlm.train(texts=[text, text], valid=0, **settings | shape).save(path)
        made.append(path)
    return made


def mutant_of(content, rng):
    """One mutant; a tenth have a header that takes much memory or time to read."""
    if rng.random() < 0.9:
        return mutate(content, rng)
    header, data = split(content)
    metadata = json.loads(header["__metadata__"]["fastlm"])
    what = rng.choice(("tokenizer", "heap", "digits", "seen"))
    if what == "tokenizer":
        for _ in range(rng.choice((1, 1, 3))):
            change_somewhere(metadata["tokenizer"], rng)
    elif what == "seen":
        metadata["seen"] = rng.choice(("", "AA==", "////", "x", 3, None, "A" * 100_000))
        metadata["ends"] = rng.choice((True, False, 1, None))
    else:
        size = rng.randrange(10, 300_000)
        many = rng.choice(("[],", "{},", "0,", '"a",', "-1e9,", "[[],[]],", '{"a":[]},'))
        value = f"[{(many * size)[:-1]}]" if what == "heap" else "9" * size
        key = rng.choice(("details", "tokenizer", "model", "training", "x"))
        text = json.dumps({**metadata, key: 0})
        header["__metadata__"]["fastlm"] = text.replace(f'"{key}": 0', f'"{key}": {value}')
        return joined(header, data)
    header["__metadata__"]["fastlm"] = json.dumps(metadata)
    return with_checksum(header, data)


def check_message(error):
    if "\n" in str(error) or not str(error).isprintable():
        raise AssertionError(repr(error)) from error


def loaded(path, mmap):
    """Return the model, or None for one that is refused; measure its memory."""
    tracemalloc.start()
    try:
        return fastlm.load(path, mmap=mmap)
    except FastlmError as error:
        check_message(error)
        return None
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        size = path.stat().st_size
        if peak > MOST_MEMORY * size + FREE_MEMORY:
            raise AssertionError(f"{peak:,} bytes to load a file of {size:,}")


def inspected(path):
    """Return whether ``fastlm inspect`` shows the file; it must not print control characters."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = command_line(["inspect", str(path)])
    said = out.getvalue() + err.getvalue()
    assert code in (0, 1), said
    assert code == 0 or said.count("\n") == 1, said
    assert "\x1b" not in said
    return code == 0


def outcome(path):
    """Return what becomes of a file: "refused", or what it can be used for."""
    started = time.process_time()
    said = ["inspected"] if inspected(path) else []
    model = loaded(path, mmap=False)
    if (loaded(path, mmap=True) is None) != (model is None):
        raise AssertionError("it loads with mmap or without, but not both")
    if model is not None:
        said.append("loaded")
        for what, use in (
            ("generated", lambda: model.generate("the ", length=5, seed=1)),
            ("scored", lambda: list(model.score(["the cat", ""]))),
            ("evaluated", lambda: model.evaluate("the cat sat\n")),
        ):
            try:
                use()
                said.append(what)
            except FastlmError as error:
                check_message(error)
    seconds = time.process_time() - started
    if seconds > MOST_SECONDS:
        raise AssertionError(f"{seconds:.1f} s")
    return " ".join(said) or "refused"


def main(count, seed, folder):
    warnings.simplefilter("ignore")
    sources = make_models(folder)
    for path in sources:
        with contextlib.suppress(AssertionError):  # the first use imports and compiles
            outcome(path)
        assert outcome(path) == "inspected loaded generated scored evaluated"
    rng = random.Random(seed)
    mutant = folder / "mutant.safetensors"
    seen = Counter()
    for number in range(count):
        source = rng.choice(sources)
        mutant.write_bytes(mutant_of(source.read_bytes(), rng))
        try:
            seen[outcome(mutant)] += 1
        except BaseException:
            print(f"mutant {number} of seed {seed}, of {source.name}", file=sys.stderr)
            raise
    print(json.dumps(seen))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
