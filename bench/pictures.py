"""The pictures of the README: an embedding map and a surprise strip, of a model of first names.

``python bench/pictures.py NAMES.txt`` (one name a line) trains for a minute and writes
docs/pictures/embedding-map.svg and docs/pictures/surprise-strip.svg. With a second file of prose
the strip is of that: a model is trained on it for a minute, too.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import fastlm
from fastlm.api.pages.views import caption_of, token_map
from fastlm.display.strip import strip
from fastlm.pictures.files import save_picture
from fastlm.pictures.map import map_scene

FOLDER = Path(__file__).parents[1] / "docs" / "pictures"
SENTENCES = (
    "It was the best of times, it was the worst of times.",
    "It was teh best of tmies, it was the wrost of timez.",
)


def draw_pictures(
    names: Path, folder: Path = FOLDER, *, prose: Path | None = None, minutes: float = 1.0
) -> list[Path]:
    """Train on names, and on prose if there is some; return the pictures that were written."""
    folder.mkdir(parents=True, exist_ok=True)
    lm = fastlm.train(names, documents="lines", minutes=minutes, seed=0)
    found = token_map(lm)
    after = f"after {minutes:g} minute{'' if minutes == 1 else 's'}"
    scene = map_scene(
        f"Letters of first names, {after} of training", found.points, found.groups,
        f"{found.note} {caption_of(lm, names.with_suffix('.safetensors').name)}",
    )  # fmt: skip
    save_picture(scene, folder / "embedding-map.svg")
    written = [folder / "embedding-map.svg"]
    if prose is not None:
        lm = fastlm.train(prose, minutes=minutes, seed=0)
        caption = caption_of(lm, prose.with_suffix(".safetensors").name)
        texts = [(each.score.perplexity, each.parts()) for each in lm.explain(SENTENCES)]
        title = f"What surprises a model, {after} of training: the redder, the more bits"
        picture = strip(texts, title, caption)
        (folder / "surprise-strip.svg").write_text(picture, encoding="utf-8")
        written.append(folder / "surprise-strip.svg")
    return written


def main(arguments: list[str] | None = None) -> None:
    """Run the program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", type=Path)
    parser.add_argument("prose", type=Path, nargs="?")
    parser.add_argument("--minutes", type=float, default=1.0)
    parser.add_argument("--folder", type=Path, default=FOLDER)
    given = parser.parse_args(arguments)
    for path in draw_pictures(given.names, given.folder, prose=given.prose, minutes=given.minutes):
        print(path)


if __name__ == "__main__":
    main()
