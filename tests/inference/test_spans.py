from __future__ import annotations

import math

import numpy as np

from fastlm.inference.spans import Span, joined_parts, spans_of


def test_tokens_that_share_a_character_are_one_span():
    offsets = np.array([[0, 1], [1, 2], [1, 2], [1, 3], [4, 5], [5, 5]])
    log_probs = -math.log(2) * np.array([1.0, 2, 3, 4, 5, 6])
    spans = spans_of(offsets, log_probs, list("abcdef"))
    assert [(span.start, span.stop, span.tokens) for span in spans] == [
        (0, 1, ["a"]), (1, 3, ["b", "c", "d"]), (4, 5, ["e"]), (5, 5, ["f"]),
    ]  # fmt: skip
    np.testing.assert_allclose([span.bits for span in spans], [1, 9, 5, 6])


def spans(*bits):
    return [Span(at, at + 1, cost, ["x"]) for at, cost in enumerate(bits) if cost is not None]


def test_parts_are_all_of_the_text():
    parts = list(joined_parts("ab cd", [Span(0, 2, 1.0, ["ab"]), Span(3, 4, 2.0, ["c"])]))
    assert parts == [("ab", 1.0), (" ", None), ("c", 2.0), ("d", None)]
    assert list(joined_parts("", [Span(0, 0, 1.0, ["<end>"])])) == []


def test_what_is_seen_as_one_character_is_not_cut():
    assert list(joined_parts("e\u0301x", spans(1, 2, 4))) == [("e\u0301", 3), ("x", 4)]
    family = "\U0001f469\u200d\U0001f467"
    assert list(joined_parts(family, spans(1, 2, 4))) == [(family, 7)]
    flags = "\U0001f1e9\U0001f1ea\U0001f1eb\U0001f1f7"
    assert list(joined_parts(flags, spans(1, 2, 4, 8))) == [(flags[:2], 3), (flags[2:], 12)]
    wave = "\U0001f44b\U0001f3fd"
    assert list(joined_parts(wave, spans(1, None))) == [(wave, 1)]
    assert list(joined_parts("\n\u0301", spans(1, 2))) == [("\n", 1), ("\u0301", 2)]
