"""Mutated checkpoints: ``python -m tests.robustness.checkpoint_fuzz COUNT SEED FILE``.

Each is loaded as a model, read as a checkpoint and resumed, within 512 MB of memory more than the
program has to start with, where the platform can say so. It is good or refused with the format's
error; anything else, a traceback of another kind above all, ends the program.

Half of the mutants carry the checksum of what they hold: what it would find must be found without
it.
"""

from __future__ import annotations

import copy
import json
import random
import struct
import sys
from collections import Counter
from pathlib import Path

import numpy as np

import fastlm
from fastlm.errors import ConfigError, ModelFileError
from fastlm.model.model_file import _checksum
from fastlm.training.checkpoint import read_checkpoint
from fastlm.training.trainer import Trainer
from tests.training.runs import TOKENS, VALID

_MORE_MEMORY = 512 << 20

VALUES = (
    None, True, False, 0, 1, -1, 2, 7, 255, 256, 2**31 - 1, 2**31, 2**53, 2**62, 2**63, 2**64,
    10**40, 0.0, -0.5, 0.5, 1e-320, 1e308, "", "x", "file", "char", "Z" * 5000, [], [1], [[]],
    [2**31 - 1] * 9, {}, {"kind": "word"}, {"a": 1}, "NaN",
)  # fmt: skip

DTYPES = ("F32", "F64", "F16", "BF16", "I64", "I32", "U16", "U8", "BOOL", "F8_E4M3", "", 7, None)

NUMPY = {"F32": "<f4", "F64": "<f8", "I64": "<i8"}


def split(content):
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def joined(header, data, length=None):
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def mutate(content, rng):
    """One mutant of a sound file."""
    kind = rng.choice(("bytes", "cut", "length", "tensor", "metadata", "metadata", "values"))
    if kind == "bytes":
        changed = bytearray(content)
        for _ in range(rng.choice((1, 1, 2, 8))):
            changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
        return bytes(changed)
    if kind == "cut":
        if rng.random() < 0.2:
            return content + rng.randbytes(rng.randint(1, 50))
        return content[: rng.randrange(len(content))]
    header, data = split(content)
    if kind == "length":
        real = len(content) - 8 - len(data)
        length = rng.choice(
            (
                0,
                1,
                2**64 - 1,
                2**63,
                2**40,
                10**8,
                10**8 + 1,
                len(content),
                real + 1,
                real - 1,
                real + 8,
            )
        )
        return struct.pack("<Q", length) + content[8:]
    if kind == "tensor":
        mutate_tensor(header, rng)
        return joined(header, data)
    if kind == "values":
        return with_checksum(header, mutate_values(header, data, rng))
    metadata = json.loads(header["__metadata__"]["fastlm"])
    for _ in range(rng.choice((1, 1, 1, 3))):
        change_somewhere(metadata, rng)
    header["__metadata__"]["fastlm"] = json.dumps(metadata)
    return with_checksum(header, data) if rng.random() < 0.8 else joined(header, data)


def mutate_tensor(header, rng):
    names = [name for name in header if name != "__metadata__"]
    name = rng.choice(names)
    entry = header[name]
    what = rng.choice(("dtype", "shape", "offsets", "name", "swap", "drop", "value"))
    if what == "dtype":
        entry["dtype"] = rng.choice(DTYPES)
    elif what == "shape":
        entry["shape"] = rng.choice(
            (
                [],
                [0],
                [2**62],
                [2**40, 2**40],
                [-1],
                [1] * 100,
                entry["shape"][::-1],
                [0, 2**62],
                "x",
            )
        )
    elif what == "offsets":
        begin, end = entry["data_offsets"]
        entry["data_offsets"] = rng.choice(
            ([begin, 2**62], [end, begin], [begin + 4, end + 4], [0, 0], [-4, end], [begin], None)
        )
    elif what == "name":
        header[rng.choice(("", "x", "state.x", "momentum.x", "é", name * 50))] = header.pop(name)
    elif what == "swap":
        other = rng.choice(names)
        header[name], header[other] = header[other], header[name]
    elif what == "drop":
        del header[name]
    else:
        header[name] = rng.choice(VALUES)


def mutate_values(header, data, rng):
    """Numbers that are none, or that no run can have, in the place of some of a tensor's."""
    changed = bytearray(data)
    name = rng.choice([name for name in header if name != "__metadata__"])
    begin, end = header[name]["data_offsets"]
    dtype = np.dtype(NUMPY[header[name]["dtype"]])
    array = np.ndarray((end - begin) // dtype.itemsize, dtype, changed, begin)
    bad = (np.nan, np.inf, -np.inf, 1e30) if array.dtype.kind == "f" else (-1, 2**62, -(2**63), 99)
    array[rng.randrange(array.size)] = rng.choice(bad)
    return bytes(changed)


def change_somewhere(form, rng):
    """Another value at a random place of a JSON object."""
    while form:
        key = rng.choice(list(form))
        value = form[key]
        if isinstance(value, dict) and value and rng.random() < 0.85:
            form = value
            continue
        break
    else:
        return
    what = rng.random()
    if what < 0.1:
        del form[key]
    elif what < 0.15:
        form[rng.choice(("x", "step", "kind"))] = rng.choice(VALUES)
    elif what < 0.3 and isinstance(value, list) and value:
        value[rng.randrange(len(value))] = rng.choice(VALUES)
    else:
        form[key] = copy.deepcopy(rng.choice(VALUES))


def with_checksum(header, data):
    """The file with the checksum of what it holds, where that can be computed."""
    try:
        tensors = {
            name: np.frombuffer(data, NUMPY[entry["dtype"]])[:0].reshape(-1)
            if not entry["data_offsets"][1] - entry["data_offsets"][0]
            else np.frombuffer(data[slice(*entry["data_offsets"])], NUMPY[entry["dtype"]]).reshape(
                entry["shape"]
            )
            for name, entry in header.items()
            if name != "__metadata__"
        }
        metadata = json.loads(header["__metadata__"]["fastlm"])
        metadata["checksum"] = _checksum(tensors, metadata)
    except (KeyError, ValueError, TypeError, ModelFileError):
        return joined(header, data)
    header["__metadata__"]["fastlm"] = json.dumps(metadata)
    return joined(header, data)


def outcome(path):
    """What becomes of a file: "loaded", "read", "resumed", or "refused"."""
    said = []
    for what, take in (
        ("loaded", fastlm.load),
        ("read", read_checkpoint),
        ("resumed", lambda path: Trainer.resume(path, TOKENS, VALID, metrics=None)),
    ):
        try:
            take(path)
            said.append(what)
        except (ModelFileError, ConfigError) as error:
            # ConfigError: a sound checkpoint, but of another corpus.
            if "\n" in str(error) or (isinstance(error, ConfigError) and what != "resumed"):
                raise AssertionError(f"{what}: {error!r}") from error
    return " ".join(said) or "refused"


def limit_memory():
    try:
        import resource

        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    except (ImportError, OSError):
        return
    resource.setrlimit(resource.RLIMIT_AS, (used + _MORE_MEMORY,) * 2)


def main(count, seed, source):
    content = source.read_bytes()
    rng = random.Random(seed)
    assert outcome(source) == "loaded read resumed"
    limit_memory()
    mutant = source.with_name("mutant.safetensors")
    seen = Counter()
    for number in range(count):
        mutant.write_bytes(mutate(content, rng))
        try:
            seen[outcome(mutant)] += 1
        except BaseException:
            print(f"mutant {number} of seed {seed}", file=sys.stderr)
            raise
    print(json.dumps(seen))


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), Path(sys.argv[3]))
