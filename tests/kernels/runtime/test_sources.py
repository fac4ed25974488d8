"""The digest of the kernels' sources changes with whatever they say, and with nothing else."""

from __future__ import annotations

import subprocess
import sys

import pytest

from fastlm_kernels.runtime.sources import sources_digest


@pytest.fixture
def package(tmp_path):
    (tmp_path / "room").mkdir()
    (tmp_path / "one.py").write_text("x = 1\n")
    (tmp_path / "room" / "two.py").write_text("y = 2\n")
    return tmp_path


def test_other_files_and_dates_do_not_matter(package):
    before = sources_digest(package)
    (package / "one.py").write_text("x = 1\n")
    (package / "one.nbi").write_bytes(b"index")
    assert sources_digest(package) == before
    assert len(before) == 16


@pytest.mark.parametrize("change", ["content", "nested content", "name", "new file"])
def test_sources_matter(package, change):
    before = sources_digest(package)
    if change == "content":
        (package / "one.py").write_text("x = 2\n")
    elif change == "nested content":
        (package / "room" / "two.py").write_text("y = 3\n")
    elif change == "name":
        (package / "one.py").rename(package / "other.py")
    else:
        (package / "room" / "three.py").touch()
    assert sources_digest(package) != before


def test_the_cache_folder_can_be_chosen_before_numba_is_loaded():
    code = "import sys, fastlm_kernels.runtime.sources; print('numba' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout == "False\n"
