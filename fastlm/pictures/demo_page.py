"""The page of a demo: a model in one HTML file that generates in plain JavaScript, offline.

The data of the page is a JSON object:

- ``title``, ``about``: for people;
- ``config``: the fields of ``ModelConfig``; ``tensors``: by name ``shape`` and ``offset``, in
  numbers, of the weights; ``dtype``: float32 or float16; ``weights``: little-endian, in base 64;
- ``tokenizer``: its JSON form without the symbols, which are ``names``; ``unk``: an id or null;
- ``documents``; ``excluded``: ids that are never chosen; ``end``: the id that ends a text, or null.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from typing import Any

__all__ = ["demo_page"]

_POLICY = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'"
_SCRIPTS = ("model.js", "tokenizers.js", "page.js")


def demo_page(data: Mapping[str, Any], *, prompt: str = "", length: int = 200) -> str:
    """Return the page; nothing in it is fetched from elsewhere.

    Parameters
    ----------
    data : mapping
        See the module.
    prompt : str
        What stands in the field at first.
    length : int
        Tokens that are generated.
    """
    folder = files("fastlm.pictures") / "demo"
    style = (folder / "page.css").read_text(encoding="utf-8")
    script = "\n".join((folder / name).read_text(encoding="utf-8") for name in _SCRIPTS)
    # No text of a model can end the element that holds it.
    content = json.dumps(data, allow_nan=False, separators=(",", ":")).replace("<", "\\u003c")
    title, about = escape(str(data["title"])), escape(str(data["about"]))
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="{_POLICY}">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
<h1>{title}</h1>
<p class="about">{about}</p>
<label for="prompt">Type the beginning of a text</label>
<textarea id="prompt" rows="3" spellcheck="false" autocomplete="off">
{escape(prompt)}</textarea>
<div id="note" role="status"></div>
<div class="row"><button class="plain" id="complete" type="button">Tab: complete</button>
<code id="completion"></code></div>
<div class="row">
<label>temperature <input id="temperature" type="range" min="0" max="2" step="0.05" value="0.8">
<span id="temperature-value"></span></label>
<label>top-k <input id="top-k" type="number" min="0" value="0" title="0: all"></label>
<label>tokens <input id="length" type="number" min="1" max="5000" value="{length:d}"></label>
<button class="main" id="generate" type="button">Generate</button>
<span class="muted" id="speed"></span>
</div>
<div id="output" aria-live="polite"></div>
<h2>What comes next</h2>
<p class="muted">The most probable next tokens at this temperature; a click adds one.</p>
<div id="bars"></div>
<footer>{escape(str(data["footer"]))}</footer>
<script type="application/json" id="model">{content}</script>
<script>
{script}</script>
</body>
</html>
"""
