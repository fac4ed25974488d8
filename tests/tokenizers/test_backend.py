"""The choice between Python, NumPy and kernels."""

from __future__ import annotations

import pytest

from fastlm.tokenizers import backend, compiled
from fastlm_kernels.runtime import jit


@pytest.fixture(autouse=True)
def with_jit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jit, "JIT_DISABLED", False)


@pytest.mark.parametrize("ready", [True, False])
def test_kernels_pay_from_a_size(ready: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "kernels_ready", lambda: ready)
    limit = backend.READY_FROM if ready else backend.COMPILED_FROM
    assert not backend.compiled_pays(limit - 1)
    assert backend.compiled_pays(limit)
    monkeypatch.setattr(jit, "JIT_DISABLED", True)
    assert not backend.compiled_pays(limit)
    assert not backend.kernels_loaded()


@pytest.mark.parametrize("kind", ["char", "byte"])
def test_numpy_is_used_longer_where_kernels_are_not_loaded(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(compiled, "kernels_ready", lambda: True)
    pays = backend.compiled_pays_for(kind, False, "file")
    assert pays(1)  # they are loaded: this module imports them
    monkeypatch.setattr(backend, "kernels_loaded", lambda: False)
    assert not pays(backend.NUMPY_UP_TO[kind] - 1)
    assert pays(backend.NUMPY_UP_TO[kind])
    for lowercase, documents in ((True, "file"), (False, "lines")):
        assert backend.compiled_pays_for(kind, lowercase, documents) is backend.compiled_pays


def test_words_have_no_numpy() -> None:
    assert backend.compiled_pays_for("word", False, "file") is backend.compiled_pays
