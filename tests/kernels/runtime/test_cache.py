"""Compiled kernels are found wherever the package lies; no state of the cache ends a program."""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba import njit

from fastlm_kernels.passes import training
from fastlm_kernels.runtime import cache
from fastlm_kernels.runtime.jit import JIT_DISABLED, is_cached
from fastlm_kernels.runtime.sources import PACKAGE, sources_digest

pytestmark = pytest.mark.skipif(JIT_DISABLED, reason="nothing is compiled")

LOSSES = np.array([1.0, 2.0, 6.0])


@pytest.fixture
def places(tmp_path, monkeypatch):
    """A folder to read and write kernels in, and a second one to fall back to."""
    folders = (tmp_path / "package", tmp_path / "user")
    monkeypatch.setattr(cache, "_places", lambda: (folders, folders[::-1]))
    monkeypatch.setattr(cache, "_written", [])
    monkeypatch.setattr(cache, "_only", [])
    monkeypatch.setattr(cache, "_problem", [""])
    return folders


def kernel():
    """``mean_loss`` as a new process would have it: not compiled yet."""
    dispatcher = njit(training.mean_loss.py_func)
    dispatcher._cache = cache.KernelCache(dispatcher.py_func)
    return dispatcher


def hits(dispatcher):
    assert dispatcher(LOSSES, 3) == 3.0
    return sum(dispatcher.stats.cache_hits.values())


def test_what_was_compiled_is_found_by_the_next_process(places):
    first, second = kernel(), kernel()
    assert not is_cached(first)
    assert hits(first) == 0
    assert is_cached(second)
    assert hits(second) == 1
    assert [path.name for path in places[1].parent.iterdir()] == ["user"]
    assert cache.cache_problem() == ""


def test_what_an_image_brings_along_is_found(places):
    assert hits(kernel()) == 0
    places[1].rename(places[0])
    assert hits(kernel()) == 1
    assert not places[1].exists()  # nothing had to be written


@pytest.mark.parametrize("suffix", [".nbi", ".nbc"])
@pytest.mark.parametrize("content", [b"", b"\x80", b"cut off", None])
def test_a_damaged_file_is_compiled_again(places, suffix, content):
    hits(kernel())
    (path,) = places[1].glob(f"*{suffix}")
    path.write_bytes(path.read_bytes()[:-9] if content is None else content)
    assert hits(kernel()) == 0
    assert hits(kernel()) == 1


def test_a_folder_that_cannot_be_written(places):
    places[1].parent.mkdir(exist_ok=True)
    places[1].write_text("a file where the folder should be")
    assert hits(kernel()) == 0
    assert is_cached(kernel())  # in the next place
    assert cache.cache_problem() == ""


def test_no_folder_can_be_written(places):
    for place in places:
        place.write_text("a file where the folder should be")
    assert hits(kernel()) == 0
    assert hits(kernel()) == 1  # within this process, from a private folder
    assert str(places[1]) in cache.cache_problem()


def test_not_even_a_temporary_folder(places, monkeypatch):
    def fail(**_):
        raise FileNotFoundError(errno.ENOENT, "no usable temporary directory")

    for place in places:
        place.write_text("a file where the folder should be")
    monkeypatch.setattr("tempfile.mkdtemp", fail)
    assert hits(kernel()) == 0
    assert str(places[1]) in cache.cache_problem()


