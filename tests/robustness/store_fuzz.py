"""Mutated token stores: ``python -m tests.robustness.store_fuzz COUNT SEED FOLDER``.

Each is opened, checked, trained on, taken for validation and evaluated. It is good or refused with
one of our errors, in a line; in less than 2 s, and opened in less memory than 20 times its size.
Anything else ends the program. Kernels check their bounds where NUMBA_BOUNDSCHECK=1 is set.

Four in five mutants carry the checksums of what they hold: what those would find must be found
without them.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import random
import struct
import sys
import time
import tracemalloc
import warnings
import zlib
from collections import Counter
from pathlib import Path

import numpy as np

import fastlm
from fastlm.data.token_store import TokenStore
from fastlm.data.token_store_format import HEADER_BYTES, MAGIC, parse_header
from fastlm.errors import FastlmError, StoreError
from tests.robustness.checkpoint_fuzz import VALUES, change_somewhere

MOST_SECONDS = 2.0
MOST_MEMORY = 20  # times the size of the file
FREE_MEMORY = 4 << 20  # a table of all code points, that any tokenizer of characters has
SETTINGS = {
    "steps": 2, "hidden": (8,), "embed": 4, "context": 2, "far": (), "batch": 256, "lr": 0.1,
    "momentum": 0.9, "threads": 1, "softmax": "full",
}  # fmt: skip
TEXT = "the cat sat on the mat, the dog lay on the log. it was (as far as I know) 12 o'clock\n\n"


def make_stores(folder):
    """Write sound stores: of each kind of tokenizer and documents, narrow and wide."""
    rng = random.Random(0)
    words = TEXT.split()
    text = "\n".join(" ".join(rng.choices(words, k=rng.randint(1, 9))) for _ in range(300))
    made = []
    kinds = [
        ("char", "file", 0.1),
        ("char", "lines", 0),
        ("byte", "lines", 0.1),
        ("word", "paragraphs", 0.1),
        ("word", "file", 0),
        ("whitespace", "lines", 0.2),
        ("whitespace", "stream", 0.1),
    ]
    if importlib.util.find_spec("tokenizers"):
        kinds.append(("bpe", "file", 0.1))
    for tokenizer, documents, valid in kinds:
        path = folder / f"{tokenizer}-{documents}.tokens"
        fastlm.prepare(
            None, path, texts=[text] * 3, tokenizer=tokenizer, documents=documents, valid=valid
        )
        made.append(path)
        _, ids, metadata = split(path.read_bytes())
        wide = folder / f"{path.stem}-wide.tokens"
        wide.write_bytes(joined(ids.astype("<u4"), metadata))
        made.append(wide)
    return made


def split(content):
    header = parse_header("a store", content[:HEADER_BYTES], len(content))
    ids = np.frombuffer(content, f"<u{header.id_bytes}", header.n_ids, HEADER_BYTES)
    return header, ids, json.loads(content[header.metadata_offset :])


def joined(ids, metadata):
    """Return a store with right checksums; ``metadata`` : JSON, or bytes."""
    text = metadata if isinstance(metadata, bytes) else json.dumps(metadata).encode()
    data = ids.tobytes()
    return packed(
        (MAGIC, 1, ids.itemsize, ids.size, 64, 64 + len(data), len(text), zlib.crc32(data),
         zlib.crc32(text), 0)
    ) + data + text  # fmt: skip


def packed(fields):
    header = struct.pack("<8sIIQQQQIII", *fields)
    return header + struct.pack("<I", zlib.crc32(header))


def mutate(content, rng):
    """One mutant of a sound store."""
    kind = rng.choices(
        ("bytes", "cut", "header", "ids", "counts", "metadata", "tokenizer", "heap"),
        (1, 1, 1, 3, 3, 6, 3, 1),
    )[0]
    _, ids, metadata = split(content)
    if kind == "bytes":
        changed = bytearray(content)
        for _ in range(rng.choice((1, 1, 2, 8))):
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
        return bytes(changed)
    if kind == "cut":
        if rng.random() < 0.2:
            return content + rng.randbytes(rng.randint(1, 50))
        return content[: rng.randrange(len(content))]
    if kind == "header":
        fields = list(struct.unpack_from("<8sIIQQQQIII", content))
        at = rng.randrange(1, len(fields))
        bits = 32 if at in (1, 2, 7, 8, 9) else 64
        near = fields[at] + rng.choice((-2, -1, 1, 2, 64))
        fields[at] = rng.choice((0, 1, 2, 4, 8, near, 2**31, 2**bits - 1)) % 2**bits
        return packed(fields) + content[64:]
    if kind == "ids":
        ids = ids.copy()
        vocab = metadata["vocab"]
        values = (0, 1, vocab - 1, vocab, vocab + 1, 2**15, 2 ** (8 * ids.itemsize) - 1)
        for _ in range(rng.choice((1, 1, 5, 500))):
            ids[rng.randrange(ids.size)] = rng.choice(values)
        if rng.random() < 0.3:
            ids = ids[: rng.randrange(1, ids.size)]
        if rng.random() < 0.5:
            recount(ids, metadata, rng)
    elif kind == "counts":
        counts = metadata["counts"]
        if rng.random() < 0.3:
            metadata["counts"] = [0] * len(counts)
        for _ in range(rng.choice((1, 1, 5))):
            metadata["counts"][rng.randrange(len(counts))] = rng.choice((0, 1, 2**62, *VALUES))
    elif kind == "heap":
        size = rng.randrange(10, 300_000)
        key = rng.choice(("sources", "settings", "counts", "tokenizer", "x", "train"))
        many = rng.choice(("[],", "{},", "0,", '"a",', "-1e9,", "[[],[]],", '{"a":[]},'))
        text = json.dumps(metadata)[:-1]
        return joined(ids, f'{text}, "{key}": [{(many * size)[:-1]}]}}'.encode())
    else:
        form = metadata["tokenizer"] if kind == "tokenizer" else metadata
        for _ in range(rng.choice((1, 1, 1, 3))):
            change_somewhere(form, rng)
    return joined(ids, metadata)


def recount(ids, metadata, rng):
    """Let the metadata say what the ids are, but for the vocabulary."""
    total = ids.size
    train = rng.choice((total, total - 1, total // 2, 1, 0))
    metadata["train"]["tokens"], metadata["valid"]["tokens"] = train, total - train
    counts = np.bincount(ids[:train].astype(np.int64) % metadata["vocab"])
    metadata["counts"] = np.pad(counts, (0, metadata["vocab"] - counts.size)).tolist()


def opened(path):
    """Return the open store, or None for one that is refused; measure its memory."""
    tracemalloc.start()
    try:
        store = TokenStore.open(path, check=True)
        with contextlib.suppress(StoreError):
            assert store.tokenizer.vocab_size == store.metadata["vocab"]
        return store
    except StoreError as error:
        check_message(error)
        return None
    finally:
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        size = path.stat().st_size
        if peak > MOST_MEMORY * size + FREE_MEMORY:
            raise AssertionError(f"{peak:,} bytes to open a file of {size:,}")


def check_message(error):
    if "\n" in str(error) or not str(error).isprintable():
        raise AssertionError(repr(error)) from error


def outcome(path, sound, lm):
    """Return what becomes of a file: "refused", or what it can be used for."""
    started = time.process_time()
    store = opened(path)
    said = []
    for what, use in (
        ("trained", lambda: fastlm.train(path, **SETTINGS)),
        ("split", lambda: fastlm.train(path, valid=0.5, **SETTINGS)),
        ("validated", lambda: fastlm.train(sound, valid=path, **SETTINGS)),
        ("evaluated", lambda: lm.evaluate(TokenStore.open(path, check=False))),
    ):
        try:
            use()
            said.append(what)
        except FastlmError as error:
            check_message(error)
    if store is None and {"trained", "split", "validated"} & set(said):
        raise AssertionError(f"{said} what cannot be opened")
    seconds = time.process_time() - started
    if seconds > MOST_SECONDS:
        raise AssertionError(f"{seconds:.1f} s")
    return "refused" if store is None else " ".join(said) or "of no use"


def main(count, seed, folder):
    warnings.simplefilter("ignore")
    sources = make_stores(folder)
    models = {path: fastlm.train(path, **SETTINGS) for path in sources}
    for path in sources:
        with contextlib.suppress(AssertionError):  # the first use imports and compiles
            outcome(path, path, models[path])
        assert outcome(path, path, models[path]) != "refused"
    rng = random.Random(seed)
    mutant = folder / "mutant.tokens"
    seen = Counter()
    for number in range(count):
        source = rng.choice(sources)
        mutant.write_bytes(mutate(source.read_bytes(), rng))
        try:
            seen[outcome(mutant, source, models[source])] += 1
        except BaseException:
            print(f"mutant {number} of seed {seed}, of {source.name}", file=sys.stderr)
            raise
    print(json.dumps(seen))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
