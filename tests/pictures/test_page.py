"""The shell of a page: escaped text, both themes, no script, nothing from elsewhere."""

from __future__ import annotations

from html.parser import HTMLParser

from fastlm.pictures.page import facts_table, page, paragraph, preformatted, section, table
from tests.pictures.scenes import fetches_nothing

EVIL = "<script>alert('&')</script>"


class Checker(HTMLParser):
    """Follows the elements, all of which are closed in order."""

    VOID = frozenset({"meta", "br", "input"})

    def __init__(self):
        super().__init__()
        self.open, self.names, self.text = [], [], []

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.names.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text.append(data)


def checked(text):
    checker = Checker()
    checker.feed(text)
    checker.close()
    assert checker.open == []
    return checker


def test_a_page():
    parts = [
        section(EVIL, paragraph(EVIL), preformatted(EVIL)),
        facts_table([(EVIL, EVIL)]),
        table(("a", EVIL), [(EVIL, "1")]),
    ]
    text = page(EVIL, EVIL, parts, EVIL)
    found = checked(text)
    assert "script" not in found.names
    assert "".join(found.text).count(EVIL) == 11
    assert text.count("prefers-color-scheme: dark") == 2
    assert fetches_nothing(text)
