"""`fastlm generate`: text from a model, and nothing else, on standard output."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from fastlm.errors import ConfigError

__all__ = ["generate"]


def generate(
    model: Annotated[
        Path, typer.Argument(metavar="MODEL", help="A model that fastlm wrote.", show_default=False)
    ],
    prompt: Annotated[str, typer.Option(metavar="TEXT", help="The text to go on from.")] = "",
    length: Annotated[int, typer.Option(metavar="N", help="New tokens at most.")] = 200,
    temperature: Annotated[
        float,
        typer.Option(metavar="T", help="Below 1 safer, above 1 wilder, 0 always the likeliest."),
    ] = 1.0,
    top_k: Annotated[
        int | None, typer.Option(metavar="K", help="Choose among the K likeliest tokens only.")
    ] = None,
    top_p: Annotated[
        float | None,
        typer.Option(
            metavar="P", help="Choose among the likeliest tokens that share probability P only."
        ),
    ] = None,
    greedy: Annotated[bool, typer.Option("--greedy", help="Always the likeliest token.")] = False,
    samples: Annotated[
        int, typer.Option(metavar="N", help="Texts to write, a blank line between them.")
    ] = 1,
    seed: Annotated[
        int | None, typer.Option(metavar="N", help="The same seed gives the same text.")
    ] = None,
) -> None:
    """Write text with a model."""
    if samples < 1:
        raise ConfigError(f"samples is {samples}; give a whole number of at least 1")

    from fastlm.model import LanguageModel

    lm = LanguageModel.load(model)
    out = sys.stdout
    if samples == 1:
        pieces = lm.stream(
            prompt,
            length=length,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            greedy=greedy,
            seed=seed,
        )
        out.write(prompt)
        out.flush()
        for piece in pieces:
            out.write(piece)
            out.flush()
        out.write("\n")
        return
    texts = lm.sample(
        samples,
        prompt,
        length=length,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        greedy=greedy,
        seed=seed,
    )
    out.write(("\n" if lm.documents == "lines" else "\n\n").join(texts) + "\n")
