"""The command `fastlm compile`."""

from __future__ import annotations

from pathlib import Path

import pytest

from fastlm.api.compile import CompiledKernels
from fastlm.cli import main


def test_it_says_where_the_kernels_are(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done = CompiledKernels(Path("place"), 199, 11_500_000, 31.4)
    monkeypatch.setattr("fastlm.api.compile.compile_kernels", lambda: done)
    assert main(["compile"]) == 0
    assert capsys.readouterr().out == "199 kernels, 11.5 MB in place (31 s)\n"


def test_a_place_that_cannot_be_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail() -> None:
        raise PermissionError(13, "Permission denied", "place")

    monkeypatch.setattr("fastlm.api.compile.compile_kernels", fail)
    assert main(["compile"]) == 1
    assert "Permission denied" in capsys.readouterr().err
