"""The cache of compiled kernels holds nothing of other sources."""

from __future__ import annotations

import pytest

from fastlm_kernels.runtime import jit


@pytest.fixture
def sources(tmp_path):
    folder = tmp_path / "package"
    folder.mkdir()
    (folder / "inner.py").write_text("one")
    return folder


@pytest.fixture
def cache(tmp_path):
    folder = tmp_path / "cache"
    folder.mkdir()
    return folder


def look(cache, sources):
    jit._fresh.discard(str(cache))
    jit.drop_stale_cache(str(cache), sources)
    return sorted(path.name for path in cache.iterdir() if path.suffix)


def test_what_was_compiled_from_other_sources_is_dropped(cache, sources):
    (cache / "outer.nbi").touch()
    (cache / "kept.pyc").touch()
    assert look(cache, sources) == ["kept.pyc"]  # nobody knows from which sources
    (cache / "outer.nbi").touch()
    (cache / "outer.1.nbc").touch()
    assert look(cache, sources) == ["kept.pyc", "outer.1.nbc", "outer.nbi"]
    (sources / "inner.py").write_text("two")  # the file of the outer kernel is the same
    assert look(cache, sources) == ["kept.pyc"]


def test_a_folder_is_looked_at_once_a_process(cache, sources):
    look(cache, sources)
    (sources / "inner.py").write_text("two")
    (cache / "outer.nbi").touch()
    jit.drop_stale_cache(str(cache), sources)
    assert (cache / "outer.nbi").exists()


def test_a_folder_that_is_not_there_is_made(tmp_path, sources):
    jit.drop_stale_cache(str(tmp_path / "new"), sources)
    assert any((tmp_path / "new").glob("sources-*"))
    jit.drop_stale_cache(None, sources)
