"""The cache of compiled kernels: its folders, its key (all sources), and that it fails no program.

Numba's own cache goes by the path of a source file and by that file alone: a copy of the package
compiles everything again, a change in a called kernel of another file is not seen, a folder that
cannot be written or a damaged file ends the program. Here the key of a folder is the digest of all
kernel sources with the versions of Numba, llvmlite and Python; within it, Numba's key is the
processor, the types and the byte code.

Compiled kernels are looked for

1. in ``NUMBA_CACHE_DIR``, and nowhere else, where it is set;
2. in the package's own ``__pycache__``, which ``fastlm compile`` fills for an image;
3. in the user's cache folder, where they are written; if that cannot be written, in a temporary
   folder that goes with the process (``cache_problem`` says why).
"""

from __future__ import annotations

import atexit
import contextlib
import os
import re
import shutil
import sys
import tempfile
import time
from functools import cache
from pathlib import Path

import llvmlite
import numba
from numba.core import caching, config
from numba.misc.appdirs import AppDirs

from fastlm_kernels.runtime.sources import PACKAGE, sources_digest

# Days after which a folder of other sources or versions, unused since, is removed.
UNUSED_DAYS = 60

# Names that ``cache_key`` gives: a folder that the user chose holds other things, too.
_OWN_FOLDER = re.compile(r"kernels-[0-9a-f]{16}-numba[\w.+]+-llvmlite[\w.+]+-[\w.-]+")

_problem = [""]


def cache_problem() -> str:
    """Return why compiled kernels cannot be kept for the next start, or ""."""
    with contextlib.suppress(OSError):  # not even a temporary folder: the problem is known by then
        _write_folder()
    return _problem[0]


@cache
def cache_key():
    """Return the name of the folder for kernels of these sources and versions."""
    python = f"{sys.implementation.cache_tag}{getattr(sys, 'abiflags', '')}"
    checked = "-checked" if config.BOUNDSCHECK else ""
    return (
        f"kernels-{sources_digest()}-numba{numba.__version__}-llvmlite{llvmlite.__version__}"
        f"-{python}{checked}"
    )


def package_folder() -> Path:
    """Return the folder inside the package, which an image brings along."""
    return PACKAGE / "__pycache__" / cache_key()


def user_folder() -> Path:
    """Return the folder in the user's cache."""
    return Path(AppDirs(appname="fastlm", appauthor=False).user_cache_dir) / cache_key()


@cache
def _places():
    """Return (folders to read, in order; folders to write, the first that takes a file)."""
    if config.CACHE_DIR:
        folder = Path(config.CACHE_DIR) / cache_key()
        return (folder,), (folder,)
    return (package_folder(), user_folder()), (user_folder(), package_folder())


_written = []  # the folder that kernels are written into, once it is chosen
_only = []  # the folder of ``write_into``


def write_into(folder: Path) -> Path:
    """Read and write kernels in ``folder`` alone, or in ``NUMBA_CACHE_DIR`` where that is set.

    Returns that folder. Raises OSError if it cannot be written.
    """
    folder = _places()[1][0] if config.CACHE_DIR else Path(folder)
    _check_writable(folder)
    _only[:] = _written[:] = [folder]
    return folder


def _check_writable(folder):
    folder.mkdir(parents=True, exist_ok=True)
    tempfile.TemporaryFile(dir=folder).close()


def _write_folder():
    if not _written:
        for folder in _places()[1]:
            try:
                _check_writable(folder)
            except OSError as error:
                _problem[0] = _problem[0] or f"{folder}: {error.strerror}"
            else:
                _problem[0] = ""
                _remove_unused(folder)
                _written.append(folder)
                break
        else:
            _written.append(Path(tempfile.mkdtemp(prefix="fastlm-kernels-")))
            atexit.register(shutil.rmtree, _written[0], ignore_errors=True)
    return _written[0]


def _remove_unused(folder):
    """Remove the folders beside this one that hold kernels of other keys and have gone unused."""
    oldest = time.time() - UNUSED_DAYS * 86400
    with contextlib.suppress(OSError):
        os.utime(folder)
        for other in folder.parent.iterdir():
            own = _OWN_FOLDER.fullmatch(other.name) and other != folder
            if own and other.stat().st_mtime < oldest:
                shutil.rmtree(other, ignore_errors=True)


class _Locator(caching._CacheLocator):
    """Where a kernel is written; Numba asks for it before it knows whether it has to."""

    def __init__(self, py_func):
        self._lineno = py_func.__code__.co_firstlineno
        self._py_file = py_func.__code__.co_filename  # named in Numba's warnings

    @classmethod
    def from_function(cls, py_func, py_file):
        return cls(py_func)

    def ensure_cache_path(self):
        pass  # the first thing written has chosen it

    def get_cache_path(self):
        return str(_places()[0][0])

    def get_source_stamp(self):
        return cache_key()

    def get_disambiguator(self):
        return str(self._lineno)


class _KernelCacheImpl(caching.CompileResultCacheImpl):
    """Files are named by the kernel's full name: two groups may have modules of one name."""

    _locator_classes = (_Locator,)

    def __init__(self, py_func):
        self._module = py_func.__module__.removeprefix("fastlm_kernels.")
        super().__init__(py_func)

    def get_filename_base(self, fullname, abiflags):
        name = fullname.partition(".")[2]
        return super().get_filename_base(f"{self._module}.{name}", abiflags)


class KernelCache(caching.FunctionCache):
    """Numba's cache of one function, in the folders of this module; damaged files do not count."""

    _impl_class = _KernelCacheImpl

    def _file_in(self, folder):
        return caching.IndexDataCacheFile(
            str(folder), self._impl.filename_base, self._impl.locator.get_source_stamp()
        )

    def load_overload(self, sig, target_context):
        """Return what is compiled for the types ``sig``, or None."""
        for folder in _only or (*_places()[0], *_written):
            self._cache_file = self._file_in(folder)
            try:
                found = super().load_overload(sig, target_context)
            except Exception:  # whatever reading a damaged file raises: it is compiled again
                found = None
                self._forget(folder)
            if found is not None:
                return found
        return None

    def save_overload(self, sig, data):
        """Keep what was compiled for the types ``sig``; a failure is a ``cache_problem``."""
        if getattr(data.library, "is_inner", False):
            return  # what calls it holds its code
        try:
            self._cache_file = self._file_in(_write_folder())
            super().save_overload(sig, data)
        except OSError as error:
            _problem[0] = _problem[0] or f"{_written[0]}: {error.strerror}"
            self.disable()

    def holds_any(self):
        """Return whether the kernel has been compiled for some types, by a look at its index."""
        return any(Path(self._file_in(folder)._index_path).exists() for folder in _places()[0])

    def _forget(self, folder):
        """Drop a damaged index, which would be read again at every start."""
        with contextlib.suppress(OSError):
            os.unlink(self._file_in(folder)._index_path)
