"""Write docs/files.md from the docstrings of the modules that define the formats.

python docs/write_files_page.py
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path

PAGE = Path(__file__).parent / "files.md"
HEAD = """# Files

What fastlm writes, byte by byte. `python docs/write_files_page.py` writes this page from the
docstrings of the modules that it names; a test compares both.

| file | name | format |
| --- | --- | --- |
| [model](#model) | `m.safetensors` | safetensors, with the tokenizer and the settings as JSON |
| [checkpoint](#checkpoint) | `m.checkpoint.safetensors` | a model, and what a run needs to go on |
| [token store](#token-store) | `corpus.tokens` | ids of 2 or 4 bytes, mapped into memory |
| [metrics](#metrics) | `m.metrics.jsonl` | JSON lines |
"""
SECTIONS = {
    "Model": "fastlm.model.model_file",
    "Checkpoint": "fastlm.training.checkpoint",
    "Token store": "fastlm.data.token_store_format",
    "Metrics": "fastlm.training.metrics",
}
_RULE = re.compile(r"^(=+) +(=+)$")


def page() -> str:
    """Return the page."""
    parts = [HEAD]
    for title, module in SECTIONS.items():
        doc = inspect.getdoc(import_module(module)) or ""
        lines = "\n".join(markdown(doc.replace("``", "`").splitlines()))
        parts.append(f"## {title}\n\n*From `{module}`.*\n\n{lines}\n")
    return "\n".join(parts)


def markdown(lines: list[str]) -> Iterator[str]:
    """Yield the lines, with the tables of reStructuredText as those of Markdown."""
    table: list[list[str]] = []
    rules, column = 0, 0
    for line in lines:
        if rule := _RULE.match(line):
            rules += 1
            column = rule.start(2)
        elif rules:
            first, second = line[:column].strip(), line[column:].strip()
            if first:
                table.append([first, second])
            else:
                table[-1][1] += f" {second}"
        else:
            yield line
        if rules == 3:
            yield f"| {table[0][0]} | {table[0][1]} |"
            yield "| --- | --- |"
            yield from (f"| {first} | {second} |" for first, second in table[1:])
            table, rules = [], 0


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
