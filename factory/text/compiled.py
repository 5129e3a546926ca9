"""Compiled kernels (numba) for large inputs, and when they pay.

Every kernel has a twin in array code (numpy, polars) that gives the same result, needs no compiler and starts at once.
Array code reads about 30 MB/s per core, kernels three to five times as much, but numba takes about a second to load
kernels from its cache and ten to compile them on a new machine. So kernels are used from a size on, and only if numba
is installed (the extra `fast`).

Kernels live in one `kernels.py` per room and are imported inside functions only. Compiled code is cached in the user's
cache folder, in a folder named after the sources of all kernels, because numba does not notice when a kernel that
another one calls has changed.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

_P = ParamSpec("_P")
_T = TypeVar("_T")

CACHED_PAY, UNCACHED_PAY = 24 * 2**20, 256 * 2**20
"""Bytes of text from which kernels are used: compiled before on this machine, or not yet."""

SOURCES = ("kernels", "reading_kernels", "arrange", "rules", "marks", "features", "fold", "hashing")
"""Modules with kernels, and those whose functions, types and constants they compile."""

_active = False


def prepare(size: int) -> bool:
    """Use kernels in this process from now on if they pay for `size` bytes of text; returns whether they are used."""
    global _active
    if not _active and size >= CACHED_PAY and find_spec("numba") is not None:
        _active = size >= UNCACHED_PAY or is_cached()
    return _active


def active() -> bool:
    """Whether this process uses kernels."""
    return _active


@contextmanager
def forced(use: bool) -> Iterator[None]:
    """Use kernels, or array code, whatever the size: for tests and benchmarks."""
    global _active
    before, _active = _active, use
    try:
        yield
    finally:
        _active = before


def kernel(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """Compile `function` at its first call; it runs without the interpreter's lock."""
    return _compiled(function)


def inlined(function: Callable[_P, _T]) -> Callable[_P, _T]:
    """A kernel that becomes part of its callers: for what is done for every token. It must create no arrays.

    Passing arrays costs more than what such a function does, and so does counting references to them, which numba
    leaves out (`_nrt`) where nothing is created.
    """
    return _compiled(function, forceinline=True, _nrt=False)


def _compiled(function: Callable[_P, _T], **options: bool) -> Callable[_P, _T]:
    import numba

    compiler: Any = numba.njit
    folder = cache_folder()
    if folder is None:
        return compiler(nogil=True, **options)(function)  # type: ignore[no-any-return]
    # numba reads its setting when the function is decorated; other programs' functions keep theirs.
    config: Any = numba.config
    before = config.CACHE_DIR
    config.CACHE_DIR = str(folder)
    try:
        return compiler(nogil=True, cache=True, **options)(function)  # type: ignore[no-any-return]
    finally:
        config.CACHE_DIR = before


def is_cached() -> bool:
    """Whether kernels of this version were compiled on this machine before."""
    folder = cache_folder()
    return folder is not None and any(folder.rglob("*.nbi"))


@lru_cache(maxsize=1)
def cache_folder() -> Path | None:
    """Where compiled kernels are kept; None when that cannot be written. Folders of older versions are removed."""
    package = Path(__file__).parent.parent
    sources = hashlib.sha256(Path(__file__).read_bytes())
    for path in sorted(each for name in SOURCES for each in package.glob(f"*/{name}.py")):
        sources.update(path.read_bytes())
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    try:
        folder = Path(base).expanduser() / "cot-factory" / f"kernels-{sources.hexdigest()[:16]}"
        folder.mkdir(parents=True, exist_ok=True)
        # Compiled code is run as it is found: a folder that somebody else owns is not trusted.
        trusted = folder.stat().st_uid == os.getuid() and os.access(folder, os.W_OK)
    except (OSError, RuntimeError):
        return None
    if not trusted:
        return None
    for old in folder.parent.glob("kernels-*"):
        if old != folder:
            shutil.rmtree(old, ignore_errors=True)
    return folder
