"""A small model file, and its bytes taken apart."""

from __future__ import annotations

import json
import struct

import numpy as np

TENSORS = {
    "embeddings": np.arange(6, dtype=np.float32).reshape(2, 3),
    "output.weight": np.linspace(-1, 1, 6, dtype=np.float32).reshape(3, 2),
    "state.step": np.array(7, dtype=np.int64),
    "state.nothing": np.empty((0, 3), dtype=np.uint16),
}
METADATA = {"kind": "model", "details": {"step": 3, "loss": 0.1, "who": "Zoë"}}


def parts(content):
    """(header as a dict, data) of a file's bytes."""
    (length,) = struct.unpack("<Q", content[:8])
    return json.loads(content[8 : 8 + length]), content[8 + length :]


def joined(header, data, length=None):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text) if length is None else length) + text + data


def with_metadata(content, **changes):
    header, data = parts(content)
    metadata = json.loads(header["__metadata__"]["fastlm"]) | changes
    header["__metadata__"]["fastlm"] = json.dumps(metadata)
    return joined(header, data)
