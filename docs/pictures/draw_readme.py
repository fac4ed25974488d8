"""The pictures of the README, drawn from models that train for one minute and for two.

    python docs/pictures/draw_readme.py NAMES.txt SHAKESPEARE.txt

NAMES: first names, one a line (github.com/karpathy/makemore, names.txt). SHAKESPEARE: Tiny
Shakespeare (github.com/karpathy/char-rnn). They are SVG without a background, and follow the
reader's light or dark theme.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

import numpy as np
from draw_lesson import Picture

import fastlm

VOWELS = set("aeiouy")
TEXTS = (
    "KING RICHARD:\nWhat is the name of this sweet lady here?",
    "KING RICHARD:\nWhat is teh name of this sweat ladyx here?",
)


def draw_map(names: Path) -> None:
    """The embeddings of the letters on the two axes along which they differ most."""
    lm = fastlm.train(names, documents="lines", minutes=1, seed=0, counts="none")
    letters = list("abcdefghijklmnopqrstuvwxyz")
    ids = [int(lm.tokenizer.encode(letter)[0]) for letter in letters]
    rows = lm.tensors["embeddings"][ids].astype(np.float64)
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    rows -= rows.mean(axis=0)
    _, _, axes = np.linalg.svd(rows, full_matrices=False)
    points = rows @ axes[:2].T
    if points[[letters.index(letter) for letter in "aeiou"], 0].mean() > 0:
        points[:, 0] *= -1  # vowels to the left
    low, high = points.min(axis=0), points.max(axis=0)
    spots = apart(np.array([40, 40]) + (points - low) / (high - low) * np.array([800, 260]))
    picture = Picture(372, "The embeddings of letters after a minute of first names")
    for letter, (x, y) in zip(letters, spots, strict=True):
        style = "down" if letter in VOWELS else "up"
        picture.circle(x, y, 15, style, 0.22)
        picture.text(x, y + 6, letter, "mono big", "middle")
    caption = "Embeddings in two dimensions, after one minute on 2 cores. Orange: a, e, i, o, u, y."
    picture.text(8, 362, caption, "soft")
    picture.save("embedding-map.svg")


def apart(spots: np.ndarray, least: float = 31.0) -> np.ndarray:
    """Push spots that overlap away from each other."""
    for _ in range(500):
        for i in range(len(spots)):
            for k in range(i):
                way = spots[i] - spots[k]
                distance = math.hypot(*way) or 1.0
                if distance < least:
                    push = way / distance * (least - distance) / 2
                    spots[i] += push
                    spots[k] -= push
        spots = np.clip(spots, [24, 24], [856, 324])
    return spots


def draw_strip(text: Path) -> None:
    """A line as it is and with errors, each letter on the colour of its bits."""
    lm = fastlm.train(text, minutes=2, seed=0, counts="none")
    picture = Picture(166, "Each letter coloured by its surprise: a line, and the same with errors")
    for number, line in enumerate(TEXTS):
        score = next(lm.score([line], return_tokens=True))
        y = 22 + number * 64
        first = line.index("\n") + 1
        bits = -np.asarray(score.token_log_probs) / math.log(2)
        cells = [
            (line[start:end], surprise)
            for (start, end), surprise in zip(score.token_offsets, bits, strict=True)
            if start >= first
        ]
        for column, (letter, surprise) in enumerate(cells):
            x = 8 + column * 19.6
            share = min(1.0, float(surprise) / 12)
            picture.parts.append(
                f'<rect x="{x:.1f}" y="{y:.1f}" width="19" height="30" rx="2" class="down" '
                f'opacity="{share:.2f}"/>'
            )
            picture.text(x + 9.5, y + 21, letter, "mono big", "middle")
        mean = float(bits[first:].mean())
        picture.text(8, y + 47, f"{mean:.2f} bits per character", "soft")
    picture.text(872, 158, "0 bits to 12 bits and more; Tiny Shakespeare", "soft", "end")
    picture.save("surprise-strip.svg")


if __name__ == "__main__":
    draw_map(Path(sys.argv[1]))
    draw_strip(Path(sys.argv[2]))
