"""Views of a model as plain data: a map, neighbours, what comes next, weights."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from fastlm._version import __version__
from fastlm.api.language_model import LanguageModel
from fastlm.bench.machine import processor_name
from fastlm.checks import check_number, check_whole
from fastlm.errors import ConfigError
from fastlm.inference.embeddings.neighbors import nearest_tokens
from fastlm.inference.embeddings.projection import groups_of, place_weights, principal_components
from fastlm.inference.sampling import Sampling
from fastlm.pictures.bars import BarGroup
from fastlm.pictures.map import MapPoint
from fastlm.pictures.scene import visible
from fastlm.types import FilePath

__all__ = [
    "TokenMap",
    "caption_of",
    "neighbor_bars",
    "next_bars",
    "place_bars",
    "token_map",
]

# Letters and words of a map, and their groups: a letter is a vowel or not, a word is of many kinds.
_MOST_LETTERS, _LETTER_GROUPS = 80, 2
_MOST_WORDS, _WORD_GROUPS = 150, 6
# Fewer small letters than these are no alphabet; then all characters are shown.
_FEWEST_LETTERS = 8
_VOWELS = frozenset("aeiouyæøœɪʊаеёиоуыэюяіїєαεηιουω")
_TOKENS = 10


@dataclass(frozen=True)
class TokenMap:
    """Tokens at places in two dimensions.

    Attributes
    ----------
    points : list of MapPoint
        The most frequent first, as far as the vocabulary tells.
    groups : list of str
        What each group holds.
    note : str
        How places and groups were found.
    """

    points: list[MapPoint]
    groups: list[str]
    note: str


def caption_of(lm: LanguageModel, path: FilePath) -> str:
    """Return where a picture comes from: the model, its text, the machine, the version."""
    corpus = lm.corpus_description
    trained = f", trained on {corpus}" if corpus else ""
    return f"{Path(path).name}{trained}; {processor_name()}, fastlm {__version__}."


def token_map(lm: LanguageModel) -> TokenMap:
    """Return the map of a model's embeddings.

    Of characters the small letters are shown, of words the most frequent. Places are the first two
    principal components. Groups are found by k-means over all dimensions: nothing is said of what
    a letter or word is.

    Raises
    ------
    ConfigError
        For counts alone, and where fewer than three tokens could be shown.
    """
    embeddings = _embeddings(lm)
    is_small = lm.tokenizer.kind in ("char", "byte")
    ids = _letters(lm) if is_small else _words(lm)
    if len(ids) < 3:
        raise ConfigError(
            f"the vocabulary has {len(ids)} tokens to show; a map needs 3, so use another model"
        )
    vectors = embeddings[ids].astype(np.float64)
    # Frequent tokens have longer vectors; directions, as of neighbours, say what they are like.
    vectors /= np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    places = principal_components(vectors)
    groups = groups_of(vectors, _LETTER_GROUPS if is_small else _WORD_GROUPS)
    names = [lm.tokenizer.token(id) for id in ids]
    points = [
        MapPoint(name, float(x), float(y), int(group))
        for name, (x, y), group in zip(names, places, groups, strict=True)
    ]
    members = [
        [point.label for point in points if point.group == group]
        for group in range(int(groups.max()) + 1)
    ]
    what = "letters" if is_small else "frequent words"
    note = (
        f"{len(ids)} {what}: the first two principal components of their directions "
        f"in {embeddings.shape[1]} dimensions; colours are {len(members)} groups that k-means "
        "finds in all dimensions, without being told what a token is."
    )
    return TokenMap(points, list(map(_described, members)), note)


def _embeddings(lm: LanguageModel) -> np.ndarray:
    if not lm.has_network:
        raise ConfigError("a model of counts has no embeddings; use one with a network")
    return lm.tensors["embeddings"]


def _shown_ids(lm: LanguageModel) -> list[int]:
    """Return the ids that occurred in training, as far as is known, but for special tokens."""
    left_out = {lm.tokenizer.boundary_id, lm.tokenizer.unk_id, *lm.seen.unseen_ids}
    return [id for id in range(lm.tokenizer.vocab_size) if id not in left_out]


def _letters(lm: LanguageModel) -> list[int]:
    ids, token = _shown_ids(lm), lm.tokenizer.token
    small = [id for id in ids if len(token(id)) == 1 and token(id).islower()]
    if len(small) < _FEWEST_LETTERS:
        small = [id for id in ids if len(token(id)) == 1 and token(id).isprintable()]
    return small[:_MOST_LETTERS]


def _words(lm: LanguageModel) -> list[int]:
    """Return the ids of words; the vocabulary has the frequent ones first."""
    ids, token = _shown_ids(lm), lm.tokenizer.token
    words = [id for id in ids if any(map(str.isalpha, token(id)))]
    return words[:_MOST_WORDS]


def _described(labels: Sequence[str]) -> str:
    """Name a group by its members; of letters with how many are vowels."""
    letters = all(len(label) == 1 and label.isalpha() for label in labels)
    if not letters:
        more = " …" if len(labels) > 10 else ""
        return f"{len(labels)} tokens: {' '.join(map(visible, labels[:10]))}{more}"
    vowels = sum(_is_vowel(label) for label in labels)
    said = {0: "no vowel", len(labels): "all vowels"}.get(
        vowels, f"{vowels} vowel{'s' * (vowels != 1)}"
    )
    return f"{len(labels)} letters, {said}: {' '.join(sorted(labels))}"


def _is_vowel(letter: str) -> bool:
    return unicodedata.normalize("NFD", letter.lower())[0] in _VOWELS


def neighbor_bars(lm: LanguageModel, token: str, k: int = _TOKENS) -> BarGroup:
    """Return the k nearest neighbours of a token and their cosines, as bars.

    Raises
    ------
    ConfigError
        For text that is not one token, and for counts alone.
    """
    near = nearest_tokens(lm.tokenizer, _embeddings(lm), token, k)
    names, cosines = [name for name, _ in near], [cosine for _, cosine in near]
    return BarGroup("", names, cosines, [f"{cosine:.3f}" for cosine in cosines])


def next_bars(
    lm: LanguageModel, prompt: str, temperatures: Sequence[float], k: int = _TOKENS
) -> list[BarGroup]:
    """Return the k most probable next tokens at each temperature; nothing is excluded.

    Raises
    ------
    ConfigError
        For a temperature below 0.
    TokenizerError
        For a prompt that the tokenizer cannot encode.
    """
    k = check_whole("k", k, 1)
    logits = lm.next_token_logits(prompt)
    groups = []
    for temperature in temperatures:
        check_number("temperature", temperature, least=0)
        shares = Sampling(temperature=temperature).probabilities(logits)
        best = np.argsort(-shares, kind="stable")[:k].tolist()
        groups.append(
            BarGroup(
                f"temperature {temperature:g}",
                [lm.tokenizer.token(id) for id in best],
                [float(shares[id]) for id in best],
                [f"{shares[id]:.1%}" for id in best],
            )
        )
    return groups


def place_bars(lm: LanguageModel) -> BarGroup:
    """Return how strongly the first layer takes each place of the context, the nearest first.

    Raises
    ------
    ConfigError
        For a model that takes a mean, which has the same weights for all places, and for counts.
    """
    _embeddings(lm)
    config = lm.config
    if config.combine == "mean":
        raise ConfigError(
            "combine is 'mean', so the first layer has the same weights for all places; use a "
            "model with combine 'concat'"
        )
    weight = lm.tensors["hidden.1.weight" if config.hidden else "output.weight"]
    sizes = place_weights(weight, config.context, config.embed)[::-1].tolist()
    labels = [f"{back} back" for back in range(1, len(sizes) + 1)]
    return BarGroup("", labels, sizes, [f"{size:.3f}" for size in sizes])
