"""Colours are read on their grounds: by the contrast that WCAG 2 asks for."""

from __future__ import annotations

import pytest

from fastlm.pictures.palette import ROLES, SERIES, theme_rules


def luminance(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(one: str, other: str) -> float:
    high, low = sorted((luminance(one), luminance(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("role", ["text", "muted", *SERIES])
def test_what_is_written_is_read_on_its_ground(role):
    shades = ROLES[role]
    assert contrast(shades.light, "#ffffff") >= 4.5
    assert contrast(shades.dark, "#0d1117") >= 4.5
    assert contrast(shades.both, "#ffffff") >= 3
    assert contrast(shades.both, "#0d1117") >= 3


def test_each_role_has_its_rules_twice():
    rules = theme_rules()
    assert rules.count(".f-text{") == rules.count(".s-c0{") == 2
    assert "prefers-color-scheme: dark" in rules