def test_a_full_disk(places, monkeypatch):
    def fail(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("numba.core.caching.IndexDataCacheFile.save", fail)
    assert hits(kernel()) == 0
    assert os.strerror(errno.ENOSPC) in cache.cache_problem()


def test_old_folders_of_other_versions_are_removed(places):
    names = {
        f"kernels-{'01' * 8}-numba0.1-llvmlite0.1-cpython-311": False,
        f"kernels-{'23' * 8}-numba0.2rc1+x-llvmlite0.1-cpython-311d-checked": False,
        f"kernels-{'45' * 8}-numba0.1-llvmlite0.1-cpython-311": True,  # used lately
        "mine": True,
        "kernels-of-mine-numba-trials": True,
    }
    for number, name in enumerate(names):
        (places[1].parent / name).mkdir(parents=True)
        if number != 2:
            os.utime(places[1].parent / name, (0, 0))
    hits(kernel())
    assert {name: (places[1].parent / name).exists() for name in names} == names
    assert cache._OWN_FOLDER.fullmatch(cache.cache_key())


def test_the_folder_that_is_asked_for_is_written(places, tmp_path, monkeypatch):
    monkeypatch.setattr(cache.config, "CACHE_DIR", "")
    hits(kernel())  # in another folder, which does not count
    assert cache.write_into(tmp_path / "image") == tmp_path / "image"
    assert hits(kernel()) == 0
    assert any((tmp_path / "image").glob("*.nbi"))


def test_the_key_names_sources_and_versions():
    assert sources_digest() in cache.cache_key()
    assert "numba" in cache.cache_key()
    assert Path(cache.package_folder()).is_relative_to(PACKAGE)


def run(package_parent, home, **environment):
    program = (
        "import numpy as np\n"
        "from fastlm_kernels.passes.training import mean_loss as kernel\n"
        "assert kernel(np.array([1.0, 2.0]), 2) == 1.5\n"
        "print(sum(kernel.stats.cache_hits.values()))\n"
    )
    clean = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=clean
        | {"PYTHONPATH": str(package_parent), "HOME": str(home), "LOCALAPPDATA": str(home)}
        | {"XDG_CACHE_HOME": str(home)}
        | environment,
        cwd=home,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return int(done.stdout)


@pytest.mark.thorough
def test_a_copy_of_the_package_with_new_times_finds_them(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    for number in (1, 2):
        shutil.copytree(
            PACKAGE, tmp_path / f"copy{number}" / PACKAGE.name,
            ignore=shutil.ignore_patterns("__pycache__"), copy_function=shutil.copyfile,
        )  # fmt: skip
    assert run(tmp_path / "copy1", home) == 0
    assert run(tmp_path / "copy2", home) == 1
    changed = tmp_path / "copy2" / PACKAGE.name / "layers" / "softmax.py"
    changed.write_text(changed.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    assert run(tmp_path / "copy2", home) == 0


def test_numbas_own_folder_stands(tmp_path):
    home = tmp_path / "home"
    home.mkdir()
    where = {"NUMBA_CACHE_DIR": str(tmp_path / "mine")}
    assert run(PACKAGE.parent, home, **where) == 0
    assert run(PACKAGE.parent, home, **where) == 1
    assert not any(home.rglob("*.nbi"))


# Root may write anywhere, unless it gives that up.
NO_ROOT = ["setpriv", "--bounding-set=-all", "--inh-caps=-all"]
IS_ROOT = hasattr(os, "getuid") and os.getuid() == 0


@pytest.mark.skipif(os.name == "nt", reason="Windows has no folders without write bits")
@pytest.mark.skipif(IS_ROOT and shutil.which("setpriv") is None, reason="root may write anywhere")
def test_neither_home_nor_package_can_be_written(tmp_path):
    """The usual container: installed by root, run as another user."""
    site, home = tmp_path / "site", tmp_path / "home"
    shutil.copytree(PACKAGE, site / PACKAGE.name, ignore=shutil.ignore_patterns("__pycache__"))
    home.mkdir()
    folders = [home, *(path for path in site.rglob("*") if path.is_dir())]
    for folder in folders:
        folder.chmod(0o555)
    program = (
        "import numpy as np\n"
        "from fastlm_kernels.passes.training import mean_loss as kernel\n"
        "from fastlm_kernels.runtime.cache import cache_problem\n"
        "assert kernel(np.array([1.0, 2.0]), 2) == 1.5\n"
        "print(cache_problem())\n"
    )
    clean = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    clean |= {"PYTHONPATH": str(site), "HOME": str(home / "none"), "XDG_CACHE_HOME": str(home)}
    try:
        done = subprocess.run(
            [*(NO_ROOT if IS_ROOT else []), sys.executable, "-B", "-c", program],
            env=clean,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
        )
    finally:
        for folder in folders:
            folder.chmod(0o755)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    assert str(home) in done.stdout
