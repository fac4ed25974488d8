"""The aliases that people and parsers choose from."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import get_args

from fastlm import types


def test_documents_has_one_list_of_values() -> None:
    assert get_args(types.Documents) == types.DOCUMENT_MODES
    # As files on disk have them.
    assert types.DOCUMENT_MODES == ("file", "paragraphs", "lines", "stream")


def test_it_imports_nothing_of_ours() -> None:
    tree = ast.parse(Path(types.__file__).read_text(encoding="utf-8"))
    modules = [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)]
    modules += [
        alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.Import)
        for alias in node.names
    ]
    assert not [name for name in modules if name is None or name.startswith("fastlm")]
