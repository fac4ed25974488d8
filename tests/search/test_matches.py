from __future__ import annotations

from fastlm.search.matches import Match, Place


def test_a_match_is_shown_with_its_document():
    place = Place(3, 1, 3, "train", "the ", "cat", " sat")
    match = Match("cat", 1, 4, 3, 2, [place])
    assert repr(match) == "Match('cat', tokens=3, count=2, document 1)"
    assert repr(Match("cat", 1, 4, 3, 2, [])) == "Match('cat', tokens=3, count=2)"
    assert match.to_dict()["places"][0]["before"] == "the "
