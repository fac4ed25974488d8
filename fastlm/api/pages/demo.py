"""The demo of a model: its weights, its tokenizer and JavaScript that computes with them."""

from __future__ import annotations

import dataclasses
from base64 import b64encode
from typing import Any

import numpy as np

from fastlm._version import __version__
from fastlm.api.language_model import LanguageModel
from fastlm.display.figures import model_text, size_text
from fastlm.errors import ExportError
from fastlm.inference.generation import Request, excluded_ids
from fastlm.pictures.demo_page import demo_page
from fastlm.system.atomic_file import replace_file, unwritable
from fastlm.types import FilePath
from fastlm.wording import setting

__all__ = ["MOST_BYTES", "demo_data", "half_error", "write_demo"]

KINDS = ("char", "byte", "whitespace", "word")
"""The kinds of tokenizer that the page knows."""

MOST_BYTES = 64_000_000
"""Bytes of weights in a page: 16 million parameters in float32, 32 million in float16."""

# Documents whose losses tell how far rounded weights lead astray, and the tokens of each.
_PROBES = 64


def write_demo(
    lm: LanguageModel, path: FilePath, *, title: str, prompt: str = "", half: bool = False
) -> list[str]:
    """Write the page, and return what is to be said of it: a line each.

    Of a mixture the page has the first network alone.

    Parameters
    ----------
    lm : LanguageModel
    path : path
    title : str
        What the page is called.
    prompt : str
        What stands in its field at first.
    half : bool
        Weights as float16, which takes half the space.

    Raises
    ------
    ExportError
        For counts alone, a tokenizer that the page does not know, and too many weights; and when
        the file cannot be written.
    TokenizerError
        For a prompt that the tokenizer cannot encode.
    """
    data = demo_data(lm, title=title, half=half)
    lm = _network_alone(lm)
    Request.make(lm.text_model, prompt, {})  # it must be one that the model can continue
    content = demo_page(data, prompt=prompt).encode("utf-8")
    try:
        replace_file(path, [content])
    except (OSError, ValueError) as error:
        raise ExportError(unwritable("demo", path, error)) from None
    lines = [f"{lm.params.size:,} weights as {data['dtype']}; {data['error']}"]
    if data["alone"]:
        lines.append(data["alone"])
    return [*lines, f"{size_text(len(content))} in one file, nothing from elsewhere"]


def demo_data(lm: LanguageModel, *, title: str, half: bool = False) -> dict[str, Any]:
    """Return the data of the page; see ``fastlm.pictures.demo_page``.

    Raises
    ------
    ExportError
        As `write_demo`.
    """
    _check(lm, half=half)
    alone = "" if lm.weights is None else "the network alone: its counts or others are left out"
    lm = _network_alone(lm)
    tokenizer, config = lm.tokenizer, lm.config
    dtype = "float16" if half else "float32"
    weights = lm.params.astype(f"<f{2 if half else 4}")
    form = {name: value for name, value in tokenizer.to_dict().items() if name != "symbols"}
    end = Request.make(lm.text_model, "", {}).end
    error = half_error(lm) if half else "as trained, computed in float64"
    trained = lm.corpus_description
    about = f"{model_text(config.to_dict(), lm.params.size)}; {tokenizer.kind} tokenizer, "
    about += f"{tokenizer.vocab_size:,} tokens" + (f"; trained on {trained}" if trained else "")
    about += f"; {alone}" if alone else ""
    return {
        "title": title,
        "about": about,
        "error": error,
        "alone": alone,
        "footer": f"The whole model is in this page ({dtype}: {error}); nothing you type leaves "
        f"it. Written by fastlm {__version__}.",
        "config": dataclasses.asdict(config),
        "tensors": {
            tensor.name: {"shape": list(tensor.shape), "offset": tensor.offset}
            for tensor in lm.layout.tensors.values()
        },
        "dtype": dtype,
        "weights": b64encode(weights.tobytes()).decode("ascii"),
        "tokenizer": form,
        "names": [tokenizer.token(id) for id in range(tokenizer.vocab_size)],
        "unk": tokenizer.unk_id,
        "documents": lm.documents,
        "excluded": excluded_ids(lm.text_model),
        "end": end,
    }


def _network_alone(lm: LanguageModel) -> LanguageModel:
    if lm.weights is None:
        return lm
    return LanguageModel(
        lm.config,
        lm.params,
        lm.tokenizer,
        documents=lm.documents,
        seen=lm.seen,
        details=lm.details,
    )


def _check(lm: LanguageModel, *, half: bool) -> None:
    if not lm.has_network:
        raise ExportError(
            "this model has counts alone, and a demo holds a network; train one without "
            f"{setting('counts_only', True)}"
        )
    if lm.tokenizer.kind not in KINDS:
        raise ExportError(
            f"the tokenizer is {lm.tokenizer.kind}, which a demo cannot read text with; train "
            f"with one of {', '.join(KINDS)}"
        )
    size = lm.params.size * (2 if half else 4)
    if size > MOST_BYTES:
        remedy = "train a smaller model" if half else f"give {setting('half')}, or a smaller model"
        raise ExportError(
            f"the weights take {size_text(size)}, and a demo at most {size_text(MOST_BYTES)}; "
            f"{remedy}"
        )
    if half and float(np.abs(lm.params).max(initial=0.0)) > float(np.finfo(np.float16).max):
        raise ExportError("a weight is beyond 65,504, the largest float16; leave half out")


def half_error(lm: LanguageModel, probes: int = _PROBES) -> str:
    """Say how far probabilities move when the weights are rounded to float16, where measured."""
    rounded = LanguageModel(
        lm.config,
        lm.params.astype(np.float16).astype(np.float32),
        lm.tokenizer,
        documents=lm.documents,
        seen=lm.seen,
    )
    texts = lm.sample(probes, length=lm.config.span + 8, seed=0)
    model, other = lm.text_model, rounded.text_model
    most = 0.0
    for text in texts:
        ids = lm.tokenizer.encode(text).tolist()
        most = max(most, float(np.abs(model.distribution(ids) - other.distribution(ids)).max()))
    return f"in {probes} contexts a probability is off by at most {most:.1g}"
