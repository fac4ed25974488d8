"""Pages in a browser without a window: what is in them once their scripts have run."""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)

needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")

_FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars",
    "--enable-logging=stderr",
    "--virtual-time-budget=20000", "--disable-dev-shm-usage",
)  # fmt: skip


def _run(page: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    assert CHROMIUM is not None
    profile = page.parent / "profile"
    command = [CHROMIUM, *_FLAGS, f"--user-data-dir={profile}", *flags, page.resolve().as_uri()]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)


def console_of(page: Path) -> tuple[str, list[str]]:
    """The document once it has run, and what its console holds."""
    done = _run(page, "--dump-dom")
    return done.stdout, re.findall(r"CONSOLE.*", done.stderr)


def answers(page: Path, program: str) -> Any:
    """What a program returns in a page: it is run after those of the page."""
    asked = page.with_name(f"asked-{page.name}")
    script = (
        f"<script>{{const answer = (() => {{ {program} }})(); const pre = "
        "document.createElement('pre'); pre.id = 'answer'; "
        "pre.textContent = JSON.stringify(answer); document.body.append(pre);}</script></body>"
    )
    asked.write_text(page.read_text(encoding="utf-8").replace("</body>", script), encoding="utf-8")
    dom, console = console_of(asked)
    assert console == [], console
    (found,) = re.findall(r'<pre id="answer">(.*?)</pre>', dom, re.DOTALL)
    return json.loads(html.unescape(found))


def picture_of(page: Path, image: Path, *, dark: bool) -> bytes:
    """A screenshot as PNG, of someone who prefers light or dark pages."""
    scheme = 0 if dark else 1
    _run(
        page, f"--blink-settings=preferredColorScheme={scheme}", "--window-size=960,2400",
        f"--screenshot={image}",
    )  # fmt: skip
    return image.read_bytes()
