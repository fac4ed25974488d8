"""The report of a run: one page with its settings, curves, samples, map, surprises and figures."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from fastlm._version import __version__
from fastlm.api.inspection import Inspection
from fastlm.api.language_model import LanguageModel, load
from fastlm.api.pages.runs import read_runs, read_speeds
from fastlm.api.pages.views import (
    neighbor_bars,
    next_bars,
    place_bars,
    token_map,
)
from fastlm.bench.machine import processor_name
from fastlm.config import TrainingConfig
from fastlm.display.figures import (
    count_text,
    duration_text,
    model_text,
    plural,
    quality_text,
    size_text,
)
from fastlm.errors import ConfigError, CorpusError
from fastlm.pictures.bars import BarGroup, bar_scene
from fastlm.pictures.curves import curve_scene
from fastlm.pictures.map import map_scene
from fastlm.pictures.page import facts_table, page, paragraph, preformatted, section, table
from fastlm.pictures.svg import svg_inline
from fastlm.system.atomic_file import replace_file, unwritable
from fastlm.text.compression import compressed_sizes
from fastlm.text.reading import read_text
from fastlm.training.run_files import metrics_beside, model_beside
from fastlm.types import FilePath
from fastlm.wording import setting

__all__ = ["report_page", "write_report"]

_TEMPERATURES = (0.5, 1.0, 1.5)
_SAMPLES, _SAMPLE_LENGTH = 3, 240
_NEIGHBORS_OF = 4
# Characters and lines of the strip, and bytes of text that are measured and compressed.
_STRIP_CHARS, _STRIP_LINES = 600, 12
_MEASURED_BYTES = 1 << 20


def write_report(
    model: FilePath, path: FilePath, *, text: FilePath | None = None, prompt: str = ""
) -> None:
    """Write the report of a model or checkpoint, at once or not at all.

    Raises
    ------
    ConfigError
        When it cannot be written.
    ModelFileError
        When there is no such model.
    CorpusError
        For a text that cannot be read, or is empty.
    TokenizerError
        For a prompt or text that the tokenizer cannot encode.
    """
    content = report_page(model, text=text, prompt=prompt).encode("utf-8", "replace")
    try:
        replace_file(path, [content])
    except (OSError, ValueError) as error:
        raise ConfigError(unwritable("report", path, error)) from None


def report_page(model: FilePath, *, text: FilePath | None = None, prompt: str = "") -> str:
    """Return the page; nothing in it is fetched from elsewhere, and it runs no script.

    Parameters
    ----------
    model : path
        A model or a checkpoint. Its metrics and samples are taken from beside it.
    text : path, optional
        A file of text, best one that was not trained on: for the surprise strip and the figures
        beside gzip and xz.
    prompt : str
        For the next tokens.
    """
    inspection = Inspection(model)
    lm = load(model)
    parts = [section("Model and run", facts_table(_facts(inspection, lm)))]
    for add in (_curves, _samples, _map, _neighbors, _next, _places):
        parts += add(lm, Path(model), prompt)
    parts += _text_parts(lm, text)
    facts = inspection.facts
    name = Path(model).name
    subtitle = facts.get("corpus") or "a language model"
    footer = (
        f"{name}, {size_text(facts['bytes'])}; drawn on {processor_name()} by fastlm "
        f"{__version__}. Nothing in this page comes from elsewhere, and it runs no script."
    )
    return page(f"Report of {name}", f"Trained on {subtitle}" if facts.get("corpus") else subtitle,
                parts, footer)  # fmt: skip


def _facts(inspection: Inspection, lm: LanguageModel) -> Iterator[tuple[str, str]]:
    facts: dict[str, Any] = inspection.facts
    kind = lm.tokenizer.kind
    if facts["model"] is not None:
        yield "model", model_text(facts["model"], facts["parameters"])
    if lm.counts is not None:
        yield "counts", f"order {lm.counts.order}, {sum(lm.counts.counts):,} n-grams"
    document = facts["documents"].removesuffix("s")
    yield "tokenizer", f"{kind}, {lm.tokenizer.vocab_size:,} tokens; a document is a {document}"
    if facts.get("corpus"):
        yield "trained on", str(facts["corpus"])
    if facts["training"] is not None:
        training = TrainingConfig(**facts["training"])
        yield (
            "training",
            (
                f"batch {training.batch:,}, learning rate {training.base_lr:g} "
                f"({training.schedule}), momentum {training.momentum:g}, dropout "
                f"{training.dropout:g}, weight decay {training.weight_decay:g}, "
                f"seed {training.seed}"
            ),
        )
    if "step" in facts:
        epochs = f", {plural(facts['epoch'], 'epoch')}" if facts.get("epoch") is not None else ""
        yield "length", f"{facts['step']:,} steps{epochs}; {facts.get('reason', 'end unknown')}"
    if facts.get("seconds") and "step" in facts:
        yield "time", f"{duration_text(facts['seconds'])} (minutes:seconds)"
        yield "throughput", _throughput(facts, Path(inspection.path))
    if facts.get("valid_loss") is not None:
        yield "validation", quality_text(facts["valid_loss"], kind)


def _throughput(facts: dict[str, Any], model: Path) -> str:
    batch = (facts["training"] or {}).get("batch")
    whole = f"{count_text(facts['step'] * batch / facts['seconds'])} tokens/s" if batch else ""
    speeds = read_speeds(metrics_beside(model_beside(model)))
    if not speeds:
        return f"{whole} over the whole run" if whole else "not known"
    between = f"{count_text(float(np.median(speeds)))} tokens/s in the median of its reports"
    return f"{between}, {whole} with validation and all else" if whole else between


def _curves(lm: LanguageModel, model: Path, prompt: str) -> Iterator[str]:
    try:
        curves = read_runs([model])
    except ConfigError:
        yield section("Losses", paragraph("The run kept no losses."))
        return
    scene = curve_scene(curves)
    note = "" if curves[0].samples else f"Train with {setting('sample_every')} to see samples here."
    yield section("Losses", svg_inline(scene), *([paragraph(note)] if note else []))


def _samples(lm: LanguageModel, model: Path, prompt: str) -> Iterator[str]:
    texts = lm.sample(_SAMPLES, prompt, length=_SAMPLE_LENGTH, temperature=0.8, seed=0)
    note = paragraph("At temperature 0.8, with the seed 0.")
    yield section("What it writes now", note, *(preformatted(text.strip("\n")) for text in texts))


def _map(lm: LanguageModel, model: Path, prompt: str) -> Iterator[str]:
    try:
        found = token_map(lm)
    except ConfigError:
        return
    scene = map_scene("Where the embeddings lie", found.points, found.groups)
    yield section("A map of its tokens", svg_inline(scene), paragraph(found.note))


def _neighbors(lm: LanguageModel, model: Path, prompt: str) -> Iterator[str]:
    try:
        found = token_map(lm)
    except ConfigError:
        return
    # The first token of each group, so that they are of several kinds.
    firsts = {point.group: point.label for point in reversed(found.points)}
    chosen = [firsts[group] for group in sorted(firsts)]
    chosen += [point.label for point in found.points if point.label not in chosen]
    groups = []
    for token in chosen[:_NEIGHBORS_OF]:
        bars = neighbor_bars(lm, token, 6)
        groups.append(BarGroup(f"nearest to {token}", bars.labels, bars.values, bars.texts))
    scene = bar_scene("Nearest neighbours, by the cosine of embeddings", groups, role="c2")
    yield section("Neighbours", svg_inline(scene))


def _next(lm: LanguageModel, model: Path, prompt: str) -> Iterator[str]:
    groups = next_bars(lm, prompt, _TEMPERATURES, 8)
    after = f"after {prompt!r}" if prompt else "at the beginning of a text"
    scene = bar_scene(f"The next token {after}", groups)
    yield section("What comes next", svg_inline(scene))


def _places(lm: LanguageModel, model: Path, prompt: str) -> Iterator[str]:
    try:
        bars = place_bars(lm)
    except ConfigError:
        return
    title = "Root mean square of the first layer's weights, by place of the context"
    yield section("Where it looks", svg_inline(bar_scene(title, [bars], role="c3")))


def _text_parts(lm: LanguageModel, path: FilePath | None) -> Iterator[str]:
    if path is None:
        yield section(
            "Surprises, and figures beside gzip and xz",
            paragraph(f"Give a file of text with {setting('text')} to see them here."),
        )
        return
    text = read_text(path)
    data = text.encode("utf-8")
    cut = data[:_MEASURED_BYTES].decode("utf-8", "ignore")
    if not cut.strip():
        raise CorpusError(f"{path} holds no text; name another file")
    name = Path(path).name
    shown = "\n".join(cut.split("\n")[:_STRIP_LINES])[:_STRIP_CHARS]
    if len(shown) == _STRIP_CHARS:
        shown = shown.rpartition(" ")[0] or shown
    note = f"The beginning of {name}: the redder a token, the more bits it took."
    strip = f'<div class="strip">{lm.explain(shown).to_html()}</div>'
    yield section("Surprises", strip, paragraph(note))
    found = lm.evaluate(cut)
    measured = cut.encode("utf-8")
    rows = [(f"this model ({size_text(lm.params.size * 4 if lm.has_network else 0)})",
             f"{found.bits_per_char:.3f}", f"{found.bits_per_byte:.3f}")]  # fmt: skip
    for compressor, size in compressed_sizes(measured):
        bits = 8 * size
        rows.append((compressor, f"{bits / len(cut):.3f}", f"{bits / len(measured):.3f}"))
    whole = "all" if len(measured) == len(data) else "the first MB"
    said = (
        f"Measured on {whole} of {name}: {found.tokens:,} tokens, perplexity "
        f"{found.perplexity:,.2f}. gzip and xz get that text alone; the model knows its training "
        "text, and its own size is not counted."
    )
    if lm.tokenizer.kind in ("word", "whitespace"):
        said += f" {found.oov:,} tokens are unknown, and words do not say what stands between them."
    yield section(
        "Beside gzip and xz", table(("", "bits per character", "bits per byte"), rows),
        paragraph(said),
    )  # fmt: skip
