"""The pages together: links lead somewhere, what is generated is up to date, the site is whole."""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.glob("*.md"))]
_LINK = re.compile(r"\]\(([^)\s]+)\)")


def anchors(page: Path) -> set[str]:
    """The anchors of a page's titles, as GitHub and the site make them."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.M)
    titles = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    plain = (re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", title).lower() for title in titles)
    return {re.sub(r"[^\w\- ]", "", title).strip().replace(" ", "-") for title in plain}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_to_a_file_and_a_title(page):
    for link in _LINK.findall(page.read_text(encoding="utf-8")):
        if re.match(r"https?://", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target), link


def test_a_link_that_leads_nowhere_would_be_found():
    found = anchors(DOCS / "guide.md")
    assert "1-the-model" in found
    assert "no-such-title" not in found


def test_the_page_of_files_is_what_the_modules_say():
    spec = importlib.util.spec_from_file_location("write_page", DOCS / "write_files_page.py")
    assert spec is not None
    assert spec.loader is not None
    writer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(writer)
    written = (DOCS / "files.md").read_text(encoding="utf-8")
    assert written == writer.page(), "run: python docs/write_files_page.py"


def test_every_page_is_in_the_site():
    listed = re.findall(r"^ +- [\w ]+: (\w+\.md)$", (ROOT / "mkdocs.yml").read_text(), re.MULTILINE)
    assert sorted(listed) == sorted(page.name for page in DOCS.glob("*.md"))


def test_every_name_of_the_reference_exists():
    import fastlm

    listed = re.findall(r"^::: fastlm\.(\w+)$", (DOCS / "reference.md").read_text(), re.MULTILINE)
    assert len(listed) >= 15
    public = set(fastlm.__all__)
    for name in listed:
        assert name in public or importlib.util.find_spec(f"fastlm.{name}"), name


@pytest.mark.thorough
@pytest.mark.skipif(importlib.util.find_spec("mkdocs") is None, reason="needs the extra docs")
@pytest.mark.skipif(importlib.util.find_spec("mkdocstrings") is None, reason="needs the extra docs")
def test_the_site_is_built_without_a_warning(tmp_path):
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "lesson" / "index.html").is_file()
